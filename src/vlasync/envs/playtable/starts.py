"""Randomised starts from which a task can be solved: the task's part of the scene fits it, all else is left to chance.

Lengths in metres, angles in radians, world frame. The numbers follow the play table's geometry: the table top spans
x -0.44 to 0.44 and y -0.18 to 0.18, the cabinet begins behind y = 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.tasks import BLOCKS

SLIDER_LIMIT, DRAWER_LIMIT, SWITCH_LIMIT = 0.28, 0.22, 0.088

# CALVIN's start of every evaluation chain: TCP position and extrinsic xyz Euler angles, gripper width, seven joints,
# gripper command.
_NEUTRAL_TCP = (0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585)
_NEUTRAL_JOINTS = (-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928)
NEUTRAL = (*_NEUTRAL_TCP, 0.07999963, *_NEUTRAL_JOINTS, 1.0)

# Pseudo-inverse of the Panda's TCP Jacobian at the neutral joints, rotation held: radians per metre along x, y, z.
# Over +-5 cm the TCP lands within 1 cm of the wish and tilts by less than 2 degrees.
_JOINTS_PER_METRE = np.array(
    [
        (1.196, -0.904, -1.996, 2.362, -0.695, 0.235, -1.523),
        (2.655, -1.829, -1.055, 1.364, 0.383, 1.031, 1.152),
        (0.214, -0.352, 1.671, 1.882, 1.418, -1.860, -0.448),
    ]
)
_TCP_JITTER = 0.05

# Slider and drawer, where a task must find them on one side with room to move.
_FIXTURE_RANGES = {
    "move_slider_left": ((0.0, 0.08), (0.0, DRAWER_LIMIT)),
    "move_slider_right": ((0.20, SLIDER_LIMIT), (0.0, DRAWER_LIMIT)),
    "open_drawer": ((0.0, SLIDER_LIMIT), (0.0, 0.05)),
    "close_drawer": ((0.0, SLIDER_LIMIT), (0.16, DRAWER_LIMIT)),
}

_BLOCK_Z = {"table": 0.46, "cabinet": 0.461}
_CABINET_X = ((-0.32, -0.16), (-0.05, 0.12))
# Behind the door's way.
_CABINET_Y = (0.085, 0.11)
_MEAN_YAW, _YAW_RANGE = np.pi / 2, np.pi / 8
# Between centres: the longest block's half diagonal (0.045) twice, rounded up.
_MIN_DISTANCE = 0.10
_CABINET_SHARE = 0.35
_PUSH_ROOM = 0.12
_MAX_TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class _Box:
    """An axis-aligned part of the table top."""

    x: tuple[float, float]
    y: tuple[float, float]

    def sample(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.array([rng.uniform(*self.x), rng.uniform(*self.y)])

    def contains(self, point: NDArray[np.float64]) -> bool:
        return bool(self.x[0] < point[0] < self.x[1] and self.y[0] < point[1] < self.y[1])


# Where blocks stand in front of the cabinet's door, and where the gripper reaches one without touching that door.
_TABLE = _Box(x=(0.0, 0.35), y=(-0.15, -0.055))
_GRASPABLE = _Box(x=(0.0, 0.33), y=(-0.14, -0.075))
# A push ends before the table's edge on the right and, with open fingers, before the button on the left.
_PUSHABLE = {
    "right": _Box(x=(0.0, 0.20), y=_GRASPABLE.y),
    "left": _Box(x=(0.13, 0.33), y=_GRASPABLE.y),
}
# The hand comes down here, lower than the blocks are high.
_DRAWER_HANDLE = _Box(x=(0.0, 0.36), y=(-0.20, -0.11))
_SWITCH_FRONT = _Box(x=(0.20, 0.40), y=(-0.10, 0.02))


def sample_start(task: str, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A random start from which `task` can be done.

    Args:
        task: one of `instructions.DEMONSTRATED_TASKS`.
        rng: the only source of chance.

    Returns:
        `robot_obs [15]`, of which joints, gripper width and command bind (the TCP's six numbers are what the joints
        meet within 1 cm), and `scene_obs [24]`.

    Raises:
        VlasyncError: there is no such task.
    """
    require_demonstrated(task)
    return _sample_robot(rng), np.concatenate([_sample_fixtures(task, rng), _sample_blocks(task, rng)])


def _sample_robot(rng: np.random.Generator) -> NDArray[np.float64]:
    """`[15]` the neutral arm with its TCP moved by up to 5 cm along each axis."""
    offset = rng.uniform(-_TCP_JITTER, _TCP_JITTER, size=3)
    robot = np.array(NEUTRAL)
    robot[:3] += offset
    robot[7:14] += offset @ _JOINTS_PER_METRE
    return robot


def _sample_fixtures(task: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """`[6]` slider, drawer, button, switch, bulb, LED: with room to move what the task moves."""
    slider_range, drawer_range = _FIXTURE_RANGES.get(task, ((0.0, SLIDER_LIMIT), (0.0, DRAWER_LIMIT)))
    bulb, led = (float(light) for light in rng.integers(2, size=2))
    bulb = {"turn_on_lightbulb": 0.0, "turn_off_lightbulb": 1.0}.get(task, bulb)
    led = {"turn_on_led": 0.0, "turn_off_led": 1.0}.get(task, led)
    slider, drawer = rng.uniform(*slider_range), rng.uniform(*drawer_range)
    return np.array([slider, drawer, 0.0, SWITCH_LIMIT * bulb, bulb, led])


def _sample_blocks(task: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """`[18]` x y z and Euler xyz of the red, blue and pink block."""
    target = next((color for color in BLOCKS if f"_{color}_" in task), None)
    order = sorted(BLOCKS, key=lambda color: color != target)
    places: dict[str, NDArray[np.float64]] = {}
    keep_clear = [box for name, box in (("drawer", _DRAWER_HANDLE), ("lightbulb", _SWITCH_FRONT)) if name in task]
    for color in order:
        if color == target:
            area = _PUSHABLE[task.rsplit("_", 1)[1]] if task.startswith("push") else _GRASPABLE
            places[color] = np.append(area.sample(rng), _BLOCK_Z["table"])
            keep_clear.append(_reserved(task, places[color]))
        else:
            places[color] = _sample_bystander(list(places.values()), keep_clear, rng)
    yaws = _MEAN_YAW + rng.uniform(-_YAW_RANGE, _YAW_RANGE, size=len(BLOCKS))
    return np.concatenate([[*places[color], 0.0, 0.0, yaw] for color, yaw in zip(BLOCKS, yaws, strict=True)])


def _reserved(task: str, place: NDArray[np.float64]) -> _Box:
    """The part of the table that the open gripper needs around the task's block, and along its way if it is pushed."""
    way = {"right": (0.0, _PUSH_ROOM), "left": (-_PUSH_ROOM, 0.0)}.get(task.rsplit("_", 1)[1], (0.0, 0.0))
    return _Box(x=(place[0] - 0.10 + way[0], place[0] + 0.10 + way[1]), y=(place[1] - 0.10, place[1] + 0.10))


def _sample_bystander(
    others: list[NDArray[np.float64]], keep_clear: list[_Box], rng: np.random.Generator
) -> NDArray[np.float64]:
    """A place `[3]` on the table, or in the cabinet, away from other blocks and from where the task is done."""
    for _ in range(_MAX_TRIES):
        if rng.random() < _CABINET_SHARE:
            side = _CABINET_X[rng.integers(len(_CABINET_X))]
            place = np.append(_Box(x=side, y=_CABINET_Y).sample(rng), _BLOCK_Z["cabinet"])
        else:
            place = np.append(_TABLE.sample(rng), _BLOCK_Z["table"])
        apart = all(np.linalg.norm(place[:2] - other[:2]) > _MIN_DISTANCE for other in others)
        if apart and not any(box.contains(place[:2]) for box in keep_clear):
            return place
    raise RuntimeError(f"no free place for a block in {_MAX_TRIES} tries; the cabinet should always have one")


def calvin_blocks(rng: np.random.Generator, layout: Layout) -> NDArray[np.float64]:
    """`[18]` x y z and Euler xyz of three blocks as CALVIN's own random reset places them: anywhere, in any yaw.

    Each falls on the table or on either side of the cabinet; no two blocks touch.
    """
    areas = (
        _Box(x=layout.table_blocks_x, y=(-0.15, -0.03)),
        *(_Box(x=side, y=(0.05, 0.12)) for side in layout.cabinet_blocks_x),
    )
    places: list[NDArray[np.float64]] = []
    while len(places) < len(BLOCKS):
        place = areas[rng.integers(len(areas))].sample(rng)
        if all(np.linalg.norm(place - other) > _MIN_DISTANCE for other in places):
            places.append(place)
    yaws = rng.uniform(-np.pi, np.pi, size=len(BLOCKS))
    return np.concatenate([[*place, _BLOCK_Z["table"], 0.0, 0.0, yaw] for place, yaw in zip(places, yaws, strict=True)])
