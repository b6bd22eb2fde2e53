"""Randomised starts from which a task can be solved: the task's part of the scene fits it, all else is left to chance.

Metres, radians, world frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.envs.playtable.arm import NEUTRAL, arm_at, near_neutral
from vlasync.envs.playtable.block_places import (
    MEAN_YAW,
    YAW_RANGE,
    HeldBlock,
    calvin_blocks,
    sample_blocks,
    target_area,
)
from vlasync.envs.playtable.expert.blocks import REACH_TILT, grip_point
from vlasync.envs.playtable.expert.motion import along_fingers, tilted_turn
from vlasync.envs.playtable.expert.view import CLOSED
from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.envs.playtable.layouts import LAYOUTS, Interval, Layout
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.envs.spaces import require_vector

DRAWER_LIMIT, SWITCH_LIMIT = 0.22, 0.088
"""Largest joint positions of drawer and switch."""

# Of the drawer, and from either end of the door: where a task that needs it open or shut finds it.
_DRAWER_OPEN, _DRAWER_SHUT = (0.16, DRAWER_LIMIT), (0.0, 0.05)
_DOOR_AT_END = 0.03

# Where the lift began that left the block in the hand; opening of the gripper, which is a little less than the block's
# size so that the fingers touch it; how far it was lifted, or drawn out of the cabinet until the hand is clear of it.
_HELD_FROM = {
    "place_in_slider": ("lift_table", "lift_slider", "lift_drawer"),
    "place_in_drawer": ("lift_table", "lift_slider"),
    "stack_block": ("lift_table", "lift_slider", "lift_drawer"),
}
_HELD_WIDTH = 0.0396
_LIFTED, _DRAWN_OUT = (0.055, 0.085), (0.08, 0.11)


def sample_start(
    task: str, rng: np.random.Generator, layout: Layout = LAYOUTS["D"]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A random start from which `task` can be done.

    Args:
        task: one of `instructions.DEMONSTRATED_TASKS`.
        rng: the only source of chance.
        layout: of the scene.

    Returns:
        `robot_obs [15]`, of which joints, gripper width and command bind (the TCP's six numbers are what the joints
        meet within 1 cm), and `scene_obs [24]`.

    Raises:
        VlasyncError: there is no such task.
    """
    require_demonstrated(task)
    if task in _HELD_FROM:
        return _sample_with_block_in_hand(task, rng, layout)
    robot = near_neutral(rng)
    fixtures = _sample_fixtures(task, rng, layout)
    return robot, np.concatenate([fixtures, sample_blocks(task, rng, layout, slider=fixtures[0])])


def requested_state(
    robot_obs: NDArray[np.float64] | None,
    scene_obs: NDArray[np.float64] | None,
    options: Mapping[str, Any] | None,
    rng: np.random.Generator,
    layout: Layout,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The state that a reset asks for: what is given, else CALVIN's neutral arm and blocks at random.

    Args:
        robot_obs: `[15]`.
        scene_obs: `[24]`.
        options: Gymnasium's way to give the two; an argument goes before it.
        rng: of the blocks' places.
        layout: the scene's.

    Returns:
        `robot_obs [15]` and `scene_obs [24]`.

    Raises:
        VlasyncError: one of them has another size, or is not finite.
    """
    given = options or {}
    robot = given.get("robot_obs") if robot_obs is None else robot_obs
    scene = given.get("scene_obs") if scene_obs is None else scene_obs
    if scene is None:
        scene = np.append(np.zeros(6), calvin_blocks(rng, layout))
    return require_vector(NEUTRAL if robot is None else robot, "robot_obs", 15), require_vector(scene, "scene_obs", 24)


def _sample_with_block_in_hand(
    task: str, rng: np.random.Generator, layout: Layout
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The state that the expert leaves when it has lifted a block off the table, or out of cabinet or drawer."""
    lift = _HELD_FROM[task][rng.integers(len(_HELD_FROM[task]))]
    fixtures = _sample_fixtures(f"{task} {lift}", rng, layout)
    area, z = target_area(lift, layout, slider=fixtures[0])
    yaw = MEAN_YAW + rng.uniform(-YAW_RANGE, YAW_RANGE)
    tilt, way = (REACH_TILT, _DRAWN_OUT) if lift == "lift_slider" else (0.0, _LIFTED)
    center = np.append(area.sample(rng), z) - rng.uniform(*way) * along_fingers(tilt)
    robot = arm_at(grip_point(center, tilt), tilted_turn(tilt, yaw), width=_HELD_WIDTH, command=CLOSED)
    # A block between fingers that point straight down is the gripper upside down; tilted ones took it as it lay.
    upright = Rotation.from_euler("xyz", tilted_turn(0.0, yaw)) * Rotation.from_euler("x", np.pi)
    pose = np.concatenate([center, upright.as_euler("xyz")])
    held = HeldBlock(color=BLOCKS[rng.integers(len(BLOCKS))], pose=pose)
    return robot, np.concatenate([fixtures, sample_blocks(task, rng, layout, slider=fixtures[0], held=held)])


def _sample_fixtures(task: str, rng: np.random.Generator, layout: Layout) -> NDArray[np.float64]:
    """`[6]` slider, drawer, button, switch, bulb, LED: with room to move what the task moves."""
    slider_range, drawer_range = _slider_range(task, rng, layout), _drawer_range(task)
    bulb, led = (float(light) for light in rng.integers(2, size=2))
    bulb = {"turn_on_lightbulb": 0.0, "turn_off_lightbulb": 1.0}.get(task, bulb)
    led = {"turn_on_led": 0.0, "turn_off_led": 1.0}.get(task, led)
    slider, drawer = rng.uniform(*slider_range), rng.uniform(*drawer_range)
    return np.array([slider, drawer, 0.0, SWITCH_LIMIT * bulb, bulb, led])


def _slider_range(task: str, rng: np.random.Generator, layout: Layout) -> Interval:
    """Joint positions of the door: on the side that a task moves it from, or out of the way at either end."""
    limit = layout.slider_limit
    if task == "move_slider_left":
        return 0.0, round(limit - 0.20, 3)
    if task == "move_slider_right":
        return 0.20, limit
    if "slider" in task:
        return ((0.0, _DOOR_AT_END), (limit - _DOOR_AT_END, limit))[rng.integers(2)]
    return 0.0, limit


def _drawer_range(task: str) -> Interval:
    """Joint positions of the drawer: shut to be opened, open for all else that is done with it."""
    if task == "open_drawer":
        return _DRAWER_SHUT
    return _DRAWER_OPEN if "drawer" in task else (0.0, DRAWER_LIMIT)
