"""The play table as a MuJoCo model: `scene.xml`, which describes scene D, with its parts moved to where a layout says.

Everything is moved by the difference to scene D, so that D is `scene.xml` to the last bit.
"""

# MuJoCo's compiled modules ship without stubs.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from importlib.resources import files

import mujoco
import numpy as np

from vlasync.envs.playtable.layouts import LAYOUTS, Colour, Layout
from vlasync.envs.playtable.tasks import BLOCKS

_DESCRIBED = LAYOUTS["D"]


def load_model(layout: Layout = _DESCRIBED) -> mujoco.MjModel:
    """The table, its fixtures, the blocks and the robot, as `layout` arranges them."""
    scene = mujoco.MjSpec.from_string((files("vlasync.envs.playtable") / "scene.xml").read_text())
    _move_fixtures(scene, layout)
    _move_drawer(scene, layout.drawer_x - _DESCRIBED.drawer_x)
    _move_cabinet(scene, layout.cabinet_x - _DESCRIBED.cabinet_x)
    _resize_blocks(scene, layout)
    for name, colour in (("wood", layout.table), ("door", layout.door), ("drawer", layout.drawer)):
        scene.material(name).rgba = _opaque(colour)
    return scene.compile()


def _move_fixtures(scene: mujoco.MjSpec, layout: Layout) -> None:
    """What stands on its own: button with its collar, LED, switch, bulb and sliding door."""
    button = layout.button_x - _DESCRIBED.button_x
    scene.body("button_link").pos[0] += button
    scene.geom("collar").pos[0] += button
    scene.body("led_link").pos[0] += layout.led_x - _DESCRIBED.led_x
    scene.body("switch_link").pos[0] += layout.switch_x - _DESCRIBED.switch_x
    scene.body("light_link").pos[0] += layout.bulb_x - _DESCRIBED.bulb_x
    scene.body("slide_link").pos[0] += layout.slider_x - _DESCRIBED.slider_x
    scene.joint("slider").range[1] += layout.slider_limit - _DESCRIBED.slider_limit


def _move_drawer(scene: mujoco.MjSpec, shift: float) -> None:
    """The drawer, and the opening in the table's front that it fills."""
    scene.body("drawer_link").pos[0] += shift
    _move_right_end(scene.geom("apron_left"), shift)
    _move_left_end(scene.geom("apron_right"), shift)


def _move_cabinet(scene: mujoco.MjSpec, shift: float) -> None:
    """The cabinet's hollow part; the solid parts beside it grow and shrink."""
    scene.body("plank_link").pos[0] += shift
    for name in ("cabinet_roof", "cabinet_back"):
        scene.geom(name).pos[0] += shift
    _move_right_end(scene.geom("base_left"), shift)
    _move_left_end(scene.geom("base_right"), shift)
    for name, inner in (("wedge_left", np.max), ("wedge_right", np.min)):
        vertices = np.array(scene.mesh(name).uservert).reshape(-1, 3)
        vertices[vertices[:, 0] == inner(vertices[:, 0]), 0] += shift
        scene.mesh(name).uservert = vertices.ravel()


def _move_right_end(box: mujoco.MjsGeom, shift: float) -> None:
    """Stretch a box to the right."""
    box.pos[0] += shift / 2
    box.size[0] += shift / 2


def _move_left_end(box: mujoco.MjsGeom, shift: float) -> None:
    """Shrink a box from the left."""
    box.pos[0] += shift / 2
    box.size[0] -= shift / 2


def _resize_blocks(scene: mujoco.MjSpec, layout: Layout) -> None:
    for color, length in zip(BLOCKS, layout.block_lengths, strict=True):
        scene.body(f"block_{color}").first_geom().size[0] = length / 2


def _opaque(colour: Colour) -> tuple[float, float, float, float]:
    return (*colour, 1.0)
