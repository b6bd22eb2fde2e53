"""The four scenes A to D: the same table and robot, with everything that can be moved standing elsewhere.

Places and block sizes are those of CALVIN's four tables (joint origins of their URDFs and `surfaces` of their scene
configs, scaled by 0.8). The scenes differ along x alone: everything that stands further left or right is as far back
and as high as in scene D, whose geometry `scene.xml` describes. So do the colours, as the means of CALVIN's wood
textures under our light. Metres, world frame: x right, y away from the viewer, z up, origin under the middle of the
table, whose top spans x -0.44 to 0.44 and y -0.18 to 0.18.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vlasync.errors import VlasyncError

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 1."""

Interval = tuple[float, float]
"""Lowest and highest x, m."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things stand in one scene, how big its blocks are, and what colour its wood has.

    Attributes:
        name: of the scene, `A` to `D`.
        cabinet_x: middle of the cabinet's hollow part, which is 0.52 m wide.
        slider_x: middle of the sliding door and of its handle at joint position 0; the door moves left from there.
        slider_limit: largest joint position of the sliding door.
        drawer_x: middle of the drawer and of its handle.
        button_x: middle of the button.
        led_x: middle of the LED that the button toggles.
        switch_x: middle of the switch.
        bulb_x: middle of the light bulb that the switch turns on.
        table_blocks_x: where the centres of blocks may be on the table top.
        cabinet_blocks_x: where they may be in the cabinet, behind the opened door: on the left and on the right.
        block_lengths: long sides of the red, blue and pink block; the other sides are 0.04 m.
        table: colour of the table and the cabinet.
        door: colour of the sliding door.
        drawer: colour of the drawer.
    """

    name: str
    cabinet_x: float
    slider_x: float
    slider_limit: float
    drawer_x: float
    button_x: float
    led_x: float
    switch_x: float
    bulb_x: float
    table_blocks_x: Interval
    cabinet_blocks_x: tuple[Interval, Interval]
    block_lengths: tuple[float, float, float]
    table: Colour
    door: Colour
    drawer: Colour


_CABINET_ON_THE_LEFT: tuple[Interval, Interval] = ((-0.32, -0.16), (-0.05, 0.13))
_SMALL, _MIDDLE, _BIG = 0.04, 0.056, 0.08

# The door faces the light more than the rest of the table does, and is drawn lighter accordingly.
_MAHOGANY, _MAHOGANY_DOOR = (0.44, 0.26, 0.17), (0.47, 0.28, 0.18)
_MAPLE, _MAPLE_DOOR = (0.89, 0.72, 0.51), (0.95, 0.77, 0.55)
_OAK = (0.58, 0.40, 0.23)
_WALNUT, _WALNUT_DOOR = (0.57, 0.44, 0.30), (0.61, 0.47, 0.32)

_A = Layout(
    name="A",
    cabinet_x=-0.10,
    slider_x=0.04,
    slider_limit=0.28,
    drawer_x=0.10,
    button_x=-0.28,
    led_x=-0.28,
    switch_x=0.30,
    bulb_x=0.30,
    table_blocks_x=(-0.20, 0.35),
    cabinet_blocks_x=_CABINET_ON_THE_LEFT,
    block_lengths=(_MIDDLE, _BIG, _SMALL),
    table=_MAHOGANY,
    door=_MAHOGANY_DOOR,
    drawer=_MAHOGANY,
)
_B = Layout(
    name="B",
    cabinet_x=0.08,
    slider_x=0.228,
    slider_limit=0.304,
    drawer_x=0.18,
    button_x=0.28,
    led_x=0.28,
    switch_x=-0.32,
    bulb_x=-0.32,
    table_blocks_x=(-0.35, 0.15),
    cabinet_blocks_x=((-0.12, 0.06), (0.15, 0.33)),
    block_lengths=(_SMALL, _BIG, _MIDDLE),
    table=_MAPLE,
    door=_MAPLE_DOOR,
    drawer=_MAPLE,
)
_C = Layout(
    name="C",
    cabinet_x=0.08,
    slider_x=0.20,
    slider_limit=0.24,
    drawer_x=0.10,
    button_x=-0.12,
    led_x=-0.12,
    switch_x=-0.32,
    bulb_x=-0.32,
    table_blocks_x=(0.0, 0.35),
    cabinet_blocks_x=((-0.12, 0.06), (0.15, 0.30)),
    block_lengths=(_BIG, _SMALL, _MIDDLE),
    table=_OAK,
    door=_MAHOGANY_DOOR,
    drawer=_MAHOGANY,
)
_D = Layout(
    name="D",
    cabinet_x=-0.10,
    slider_x=0.04,
    slider_limit=0.28,
    drawer_x=0.18,
    button_x=-0.12,
    led_x=-0.12,
    switch_x=0.30,
    bulb_x=0.30,
    table_blocks_x=(0.0, 0.35),
    cabinet_blocks_x=_CABINET_ON_THE_LEFT,
    block_lengths=(_MIDDLE, _SMALL, _BIG),
    table=_WALNUT,
    door=_WALNUT_DOOR,
    drawer=_WALNUT,
)

LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in (_A, _B, _C, _D)})
"""The scenes by name; `scene.xml` describes D."""

DEFAULT_SCENE = "D"
"""The scene that CALVIN evaluates in, and that is meant where none is named."""


def find_layout(scene: str) -> Layout:
    """The layout of a scene.

    Raises:
        VlasyncError: there is no such scene.
    """
    if scene not in LAYOUTS:
        near = difflib.get_close_matches(scene.upper(), LAYOUTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(LAYOUTS)}"
        raise VlasyncError(f"scene {scene!r}: no such scene of the play table; {hint}")
    return LAYOUTS[scene]
