"""CALVIN's 34 tasks: a task is achieved when two snapshots, taken at its start and now, satisfy its condition.

The conditions are a pure function of the two snapshots and know nothing of the simulator that took them. Metres,
radians and world axes throughout; all comparisons are strict. The limits are CALVIN's (`new_playtable_tasks.yaml`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

BLOCKS = ("red", "blue", "pink")

CONTACT_PARTNERS = (
    "robot",
    "block_red",
    "block_blue",
    "block_pink",
    "table/base_link",
    "table/button_link",
    "table/switch_link",
    "table/slide_link",
    "table/drawer_link",
    "table/led_link",
    "table/light_link",
    "table/plank_link",
    "plane",
)
"""Columns of `Snapshot.block_contacts`: what a block may touch, as body or `body/link`."""

ROBOT_CONTACT_BODIES = ("block_red", "block_blue", "block_pink", "table", "plane", "robot_self")
"""Columns of `Snapshot.robot_contacts`."""

MIN_PUSH = 0.10
MIN_SLIDER_TRAVEL = 0.15
MIN_DRAWER_TRAVEL = 0.12
MIN_LIFT = {"table": 0.05, "slider": 0.03, "drawer": 0.05}
MIN_YAW_DEGREES, MAX_YAW_DEGREES = 60.0, 180.0
MAX_TILT_DEGREES = 30.0
MAX_ROTATION_DRIFT = 0.10
MAX_REST_SPEED = 1.0

_PARTNER = {name: column for column, name in enumerate(CONTACT_PARTNERS)}
_SURFACE = {"table": "table/base_link", "slider": "table/plank_link", "drawer": "table/drawer_link"}
_SLIDER, _DRAWER = 0, 1
_BULB, _LED = 0, 1


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of the play table at one instant, with all that a task's condition may ask for.

    Attributes:
        robot_obs: `[15]` CALVIN's robot state.
        scene_obs: `[24]` CALVIN's scene state.
        doors: `[2]` joint positions of slider and drawer, m.
        lights: `[2]` logical state of bulb and LED, 0 or 1.
        block_pos: `[3, 3]` centres of the red, blue and pink block, world frame, m.
        block_quat: `[3, 4]` their rotations as unit quaternions xyzw, world frame.
        block_vel: `[3, 6]` their linear (m/s) and angular (rad/s) velocities, world frame.
        block_contacts: `[3, 13]` bool, whether a block touches each of `CONTACT_PARTNERS`.
        robot_contacts: `[6]` bool, whether the robot touches each of `ROBOT_CONTACT_BODIES`.
    """

    robot_obs: NDArray[np.float64]
    scene_obs: NDArray[np.float64]
    doors: NDArray[np.float64]
    lights: NDArray[np.int8]
    block_pos: NDArray[np.float64]
    block_quat: NDArray[np.float64]
    block_vel: NDArray[np.float64]
    block_contacts: NDArray[np.bool_]
    robot_contacts: NDArray[np.bool_]

    def touched(self, block: int) -> frozenset[str]:
        """Partners that a block touches, links of the table told apart (`table/base_link`)."""
        return frozenset(name for name, hit in zip(CONTACT_PARTNERS, self.block_contacts[block], strict=True) if hit)

    def touched_bodies(self, block: int) -> frozenset[str]:
        """Bodies that a block touches; the table counts as one."""
        return frozenset(name.split("/")[0] for name in self.touched(block))

    def touches(self, block: int, partner: str) -> bool:
        """Whether a block touches one of `CONTACT_PARTNERS`."""
        return bool(self.block_contacts[block, _PARTNER[partner]])

    def rests(self, block: int) -> bool:
        """Whether every component of a block's linear and angular velocity is below 1 (m/s, rad/s)."""
        return bool((np.abs(self.block_vel[block]) < MAX_REST_SPEED).all())


Condition = Callable[[Snapshot, Snapshot], bool]
"""`condition(start, end)`: does the change from start to end achieve the task?"""


def _rotated(start: Snapshot, end: Snapshot, *, block: int, sign: int) -> bool:
    """Turned about the vertical by 60 to 180 degrees, not tilted, hardly moved, and resting on something."""
    turn = Rotation.from_quat(end.block_quat[block]) * Rotation.from_quat(start.block_quat[block]).inv()
    # Extrinsic xyz as in Bullet; positive yaw is counter-clockwise seen from above, which CALVIN calls left.
    roll, pitch, yaw = turn.as_euler("xyz", degrees=True)
    drift = np.linalg.norm(end.block_pos[block] - start.block_pos[block])
    return bool(
        MIN_YAW_DEGREES < sign * yaw < MAX_YAW_DEGREES
        and max(abs(roll), abs(pitch)) < MAX_TILT_DEGREES
        and drift <= MAX_ROTATION_DRIFT
        and end.touched_bodies(block) - {"robot"}
    )


def _pushed(start: Snapshot, end: Snapshot, *, block: int, sign: int) -> bool:
    """Moved along x by more than 10 cm, and what carried the block at the start still carries it."""
    moved = sign * (end.block_pos[block, 0] - start.block_pos[block, 0])
    carried_before, carried_now = (snapshot.touched(block) - {"robot"} for snapshot in (start, end))
    return bool(moved > MIN_PUSH and carried_before and carried_before <= carried_now)


def _joint_moved(start: Snapshot, end: Snapshot, *, joint: int, sign: int, travel: float) -> bool:
    """A door's joint moved by more than `travel` in the direction of `sign`."""
    return bool(sign * (end.doors[joint] - start.doors[joint]) > travel)


def _lifted(start: Snapshot, end: Snapshot, *, block: int, place: str) -> bool:
    """Raised off the surface that it lay on, and touched by the robot alone."""
    raised = end.block_pos[block, 2] - start.block_pos[block, 2]
    return bool(
        raised > MIN_LIFT[place]
        and start.touches(block, _SURFACE[place])
        and end.touched_bodies(block) == frozenset({"robot"})
    )


def _placed(start: Snapshot, end: Snapshot, *, place: str) -> bool:
    """The one block that the robot held freely lies on the surface now, released."""
    held = [block for block in range(len(BLOCKS)) if start.robot_contacts[block]]
    if start.robot_contacts.sum() != 1 or len(held) != 1:
        return False
    block = held[0]
    return bool(
        start.touched_bodies(block) == frozenset({"robot"})
        and not end.robot_contacts[block]
        and end.touches(block, _SURFACE[place])
    )


def _on_blocks_only(snapshot: Snapshot, block: int) -> bool:
    """The block is at rest on one or two other blocks and touches nothing else."""
    bodies = snapshot.touched_bodies(block)
    return bool(bodies) and all(body.startswith("block_") for body in bodies) and snapshot.rests(block)


def _touches_a_block(snapshot: Snapshot, block: int) -> bool:
    return any(body.startswith("block_") for body in snapshot.touched_bodies(block))


def _stacked(start: Snapshot, end: Snapshot) -> bool:
    """Some block that touched no other rests on blocks alone now."""
    return any(not _touches_a_block(start, block) and _on_blocks_only(end, block) for block in range(len(BLOCKS)))


def _unstacked(start: Snapshot, end: Snapshot) -> bool:
    """Some block that rested on blocks alone touches no other block now."""
    return any(_on_blocks_only(start, block) and not _touches_a_block(end, block) for block in range(len(BLOCKS)))


def _light_switched(start: Snapshot, end: Snapshot, *, light: int, on: int) -> bool:
    """The light was in the other state at the start."""
    return bool(start.lights[light] != on and end.lights[light] == on)


def _pushed_into_drawer(start: Snapshot, end: Snapshot) -> bool:
    """Some block that touched the table top alone touches the drawer now.

    The robot may still touch the block at the end: CALVIN's condition means to forbid that but never does.
    """
    return any(
        start.touched(block) == frozenset({_SURFACE["table"]}) and end.touches(block, _SURFACE["drawer"])
        for block in range(len(BLOCKS))
    )


def _conditions() -> dict[str, Condition]:
    """Every task's condition, in the order of CALVIN's task ids."""
    sides = (("right", 1), ("left", -1))
    conditions: dict[str, Condition] = {}
    for block, color in enumerate(BLOCKS):
        for side, sign in sides:
            conditions[f"rotate_{color}_block_{side}"] = partial(_rotated, block=block, sign=-sign)
    for block, color in enumerate(BLOCKS):
        for side, sign in sides:
            conditions[f"push_{color}_block_{side}"] = partial(_pushed, block=block, sign=sign)
    slider = partial(_joint_moved, joint=_SLIDER, travel=MIN_SLIDER_TRAVEL)
    drawer = partial(_joint_moved, joint=_DRAWER, travel=MIN_DRAWER_TRAVEL)
    conditions |= {
        "move_slider_left": partial(slider, sign=1),
        "move_slider_right": partial(slider, sign=-1),
        "open_drawer": partial(drawer, sign=1),
        "close_drawer": partial(drawer, sign=-1),
    }
    for block, color in enumerate(BLOCKS):
        for place in MIN_LIFT:
            conditions[f"lift_{color}_block_{place}"] = partial(_lifted, block=block, place=place)
    return conditions | {
        "place_in_slider": partial(_placed, place="slider"),
        "place_in_drawer": partial(_placed, place="drawer"),
        "stack_block": _stacked,
        "unstack_block": _unstacked,
        "turn_on_lightbulb": partial(_light_switched, light=_BULB, on=1),
        "turn_off_lightbulb": partial(_light_switched, light=_BULB, on=0),
        "turn_on_led": partial(_light_switched, light=_LED, on=1),
        "turn_off_led": partial(_light_switched, light=_LED, on=0),
        "push_into_drawer": _pushed_into_drawer,
    }


_CONDITIONS = _conditions()

TASKS = tuple(_CONDITIONS)
"""Names of the 34 tasks; a task's place is CALVIN's task id."""


def achieved(start: Snapshot, end: Snapshot) -> set[str]:
    """Names of all tasks that the change from `start` to `end` achieves; several may hold at once."""
    return {name for name, condition in _CONDITIONS.items() if condition(start, end)}
