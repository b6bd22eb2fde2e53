"""Out of the way first: a hand that is low on the table or inside something leaves it before it moves sideways.

Metres, world frame.
"""

from __future__ import annotations

import numpy as np

from vlasync.envs.playtable.expert.blocks import REACH_TILT
from vlasync.envs.playtable.expert.motion import STROKE, Motion, along_fingers, wrap
from vlasync.envs.playtable.expert.view import UP, Vector, View
from vlasync.envs.playtable.tasks import BLOCKS

# Up to the first distance from its way in a motion goes on as it likes; from the second on it has to be clear.
LOW_ROOM, FRONT_ROOM = (0.05, 0.08), (0.06, 0.10)
# Over this last distance the way out takes over from the motion.
FADE = 0.03

# What stands on the table ends here, but for stacked blocks; the button is highest. Before the table there is the
# drawer, whose walls end a little lower than the table top.
TABLE_THINGS, DRAWER_THINGS = 0.486, 0.40
TABLE_EDGE = -0.195
# A gripper that is turned away from how it should stand reaches further back, and counts as far from its way in.
REACH_BACK, TURN_TOLERANCE, TURN_LEVER = 0.06, 0.15, 0.3
HALF_BLOCK = 0.02
# How far the fingers, and a block that they hold, reach below the TCP, and what they keep from things below.
FINGERTIP, HELD_BLOCK, GAP = 0.013, 0.034, 0.02

# The door's front leans back by 30 degrees from its foot; its handle stands out by 0.06.
FRONT_FOOT = np.array([0.0, 0.0, 0.44])
INTO_FRONT = np.array([0.0, np.sqrt(0.75), -0.5])
FRONT_CLEARANCE = 0.09
# Where a hand that is low stands so deep in this clearance, it is at the front or inside, and goes out before up.
FRONT_REACH = 0.035
FRONT_TOP = 0.70
OUT_OF_FRONT = -along_fingers(REACH_TILT)


def way_out(view: View, motion: Motion) -> tuple[float, Vector]:
    """How much the hand has to leave where it is before it moves on, from 0 to 1, and the change `[3]` that does so."""
    _, aside = motion.offset_across(view)
    turn = float(np.abs(wrap(motion.turn - view.euler)).max())
    distance = float(np.linalg.norm(aside)) + TURN_LEVER * max(turn - TURN_TOLERANCE, 0.0)
    depth = float((view.tcp - FRONT_FOOT) @ INTO_FRONT)
    close = depth + FRONT_CLEARANCE if view.tcp[2] < FRONT_TOP else 0.0
    below = _clear_height(view, turn) - float(view.tcp[2])
    if close > 0.0 and (below < 0.0 or close > FRONT_REACH):
        return _rise(distance, FRONT_ROOM) * min(close / FADE, 1.0), STROKE * OUT_OF_FRONT
    return _rise(distance, LOW_ROOM) * _rise(below, (0.0, FADE)), STROKE * UP


def _clear_height(view: View, turn: float) -> float:
    """Z of the TCP at which the hand, off by `turn`, and what it holds pass over everything that stands below."""
    held = view.grasped()
    below = (FINGERTIP if held is None else HELD_BLOCK) + GAP
    if view.tcp[1] < TABLE_EDGE - REACH_BACK * min(turn, 1.0):
        return DRAWER_THINGS + below
    return max(TABLE_THINGS, *(float(view.center(color)[2]) + HALF_BLOCK for color in BLOCKS if color != held)) + below


def _rise(value: float, between: tuple[float, float]) -> float:
    """0 up to the first bound, 1 from the second on, and a straight line in between."""
    return float(np.clip((value - between[0]) / (between[1] - between[0]), 0.0, 1.0))
