"""Defects of the gripper command: exchanged, coded otherwise, late."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from vlasync.testing.defect import Defect
from vlasync.testing.streams import delay
from vlasync.types import Episode

STROKE_M = 0.03
"""Change of the gripper's width that counts as opening or closing."""


def flip_gripper(episode: Episode) -> Episode:
    """Open and closed exchanged."""
    spec = episode.spec
    actions = episode.actions.copy()
    actions[:, -1] = spec.gripper_open + spec.gripper_closed - actions[:, -1]
    return replace(episode, actions=actions)


def recode_gripper(episode: Episode, *, opened: float, closed: float) -> Episode:
    """Other numbers for open and closed; the same object where the commands given keep their numbers."""
    actions = episode.actions.copy()
    is_open = np.isclose(actions[:, -1], episode.spec.gripper_open)
    actions[:, -1] = np.where(is_open, opened, closed)
    unchanged = np.array_equal(actions, episode.actions)
    return episode if unchanged else replace(episode, actions=actions)


def width_as_command(episode: Episode) -> Episode:
    """The measured width in the place of the command."""
    actions = episode.actions.copy()
    actions[:, -1] = episode.state[:, episode.spec.state_slice("gripper_width")][:, 0]
    return replace(episode, actions=actions)


def blank_command(episode: Episode) -> Episode:
    """One frame with 0, which is neither open nor closed."""
    actions = episode.actions.copy()
    actions[len(actions) // 2, -1] = 0.0
    return replace(episode, actions=actions)


def strokes(episode: Episode) -> bool:
    """The fingers open or close under a command that changes well inside the episode."""
    switched = np.flatnonzero(np.diff(episode.actions[:, -1])) + 1
    width = episode.state[:, episode.spec.state_slice("gripper_width")][:, 0]
    return any(4 <= t < len(width) - 8 and abs(width[t + 8] - width[t]) > STROKE_M for t in switched)


GRIPPER_DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="open and closed are exchanged",
        code="gripper-polarity",
        strengths={"sign flipped": flip_gripper},
        shows=strokes,
    ),
    Defect(
        name="the gripper command is coded otherwise",
        code="gripper-values",
        strengths={
            "1 and 0": partial(recode_gripper, opened=1.0, closed=0.0),
            "255 and 0": partial(recode_gripper, opened=255.0, closed=0.0),
            "0 in one frame": blank_command,
            "width in metres": width_as_command,
        },
    ),
    Defect(
        name="gripper commands come late or early",
        code="gripper-lag",
        strengths={
            f"{abs(frames)} {'late' if frames > 0 else 'early'}": partial(delay, frames=frames, columns=slice(6, 7))
            for frames in (1, 2, 3, -1, -2, -3)
        },
        shows=strokes,
    ),
)
"""Defects of the gripper command."""
