"""The expert: solves the play table's tasks from the simulator's state, to make demonstrations.

An action is a smooth function of the measured state alone. There is no clock and no hidden phase, so that frames with
equal observations carry equal labels, and an expert that is pushed off its way finds back from wherever it is.

Every task is one motion: go *in* along an axis through a funnel that narrows on the entry point, then make a *stroke*
(pull the drawer, push the block, press the button). Metres, radians, world frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.envs.playtable.starts import NEUTRAL
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.spec import SyncSpec
from vlasync.types import Observation

Vector = NDArray[np.float64]

# Share of the TCP's error that one step asks for. The arm covers about half of what is asked within the step, so more
# overshoots, and then equal states carry labels that differ with the speed.
GAIN = 0.3
# A stroke asks for 0.9 of the largest step.
STROKE = 0.06

# On the last stretch the way in asks for no more than this, so that the error across it has time to vanish: a network
# that learned from faster demonstrations missed one block in eight, from these next to none.
INWARD = 0.035

# The funnel: at `x` metres outside of the tolerance the TCP keeps `SLOPE * x` back from the entry point.
SLOPE = 4.0
# Radians of turn that do not matter, and metres in the funnel that a further radian counts for.
TURN_TOLERANCE, TURN_LEVER = 0.1, 0.08
# Fingers reach 13 mm below the TCP: here they hold a block well and stay clear of the table, whose friction would lock
# them.
GRASP_HEIGHT = 0.012
BLOCK_ON_TABLE = 0.46

# The stroke fades in over this distance before the entry point, and out over this distance beyond its reach.
ENGAGE, RELEASE = 0.02, 0.01

# Directions of the world frame. The switch slides up the cabinet's front, 60 degrees from the horizontal.
RIGHT, AWAY, UP = np.eye(3)
UP_THE_FRONT = 0.5 * AWAY + np.sqrt(0.75) * UP

OPEN, CLOSED = SyncSpec.CALVIN.gripper_open, SyncSpec.CALVIN.gripper_closed
NEUTRAL_TURN = np.array(NEUTRAL[3:6])
# Fingers pointing forward as well as down, at what stands on the cabinet's slanting front: the hand stays clear of the
# front, the arm reaches the switch, and the fingers push it square to its way up.
TILT = 0.6
TILTED_TURN = NEUTRAL_TURN - np.array([0.0, TILT, 0.0])
ALONG_TILTED_FINGERS = np.sin(TILT) * AWAY - np.cos(TILT) * UP


@dataclass(frozen=True, kw_only=True)
class View:
    """What the expert reads from an observation.

    Attributes:
        tcp: `[3]` position of the TCP.
        euler: `[3]` its extrinsic xyz Euler angles.
        width: opening of the gripper.
        closing: whether the last command was to close it.
        scene: `[24]` CALVIN's `scene_obs`.
    """

    tcp: Vector
    euler: Vector
    width: float
    closing: bool
    scene: Vector

    @classmethod
    def of(cls, observation: Observation) -> View:
        """Read the state by the names of CALVIN's layout."""
        if observation.scene is None:
            raise ValueError("the expert needs the simulator's state (Observation.scene), got None")
        part = {name: observation.state[SyncSpec.CALVIN.state_slice(name)] for name in _STATE_PARTS}
        return cls(
            tcp=part["tcp_position"],
            euler=part["tcp_euler"],
            width=float(part["gripper_width"][0]),
            closing=bool(part["gripper_command"][0] == CLOSED),
            scene=observation.scene,
        )

    def block(self, color: str) -> tuple[Vector, float]:
        """Centre `[3]` and yaw of a block."""
        start = 6 + 6 * BLOCKS.index(color)
        return self.scene[start : start + 3], float(self.scene[start + 5])


_STATE_PARTS = ("tcp_position", "tcp_euler", "gripper_width", "gripper_command")


@dataclass(frozen=True, kw_only=True)
class Motion:
    """The way in and the stroke of a task, for the scene as it is now.

    Attributes:
        entry: `[3]` where the TCP starts its stroke.
        axis: `[3]` unit vector of the way in.
        stroke: `[3]` unit vector of the stroke.
        gripper: number that commands the gripper.
        tolerance: `[3]` error across the axis with which the TCP may go in.
        reach: `[3]` error across the axis up to which the stroke goes on; wider, since the TCP leaves the entry point
            before it touches what it pushes.
        hover: distance that the TCP keeps before the entry point while it is far off the axis.
        turn: `[3]` wanted extrinsic xyz Euler angles of the gripper.
        ready: False while the stroke has to wait (for the fingers to close).
    """

    entry: Vector
    axis: Vector
    stroke: Vector
    gripper: float
    tolerance: Vector
    reach: Vector
    hover: float
    turn: Vector = field(default_factory=NEUTRAL_TURN.copy)
    ready: bool = True


def _box(x: float, y: float, z: float) -> Vector:
    return np.array([x, y, z])


def _open_drawer(view: View) -> Motion:
    """Reach into the gap behind the handle's bar from above, and pull."""
    return Motion(
        entry=_box(0.18, -0.208 - view.scene[1], 0.368),
        axis=-UP,
        stroke=-AWAY,
        gripper=OPEN,
        tolerance=_box(0.03, 0.008, 0.0),
        reach=_box(0.06, 0.025, 0.0),
        hover=0.08,
    )


def _close_drawer(view: View) -> Motion:
    """Come down in front of the handle's bar, and push."""
    return Motion(
        entry=_box(0.18, -0.305 - view.scene[1], 0.368),
        axis=-UP,
        stroke=AWAY,
        gripper=OPEN,
        tolerance=_box(0.04, 0.015, 0.0),
        reach=_box(0.08, 0.045, 0.0),
        hover=0.08,
    )


def _move_slider(view: View, *, side: Literal[-1, 1]) -> Motion:
    """Reach in beside the door's handle with closed fingers, and push it to `side` (+1 right)."""
    return Motion(
        entry=_box(0.04 - view.scene[0] - side * 0.06, 0.0, 0.53),
        axis=ALONG_TILTED_FINGERS,
        stroke=side * RIGHT,
        gripper=CLOSED,
        tolerance=_box(0.015, 0.015, 0.015),
        reach=_box(0.045, 0.04, 0.04),
        hover=0.09,
        turn=TILTED_TURN,
    )


def _press_button(view: View) -> Motion:
    """Come down on the button with closed fingers; which way the LED switches is the button's affair."""
    del view
    return Motion(
        entry=_box(-0.12, -0.12, 0.495),
        axis=-UP,
        stroke=-UP,
        gripper=CLOSED,
        tolerance=_box(0.012, 0.012, 0.0),
        reach=_box(0.03, 0.03, 0.0),
        hover=0.05,
    )


def _raise_switch(view: View) -> Motion:
    """Reach under the switch's bar from the front with closed fingers, and push up the slope."""
    return Motion(
        entry=_box(0.30, -0.010, 0.488) + view.scene[3] * UP_THE_FRONT,
        axis=ALONG_TILTED_FINGERS,
        stroke=UP_THE_FRONT,
        gripper=CLOSED,
        tolerance=_box(0.02, 0.008, 0.008),
        reach=_box(0.04, 0.03, 0.03),
        hover=0.07,
        turn=TILTED_TURN,
    )


def _lower_switch(view: View) -> Motion:
    """Come down on the switch's bar with closed fingers, and push down the slope."""
    return Motion(
        entry=_box(0.30, 0.028, 0.562) + view.scene[3] * UP_THE_FRONT,
        axis=-UP,
        stroke=-UP_THE_FRONT,
        gripper=CLOSED,
        tolerance=_box(0.02, 0.01, 0.0),
        reach=_box(0.04, 0.03, 0.0),
        hover=0.06,
        turn=TILTED_TURN,
    )


def _push_block(view: View, *, color: str, side: Literal[-1, 1]) -> Motion:
    """Hold the block and drag it over the table to `side` (+1 right); a single finger's push would let it slip out."""
    return _hold_block(view, color, stroke=side * RIGHT, height=BLOCK_ON_TABLE)


def _lift_block(view: View, *, color: str) -> Motion:
    """Hold the block and lift it."""
    return _hold_block(view, color, stroke=UP, height=float(view.block(color)[0][2]))


def _hold_block(view: View, color: str, *, stroke: Vector, height: float) -> Motion:
    """Come down over the block with open fingers, close them, and make the stroke once their width shows the block.

    Args:
        view: what the expert sees.
        color: the block's.
        stroke: `[3]` unit vector.
        height: z of the block's centre at which the gripper stays while the stroke does not change it.
    """
    center, yaw = view.block(color)
    offset = np.abs(center + GRASP_HEIGHT * UP - view.tcp)
    # Closing begins at the block; once begun it holds on over a larger range, so that the label does not flicker.
    margin = _box(0.03, 0.03, 0.03) if view.closing else _box(0.018, 0.018, 0.012)
    around = bool((offset < margin).all()) and view.width > 0.02
    return Motion(
        entry=_box(center[0], center[1], height + GRASP_HEIGHT),
        axis=-UP,
        stroke=stroke,
        gripper=CLOSED if around else OPEN,
        tolerance=_box(0.006, 0.006, 0.0),
        reach=_box(0.03, 0.03, 0.0),
        hover=0.09,
        turn=_grip_turn(view, yaw),
        ready=around and view.closing and view.width < 0.06,
    )


def _grip_turn(view: View, block_yaw: float) -> Vector:
    """`[3]` the turn nearest to the gripper's own at which its fingers stand along the block's long sides."""
    yaw = view.euler[2] + _wrap(block_yaw - view.euler[2], period=np.pi)
    return np.array([NEUTRAL_TURN[0], NEUTRAL_TURN[1], yaw])


def _wrap(angle: float | Vector, *, period: float = 2 * np.pi) -> Vector:
    """`angle` moved by whole periods into +-period / 2."""
    return np.asarray((angle + period / 2) % period - period / 2)


def _follow(view: View, motion: Motion) -> tuple[Vector, Vector]:
    """The TCP's wanted change of position `[3]` and of Euler angles `[3]`, before gain and clipping."""
    offset = motion.entry - view.tcp
    ahead = float(offset @ motion.axis)
    across = np.abs(offset - ahead * motion.axis)

    within = np.clip(1.0 - np.linalg.norm(np.maximum(across - motion.reach, 0.0)) / RELEASE, 0.0, 1.0)
    arrived = float(np.clip((2 * ENGAGE - ahead) / ENGAGE, 0.0, 1.0) * within)
    engaged = arrived if motion.ready else 0.0
    turn = _wrap(motion.turn - view.euler)

    outside = float(np.linalg.norm(np.maximum(across - motion.tolerance, 0.0)))
    outside += TURN_LEVER * max(float(np.abs(turn).max()) - TURN_TOLERANCE, 0.0)
    back = (1.0 - arrived) * min(motion.hover, SLOPE * outside)

    inward = min(ahead - back, INWARD + max(ahead - motion.hover, 0.0))
    change = offset + (inward - ahead) * motion.axis
    along_stroke = float(change @ motion.stroke)
    return change + engaged * (STROKE - along_stroke) * motion.stroke, turn


_MOTIONS: dict[str, Callable[[View], Motion]] = {
    "open_drawer": _open_drawer,
    "close_drawer": _close_drawer,
    "move_slider_left": partial(_move_slider, side=-1),
    "move_slider_right": partial(_move_slider, side=1),
    "turn_on_led": _press_button,
    "turn_off_led": _press_button,
    "turn_on_lightbulb": _raise_switch,
    "turn_off_lightbulb": _lower_switch,
    **{f"lift_{color}_block_table": partial(_lift_block, color=color) for color in BLOCKS},
    **{f"push_{color}_block_right": partial(_push_block, color=color, side=1) for color in BLOCKS},
    **{f"push_{color}_block_left": partial(_push_block, color=color, side=-1) for color in BLOCKS},
}


class Expert:
    """Acts for one task.

    Args:
        task: one of `instructions.DEMONSTRATED_TASKS`.

    Raises:
        VlasyncError: there is no such task.
    """

    def __init__(self, task: str) -> None:
        require_demonstrated(task)
        self.task = task
        self._motion = _MOTIONS[task]

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The relative action `[7]` of `SyncSpec.CALVIN`: position, Euler angles, gripper command.

        Args:
            observation: state and scene; images are not looked at.
        """
        view = View.of(observation)
        motion = self._motion(view)
        change, turn = _follow(view, motion)
        moves = np.concatenate([change / SyncSpec.CALVIN.position_scale_m, turn / SyncSpec.CALVIN.rotation_scale_rad])
        return np.append(np.clip(GAIN * moves, -1.0, 1.0), motion.gripper)
