"""Where blocks lie at a start: the task's block where the task can be done, the others out of its way.

Metres, radians, world frame. The numbers follow the play table's geometry: the table top spans x -0.44 to 0.44 and
y -0.18 to 0.18, the cabinet begins behind y = 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.layouts import Interval, Layout
from vlasync.envs.playtable.tasks import BLOCKS

Place = NDArray[np.float64]
"""Centre `[3]` of a block."""

BLOCK_Z = {"table": 0.46, "cabinet": 0.461, "drawer": 0.36}
"""Height of a block's centre where it lies."""

MEAN_YAW, YAW_RANGE = np.pi / 2, np.pi / 8
"""CALVIN's blocks stand within this range of this yaw."""

_BLOCK_SIZE = 0.04
# Where blocks stand in front of the cabinet's door, and where the gripper reaches one without touching that door.
_TABLE_Y, _GRASPABLE_Y = (-0.15, -0.055), (-0.14, -0.075)
# Behind the door's way, no nearer to the cabinet's ends than a block needs. Where the hand has room between the door
# and the cabinet's end, as distances from the cabinet's middle.
_CABINET_Y, _CABINET_HALF = (0.085, 0.11), 0.22
_CABINET_GRASPABLE_Y, _CABINET_GRASPABLE = (0.085, 0.10), (0.12, 0.20)
# Half of the drawer's width in which the gripper has room, and along it where the drawer is open.
_DRAWER_GRASPABLE_HALF, _DRAWER_Y = 0.11, (-0.29, -0.25)
# Between centres: the longest block's half diagonal (0.045) twice, rounded up.
_MIN_DISTANCE = 0.10
_CABINET_SHARE = 0.35
_PUSH_ROOM = 0.12
# From this far off its middle one block still carries another.
_STACK_OFFSET = 0.006
_MAX_TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned part of the table top."""

    x: Interval
    y: Interval

    def sample(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A point `[2]` in it."""
        return np.array([rng.uniform(*self.x), rng.uniform(*self.y)])

    def contains(self, point: NDArray[np.float64]) -> bool:
        """Whether a point `[2]` lies in it."""
        return bool(self.x[0] < point[0] < self.x[1] and self.y[0] < point[1] < self.y[1])


def target_area(task: str, layout: Layout, *, slider: float) -> tuple[Box, float]:
    """Where the block that a task moves may lie, and the height of its centre there.

    Args:
        task: its name.
        layout: of the scene.
        slider: joint position of the sliding door, which leaves one side of the cabinet open.
    """
    low, high = layout.table_blocks_x[0], round(layout.table_blocks_x[1] - 0.02, 3)
    if task.startswith("push"):
        # A push ends before the table's edge on the right and, with open fingers, before the button on the left.
        x = {
            "right": (low, round(high - 0.13, 3)),
            "left": (round(low + 0.13, 3), high),
            "drawer": _within((low, high), layout.drawer_x, _DRAWER_GRASPABLE_HALF),
        }
        return Box(x=x[task.rsplit("_", 1)[1]], y=_GRASPABLE_Y), BLOCK_Z["table"]
    if task.endswith("_slider"):
        side = -1 if slider < layout.slider_limit / 2 else 1
        low, high = sorted(layout.cabinet_x + side * room for room in _CABINET_GRASPABLE)
        return Box(x=(low, high), y=_CABINET_GRASPABLE_Y), BLOCK_Z["cabinet"]
    if task.endswith("_drawer"):
        x = (layout.drawer_x - _DRAWER_GRASPABLE_HALF, layout.drawer_x + _DRAWER_GRASPABLE_HALF)
        return Box(x=x, y=_DRAWER_Y), BLOCK_Z["drawer"]
    return Box(x=(low, high), y=_GRASPABLE_Y), BLOCK_Z["table"]


def _within(interval: Interval, middle: float, half: float) -> Interval:
    """The part of an interval that is no further than `half` from `middle`."""
    return max(interval[0], middle - half), min(interval[1], middle + half)


@dataclass(frozen=True, kw_only=True)
class HeldBlock:
    """The block that the gripper holds at a start.

    Attributes:
        color: which one.
        pose: `[6]` its centre and extrinsic xyz Euler angles.
    """

    color: str
    pose: NDArray[np.float64]


def sample_blocks(
    task: str, rng: np.random.Generator, layout: Layout, *, slider: float, held: HeldBlock | None = None
) -> NDArray[np.float64]:
    """`[18]` x y z and Euler xyz of the red, blue and pink block."""
    target = held.color if held else _target(task, rng)
    places: dict[str, Place] = {}
    keep_clear = _task_room(task, layout)
    for color in sorted(BLOCKS, key=lambda color: color != target):
        if held and color == held.color:
            places[color] = held.pose[:3]
            keep_clear.append(_reserved(task, places[color]))
        elif color == target or (task == "stack_block" and len(places) == 1):
            area, z = target_area(task, layout, slider=slider)
            places[color] = _sample_apart(area, z, list(places.values()), rng)
            keep_clear.append(_reserved(task, places[color]))
        elif task == "unstack_block" and len(places) == 1:
            offset = rng.uniform(-_STACK_OFFSET, _STACK_OFFSET, size=2)
            places[color] = next(iter(places.values())) + np.append(offset, _BLOCK_SIZE)
        else:
            share = 1.0 if task == "push_into_drawer" else _CABINET_SHARE
            places[color] = _sample_bystander(list(places.values()), keep_clear, rng, layout, cabinet_share=share)
    yaws = MEAN_YAW + rng.uniform(-YAW_RANGE, YAW_RANGE, size=len(BLOCKS))
    poses = {color: np.array([*places[color], 0.0, 0.0, yaw]) for color, yaw in zip(BLOCKS, yaws, strict=True)}
    if held:
        poses[held.color] = held.pose
    return np.concatenate([poses[color] for color in BLOCKS])


def _target(task: str, rng: np.random.Generator) -> str | None:
    """Colour of the block that a task moves: its own, any, or none."""
    named = next((color for color in BLOCKS if f"_{color}_" in task), None)
    return BLOCKS[rng.integers(len(BLOCKS))] if task in ("push_into_drawer", "unstack_block") else named


def _task_room(task: str, layout: Layout) -> list[Box]:
    """Where a fixture's task needs the table free: the hand comes down lower than the blocks are high."""
    room = []
    if "drawer" in task:
        room.append(Box(x=(layout.drawer_x - 0.18, layout.drawer_x + 0.18), y=(-0.20, -0.11)))
    if "lightbulb" in task:
        room.append(Box(x=(layout.switch_x - 0.10, layout.switch_x + 0.10), y=(-0.10, 0.02)))
    return room


def _reserved(task: str, place: Place) -> Box:
    """The part of the table that the open gripper needs around the task's block, and along its way if it is pushed."""
    way = {"right": (0.0, _PUSH_ROOM), "left": (-_PUSH_ROOM, 0.0)} if task.startswith("push") else {}
    low, high = way.get(task.rsplit("_", 1)[1], (0.0, 0.0))
    return Box(x=(place[0] - 0.10 + low, place[0] + 0.10 + high), y=(place[1] - 0.10, place[1] + 0.10))


def _sample_apart(area: Box, z: float, others: list[Place], rng: np.random.Generator) -> Place:
    """A place in an area that touches no other block."""
    for _ in range(_MAX_TRIES):
        place = np.append(area.sample(rng), z)
        if _is_apart(place, others):
            return place
    raise RuntimeError(f"no free place for a block in {_MAX_TRIES} tries; {area} should have one")


def _sample_bystander(
    others: list[Place], keep_clear: list[Box], rng: np.random.Generator, layout: Layout, *, cabinet_share: float
) -> Place:
    """A place on the table, or in the cabinet, away from other blocks and from where the task is done."""
    table = Box(x=layout.table_blocks_x, y=_TABLE_Y)
    sides = [_within(side, layout.cabinet_x, _CABINET_HALF) for side in layout.cabinet_blocks_x]
    for _ in range(_MAX_TRIES):
        if rng.random() < cabinet_share:
            side = sides[rng.integers(len(sides))]
            place = np.append(Box(x=side, y=_CABINET_Y).sample(rng), BLOCK_Z["cabinet"])
        else:
            place = np.append(table.sample(rng), BLOCK_Z["table"])
        if _is_apart(place, others) and not any(box.contains(place[:2]) for box in keep_clear):
            return place
    raise RuntimeError(f"no free place for a block in {_MAX_TRIES} tries; the cabinet should always have one")


def _is_apart(place: Place, others: list[Place]) -> bool:
    return all(np.linalg.norm(place[:2] - other[:2]) > _MIN_DISTANCE for other in others)


def calvin_blocks(rng: np.random.Generator, layout: Layout) -> NDArray[np.float64]:
    """`[18]` x y z and Euler xyz of three blocks as CALVIN's own random reset places them: anywhere, in any yaw.

    Each falls on the table or on either side of the cabinet; no two blocks touch.
    """
    areas = (
        Box(x=layout.table_blocks_x, y=(-0.15, -0.03)),
        *(Box(x=side, y=(0.05, 0.12)) for side in layout.cabinet_blocks_x),
    )
    places: list[NDArray[np.float64]] = []
    while len(places) < len(BLOCKS):
        place = areas[rng.integers(len(areas))].sample(rng)
        if _is_apart(place, places):
            places.append(place)
    yaws = rng.uniform(-np.pi, np.pi, size=len(BLOCKS))
    return np.concatenate([[*place, BLOCK_Z["table"], 0.0, 0.0, yaw] for place, yaw in zip(places, yaws, strict=True)])
