"""Defects of the actions: late, or written in another convention than the one that is declared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vlasync.spec import Normalization, SyncSpec
from vlasync.testing.conventions import (
    LEFT,
    POSES,
    QUARTER_TURN,
    RIGHT,
    TCP,
    Fields,
    declare,
    fitted,
    normalize,
    replace_actions,
    reverse_actions,
    rewrite,
    scale_actions,
    scale_state,
    write_commands,
    write_in,
)
from vlasync.testing.defect import Defect, Distortion, StatisticsDefect
from vlasync.testing.streams import delay
from vlasync.types import Episode

PERCENTILES = Normalization(
    kind="quantile",
    low=(-0.52, -0.75, -0.59, -0.03, -0.77, -0.23, -1.0),
    high=(0.72, 0.64, 0.66, 0.12, 0.77, 0.41, 1.0),
    identity=(6,),
    fitted_on=SyncSpec.CALVIN.representation(),
    count=626,
)
"""1st and 99th percentiles of ten tasks recorded in CALVIN's simulator."""

MOMENTS = replace(
    PERCENTILES,
    kind="z_score",
    low=(0.04, 0.0, -0.01, 0.0, 0.0, 0.0, -0.42),
    high=(0.3, 0.31, 0.26, 0.02, 0.24, 0.09, 0.91),
)
"""Mean (`low`) and standard deviation (`high`) of the same recording."""

MIN_TURN_RAD = 0.05
"""Turn of the hand (3 degrees) above which conventions for rotations differ by more than rounding."""


def turns(episode: Episode) -> bool:
    """The hand turns about a horizontal axis, where conventions for rotations differ visibly."""
    return bool(np.ptp(episode.state[:, episode.spec.state_slice("tcp_euler")][:, 1]) > MIN_TURN_RAD)


def commanded(commands: Mapping[str, NDArray[np.float64]]) -> Defect:
    """Commands recorded where achieved motion is declared; only a recorder that kept both can plant it.

    Args:
        commands: name of an episode -> `[T, 6]` poses that the robot was sent to at each frame (metres, extrinsic xyz
            Euler angles, world). Other episodes stay as they are.
    """

    def measured(episode: Episode) -> Episode:
        return write_commands(episode, commands, action_mode="relative_to_measured")

    def target(episode: Episode) -> Episode:
        return write_commands(episode, commands, action_mode="relative_to_target")

    return Defect(
        name="commands where achieved motion is declared",
        code="action-commanded",
        strengths={"from the measured pose": measured, "from the last command": target},
    )


def _factor(dimension: int, factor: float) -> tuple[float, ...]:
    """Seven factors, all 1 but one."""
    return tuple(factor if number == dimension else 1.0 for number in range(7))


def _each(written: Mapping[str, Fields]) -> dict[str, Distortion]:
    return {name: partial(write_in, **fields) for name, fields in written.items()}


_DEGREE = math.pi / 180

ACTION_DEFECTS: tuple[Defect | StatisticsDefect, ...] = (
    Defect(
        name="actions come late or early",
        code="action-lag",
        strengths={
            f"{abs(frames)} {'late' if frames > 0 else 'early'}": partial(delay, frames=frames, columns=slice(None))
            for frames in (1, 2, -1, -2)
        },
        also={"gripper-lag": "the gripper command is a part of the action and comes as late"},
    ),
    Defect(
        name="translations in the axes of the hand",
        code="action-frame",
        strengths=_each({"TCP declared world": {"action_frame": "tcp"}}),
        prepare=partial(rewrite, **RIGHT),
    ),
    Defect(
        name="increments of the hand",
        code="action-frame",
        strengths=_each({"TCP declared world": TCP}),
        also={
            "action-composition": "increments of the hand are composed on the right",
            "action-rotation": "they are rotation vectors",
        },
    ),
    Defect(
        name="axes of a base that is turned",
        code="action-frame",
        strengths=_each({"base declared world": {"action_frame": "base"}}),
        prepare=partial(declare, base_in_world=QUARTER_TURN),
    ),
    Defect(
        name="poses where increments are declared",
        code="action-mode",
        strengths=_each({"absolute declared relative": POSES}),
        also={"action-units": "poses are in metres and radians, where units of 2 cm and 0.05 rad are declared"},
    ),
    Defect(
        name="increments where poses are declared",
        code="action-mode",
        strengths=_each(
            {
                "relative declared absolute": {
                    name: getattr(SyncSpec.CALVIN, name) for name in (*POSES, "rotation_composition")
                }
            }
        ),
        prepare=partial(rewrite, **POSES),
        also={"action-scale": "increments are in units of 2 cm and 0.05 rad, where metres and radians are declared"},
    ),
    Defect(
        name="rotation increments in another form",
        code="action-rotation",
        strengths=_each(
            {"intrinsic Euler": {"rotation": "euler_xyz_intrinsic"}, "rotation vectors": {"rotation": "rotvec"}}
        ),
        prepare=partial(rewrite, **LEFT),
        shows=turns,
    ),
    Defect(
        name="differences of other Euler angles",
        code="action-rotation",
        strengths=_each({"intrinsic declared extrinsic": {"rotation": "euler_xyz_intrinsic"}}),
        shows=turns,
    ),
    Defect(
        name="poses with rotations in another form",
        code="action-rotation",
        strengths=_each(
            {"intrinsic Euler": {"rotation": "euler_xyz_intrinsic"}, "rotation vectors": {"rotation": "rotvec"}}
        ),
        prepare=partial(rewrite, **POSES),
    ),
    Defect(
        name="rotations composed where Euler differences are declared",
        code="action-composition",
        strengths=_each({"on the left": LEFT, "on the right": RIGHT}),
        shows=turns,
    ),
    Defect(
        name="rotations composed on the other side",
        code="action-composition",
        strengths=_each({"right declared left": RIGHT}),
        prepare=partial(rewrite, **LEFT),
        shows=turns,
    ),
    Defect(
        name="another scale",
        code="action-scale",
        strengths=_each(
            {
                "translations halved": {"position_scale_m": 0.04},
                "translations doubled": {"position_scale_m": 0.01},
                "rotations halved": {"rotation_scale_rad": 0.1},
            }
        )
        | {"translations 5 % short": partial(scale_actions, factors=(0.95, 0.95, 0.95, 1, 1, 1, 1))},
    ),
    Defect(
        name="another sign",
        code="action-scale",
        strengths={
            f"{axis} negative": partial(scale_actions, factors=_factor(dimension, -1.0))
            for dimension, axis in ((0, "x"), (2, "z"), (5, "yaw"))
        },
    ),
    Defect(
        name="actions in other units",
        code="action-units",
        strengths=_each(
            {
                "millimetres": {"position_scale_m": 0.001, "action_clip": None},
                "metres": {"position_scale_m": 1.0},
                "degrees": {"rotation_scale_rad": _DEGREE, "action_clip": None},
                "radians": {"rotation_scale_rad": 1.0},
            }
        ),
    ),
    Defect(
        name="state in other units",
        code="state-units",
        strengths={
            "position in millimetres": partial(scale_state, name="tcp_position", factor=1000.0),
            "angles in degrees": partial(scale_state, name="tcp_euler", factor=1 / _DEGREE),
            "width in millimetres": partial(scale_state, name="gripper_width", factor=1000.0),
            "joints in degrees": partial(scale_state, name="arm_joints", factor=1 / _DEGREE),
        },
    ),
    Defect(
        name="achieved motion where commands are declared",
        code="action-commanded",
        strengths={"relative to target declared": partial(declare, action_mode="relative_to_target")},
        scopes=("every episode",),
    ),
    Defect(
        name="many actions were cut off",
        code="action-clipped",
        strengths={
            "at a fifth of the bound": partial(rewrite, position_scale_m=0.004, rotation_scale_rad=0.01),
            "at a tenth of the bound": partial(rewrite, position_scale_m=0.002, rotation_scale_rad=0.005),
        },
        scopes=("every episode",),
    ),
    Defect(
        name="actions are normalised already",
        code="action-normalized",
        strengths={
            "percentiles": partial(normalize, normalization=PERCENTILES),
            "z-score": partial(normalize, normalization=MOMENTS),
        },
    ),
    Defect(
        name="actions of another motion",
        code="action-mismatch",
        strengths={
            "one frame": partial(replace_actions, count=1),
            "five frames": partial(replace_actions, count=5),
            "in reverse order": reverse_actions,
        },
    ),
    StatisticsDefect(
        name="statistics of other actions",
        code="statistics-mismatch",
        strengths={
            "of increments of the hand": partial(fitted, **TCP),
            "of poses": partial(fitted, **POSES),
            "of twice as fast a robot": partial(fitted, faster=2.0),
            "of half as fast a robot": partial(fitted, faster=0.5),
        },
    ),
)
"""Defects of what actions mean and when."""
