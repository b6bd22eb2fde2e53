"""Where to put down the block in the hand, and how. Metres, radians, world frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from vlasync.envs.playtable.expert.blocks import BLOCK_ON_TABLE, CABINET_HOVER, DOOR_HALF, REACH_TILT, hold
from vlasync.envs.playtable.expert.motion import Motion, along_fingers, tilted_turn
from vlasync.envs.playtable.expert.view import CLOSED, OPEN, UP, Vector, View, point
from vlasync.envs.playtable.tasks import BLOCKS

BLOCK_SIZE = 0.04
# Half of the cabinet's hollow part, and where the table in front of it ends.
CABINET_HALF, CABINET_FRONT = 0.26, 0.02
# What open fingers need beside a block's centre to let go of it.
FINGER_ROOM = 0.058
# Centre of a block that is let go of in the cabinet: just high enough that even one that hangs askew clears its floor.
CABINET_Y, CABINET_Z = 0.085, 0.488
# The same in the drawer, whose floor is at 0.34. What shows of it lies between its front (here when shut) and the
# table's edge.
DRAWER_Z = 0.385
DRAWER_FRONT, TABLE_EDGE = -0.16, -0.18
# Places in the drawer beside its middle, tried in this order.
DRAWER_PLACES = (0.0, -0.10, 0.10)
# How far from its middle the drawer takes a block that is pushed into it.
DRAWER_REACH = 0.11
# Distance between the centres of blocks that do not touch.
ROOM = 0.09
PLACE_HOVER = 0.12
# Carried much faster, a block slips through the fingers: in each step the arm starts with a jerk.
CARRY_PACE = 0.4
# The block is let go of with this error; then it may fall a little, and the fingers do not close on it again.
THERE, LET_GO = np.array([0.01, 0.01, 0.006]), np.array([0.04, 0.04, 0.1])
# A block is over the table's edge when its centre is this far beyond it.
OVER_EDGE = 0.035


def place_in_cabinet(view: View) -> Motion:
    """Reach in where the door leaves most room, and let go above the floor."""
    color = view.nearest_block()
    goal = point(_free_cabinet_x(view, color), CABINET_Y, CABINET_Z)
    return _place(view, color, goal, tilt=REACH_TILT, turn=tilted_turn(REACH_TILT))


def place_in_drawer(view: View) -> Motion:
    """Let go low above the middle of what the drawer shows, beside the blocks that lie there."""
    color = view.nearest_block()
    y = (DRAWER_FRONT - view.drawer + TABLE_EDGE) / 2
    places = [point(view.layout.drawer_x + x, y, DRAWER_Z) for x in DRAWER_PLACES]
    return _place(view, color, _emptiest(places, view.others(color)), tilt=0.0, turn=view.euler)


def stack(view: View) -> Motion:
    """Put the block on the nearest one that lies on the table, and let go."""
    color = view.nearest_block()
    nearest = sorted(view.others(color), key=lambda center: float(np.linalg.norm(center - view.center(color))))
    below = next((center for center in nearest if _on_table(center)), nearest[0])
    return _place(view, color, below + BLOCK_SIZE * UP, tilt=0.0, turn=_levelling_turn(view, color))


def push_into_drawer(view: View) -> Motion:
    """Drag a block from the table over its edge, and let go above the open drawer."""
    on_table = [color for color in BLOCKS if _on_table(view.center(color))] or list(BLOCKS)
    color = min(on_table, key=lambda color: float(view.center(color)[1]))
    center = view.center(color)
    way = point(_into_drawer_x(view, center[0]), TABLE_EDGE - 0.08, center[2]) - center
    motion = hold(view, color, stroke=way / np.linalg.norm(way), height=BLOCK_ON_TABLE)
    beyond = center[1] < TABLE_EDGE - OVER_EDGE
    return replace(motion, gripper=OPEN) if beyond else motion


def _place(view: View, color: str, goal: Vector, *, tilt: float, turn: Vector) -> Motion:
    """Bring the block in the hand to its goal along the fingers, and let go of it there.

    Args:
        view: what the expert sees.
        color: of the block.
        goal: `[3]` where the block's centre goes.
        tilt: of the fingers, forward from straight down.
        turn: `[3]` wanted Euler angles of the gripper.
    """
    center = view.center(color)
    offset = goal - center
    released = not view.closing and bool((np.abs(offset) < LET_GO).all())
    if view.grasped() is None and not released:
        return hold(view, color, stroke=UP, height=float(center[2]))
    there = bool((np.abs(offset) < THERE).all())
    return Motion(
        entry=view.tcp + offset,
        axis=along_fingers(tilt),
        gripper=OPEN if released or there else CLOSED,
        tolerance=point(0.006, 0.006, 0.006),
        reach=point(0.03, 0.03, 0.03),
        hover=CABINET_HOVER if tilt else PLACE_HOVER,
        turn=turn,
        holds=color,
        pace=CARRY_PACE,
    )


def _levelling_turn(view: View, color: str) -> Vector:
    """`[3]` Euler angles of the gripper that level the block in the hand by the smallest rotation."""
    block, gripper = (Rotation.from_euler("xyz", euler) for euler in (view.block_euler(color), view.euler))
    sides = block.as_matrix().T  # [3, 3], one side's direction per row
    upright = sides[np.argmax(np.abs(sides[:, 2]))]
    upright = upright * np.sign(upright[2])
    axis = np.cross(upright, UP)
    sine = float(np.linalg.norm(axis))
    levelling = Rotation.from_rotvec(axis * (np.arcsin(min(sine, 1.0)) / sine if sine > 0 else 0.0))
    return (levelling * gripper).as_euler("xyz")


def _free_cabinet_x(view: View, color: str) -> float:
    """Where in the cabinet, beside the door on the side with more room, a block stands apart from those there."""
    left, right = (view.layout.cabinet_x + end * CABINET_HALF for end in (-1, 1))
    door = view.layout.slider_x - view.slider
    openings = (
        (left + FINGER_ROOM, door - DOOR_HALF - FINGER_ROOM),
        (door + DOOR_HALF + FINGER_ROOM, right - FINGER_ROOM),
    )
    low, high = max(openings, key=lambda opening: opening[1] - opening[0])
    middle = (low + high) / 2
    places = [point(x, CABINET_Y, CABINET_Z) for x in (middle, min(low, middle), max(high, middle))]
    return float(_emptiest(places, view.others(color))[0])


def _into_drawer_x(view: View, x: float) -> float:
    """Nearest to a block, where along the front the drawer takes it."""
    return float(np.clip(x, view.layout.drawer_x - DRAWER_REACH, view.layout.drawer_x + DRAWER_REACH))


def _emptiest(places: list[Vector], others: list[Vector]) -> Vector:
    """The first place with room for a block, or else the one with most."""
    room = [min(float(np.linalg.norm((place - other)[:2])) for other in others) for place in places]
    return next((place for place, free in zip(places, room, strict=True) if free > ROOM), places[int(np.argmax(room))])


def _on_table(center: Vector) -> bool:
    """Whether a block lies on the table top in front of the cabinet."""
    return bool(center[1] < CABINET_FRONT and abs(center[2] - BLOCK_ON_TABLE) < BLOCK_SIZE / 2)
