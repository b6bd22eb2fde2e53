"""A task as one motion: go *in* along an axis through a funnel that narrows on the entry point, then make a *stroke*.

The stroke pulls the drawer, pushes the block, presses the button, turns what is held. Metres, radians, world frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.expert.view import AWAY, UP, Vector, View

# A stroke asks for 0.9 of the largest step, in metres and in radians.
STROKE, SPIN = 0.06, 0.15

# On the last stretch the way in asks for no more than this, so that the error across it has time to vanish: a network
# that learned from faster demonstrations missed one block in eight, from these next to none.
INWARD = 0.035

# The funnel: at `x` metres outside of the tolerance the TCP keeps `SLOPE * x` back from the entry point.
SLOPE = 4.0
# Radians of turn that do not matter, and metres in the funnel that a further radian counts for.
TURN_TOLERANCE, TURN_LEVER = 0.1, 0.08

# The stroke fades in over this distance before the entry point, and out over this distance beyond its reach.
ENGAGE, RELEASE = 0.02, 0.01

NEUTRAL_TURN = np.array(NEUTRAL[3:6])


def along_fingers(tilt: float) -> Vector:
    """`[3]` unit vector in which fingers point that are tilted forward by `tilt` from straight down."""
    return np.sin(tilt) * AWAY - np.cos(tilt) * UP


def tilted_turn(tilt: float, yaw: float = float(NEUTRAL_TURN[2])) -> Vector:
    """`[3]` Euler angles of a gripper whose fingers are tilted forward by `tilt`."""
    return np.array([NEUTRAL_TURN[0], NEUTRAL_TURN[1] - tilt, yaw])


def wrap(angle: float | Vector, *, period: float = 2 * np.pi) -> Vector:
    """`angle` moved by whole periods into +-period / 2."""
    return np.asarray((angle + period / 2) % period - period / 2)


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The way in and the stroke of a task, for the scene as it is now.

    Attributes:
        entry: `[3]` where the TCP starts its stroke.
        axis: `[3]` unit vector of the way in.
        gripper: number that commands the gripper.
        tolerance: `[3]` error across the axis with which the TCP may go in.
        reach: `[3]` error across the axis up to which the stroke goes on; wider, since the TCP leaves the entry point
            before it touches what it pushes.
        hover: distance that the TCP keeps before the entry point while it is far off the axis.
        stroke: `[3]` unit vector of the stroke; zero where there is none.
        spin: radians that the stroke turns about the vertical, per step and before the gain.
        turn: `[3]` wanted extrinsic xyz Euler angles of the gripper.
        ready: False while the stroke has to wait (for the fingers to close).
        holds: colour of the block that the fingers may hold meanwhile.
        pace: length of the longest change of position that the motion asks for, in units of an action.
    """

    entry: Vector
    axis: Vector
    gripper: float
    tolerance: Vector
    reach: Vector
    hover: float
    stroke: Vector = field(default_factory=lambda: np.zeros(3))
    spin: float = 0.0
    turn: Vector = field(default_factory=NEUTRAL_TURN.copy)
    ready: bool = True
    holds: str | None = None
    pace: float = np.inf

    def offset_across(self, view: View) -> tuple[float, Vector]:
        """How far the entry point lies ahead of the TCP along the axis, and `[3]` how far aside."""
        offset = self.entry - view.tcp
        ahead = float(offset @ self.axis)
        return ahead, offset - ahead * self.axis


def follow(view: View, motion: Motion) -> tuple[Vector, Vector]:
    """The TCP's wanted change of position `[3]` and of Euler angles `[3]`, before gain and clipping."""
    offset = motion.entry - view.tcp
    ahead, aside = motion.offset_across(view)
    across = np.abs(aside)

    within = np.clip(1.0 - np.linalg.norm(np.maximum(across - motion.reach, 0.0)) / RELEASE, 0.0, 1.0)
    arrived = float(np.clip((2 * ENGAGE - ahead) / ENGAGE, 0.0, 1.0) * within)
    engaged = arrived if motion.ready else 0.0
    turn = wrap(motion.turn - view.euler)

    outside = float(np.linalg.norm(np.maximum(across - motion.tolerance, 0.0)))
    outside += TURN_LEVER * max(float(np.abs(turn).max()) - TURN_TOLERANCE, 0.0)
    back = (1.0 - arrived) * min(motion.hover, SLOPE * outside)

    inward = min(ahead - back, INWARD + max(ahead - motion.hover, 0.0))
    change = offset + (inward - ahead) * motion.axis
    along_stroke = float(change @ motion.stroke)
    change = change + engaged * (STROKE - along_stroke) * motion.stroke
    return change, turn + engaged * motion.spin * UP
