"""How to take hold of a block wherever it lies, and what to do with it then. Metres, radians, world frame."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vlasync.envs.playtable.expert.fixtures import move_slider
from vlasync.envs.playtable.expert.motion import NEUTRAL_TURN, SPIN, Motion, along_fingers, tilted_turn, wrap
from vlasync.envs.playtable.expert.view import AWAY, CLOSED, OPEN, RIGHT, UP, Vector, View, point
from vlasync.envs.playtable.tasks import BLOCKS

# Fingers reach 13 mm below the TCP: here they hold a block well and stay clear of the table, whose friction would lock
# them.
GRASP_HEIGHT, REACH_GRASP = 0.004, 0.003
BLOCK_ON_TABLE = 0.46
# Further than this from the neutral yaw the wrist comes to its end; the fingers take the block the other way round.
YAW_ROOM = 2.0
# Fingers that reach into the cabinet, tilted so far that the hand stays outside.
REACH_TILT = 0.95
# Half of the sliding door's width, what the hand likes to have beside a block's centre, and how near to its end the
# door moves no further.
DOOR_HALF, HAND_ROOM, DOOR_END = 0.14, 0.12, 0.01
# Where the button stands. A block that is pushed along this close to it gives way towards the cabinet once it is near.
BUTTON_Y, BUTTON_ROOM, BUTTON_NEAR = -0.12, 0.07, 0.19
# The drawer is deep: the hand has to come from above its walls. Into the cabinet it has to come from beyond the handle.
DRAWER_HOVER, CABINET_HOVER = 0.15, 0.20


def push(view: View, *, color: str, side: Literal[-1, 1]) -> Motion:
    """Hold the block and drag it over the table to `side` (+1 right); a single finger's push would let it slip out."""
    center = view.center(color)
    ahead = side * (view.layout.button_x - center[0])
    in_the_way = 0.0 < ahead < BUTTON_NEAR and abs(center[1] - BUTTON_Y) < BUTTON_ROOM
    stroke = side * np.sqrt(0.75) * RIGHT + 0.5 * AWAY if in_the_way else side * RIGHT
    return hold(view, color, stroke=stroke, height=BLOCK_ON_TABLE)


def rotate(view: View, *, color: str, side: Literal[-1, 1]) -> Motion:
    """Hold the block where it lies and turn it to `side` (+1 right, clockwise seen from above)."""
    return hold(view, color, spin=-side * SPIN, height=BLOCK_ON_TABLE)


def lift_from_table(view: View, *, color: str) -> Motion:
    """Hold the block and lift it."""
    return hold(view, color, stroke=UP, height=float(view.center(color)[2]))


def lift_from_drawer(view: View, *, color: str) -> Motion:
    """Hold the block in the open drawer and lift it."""
    return hold(view, color, stroke=UP, height=float(view.center(color)[2]), hover=DRAWER_HOVER)


def lift_from_cabinet(view: View, *, color: str) -> Motion:
    """Reach in from the front, hold the block, and draw it out; push the door aside first if it is in the way."""
    x = view.center(color)[0]
    door = view.layout.slider_x - view.slider
    on_the_left = x < view.layout.cabinet_x
    way_left = view.slider if on_the_left else view.layout.slider_limit - view.slider
    if abs(x - door) < DOOR_HALF + HAND_ROOM and way_left > DOOR_END:
        return move_slider(view, side=1 if on_the_left else -1)
    out = -along_fingers(REACH_TILT)
    return hold(view, color, stroke=out, height=float(view.center(color)[2]), hover=CABINET_HOVER, tilt=REACH_TILT)


def unstack(view: View) -> Motion:
    """Lift the highest block off the others."""
    return lift_from_table(view, color=max(BLOCKS, key=lambda color: float(view.center(color)[2])))


def hold(
    view: View,
    color: str,
    *,
    height: float,
    stroke: Vector | None = None,
    spin: float = 0.0,
    hover: float = 0.09,
    tilt: float = 0.0,
) -> Motion:
    """Come down over the block with open fingers, close them, and make the stroke once their width shows the block.

    Args:
        view: what the expert sees.
        color: the block's.
        height: z of the block's centre at which the gripper stays while the stroke does not change it.
        stroke: `[3]` unit vector; none by default.
        spin: radians that the stroke turns the block.
        hover: distance kept while far off the axis.
        tilt: of the fingers, forward from straight down.
    """
    center = view.center(color)
    grip = grip_point(center, tilt)
    offset = np.abs(grip - view.tcp)
    # Closing begins at the block; once begun it holds on over a larger range, so that the label does not flicker.
    margin = point(0.03, 0.03, 0.03) if view.closing else point(0.018, 0.018, 0.006)
    around = bool((offset < margin).all()) and view.width > 0.02
    return Motion(
        entry=grip + (height - center[2]) * UP,
        axis=along_fingers(tilt) if tilt else -UP,
        stroke=np.zeros(3) if stroke is None else stroke,
        spin=spin,
        gripper=CLOSED if around else OPEN,
        tolerance=point(0.006, 0.006, 0.006 if tilt else 0.0),
        reach=point(0.03, 0.03, 0.03 if tilt else 0.0),
        hover=hover,
        turn=tilted_turn(tilt, grip_yaw(view, color)),
        ready=around and view.closing and view.width < 0.06,
        holds=color,
    )


def grip_point(center: Vector, tilt: float) -> Vector:
    """`[3]` where the TCP holds a block: a little above its centre, or before it where fingers reach in."""
    return center + GRASP_HEIGHT * UP if not tilt else center - REACH_GRASP * along_fingers(tilt)


def grip_yaw(view: View, color: str) -> float:
    """The yaw nearest to the gripper's own at which its fingers stand along the block's long sides."""
    own, neutral = float(view.euler[2]), float(NEUTRAL_TURN[2])
    yaw = own + float(wrap(float(view.block_euler(color)[2]) - own, period=np.pi))
    if abs(wrap(yaw - neutral)) > YAW_ROOM:
        yaw += np.pi if wrap(yaw - neutral) < 0 else -np.pi
    return yaw
