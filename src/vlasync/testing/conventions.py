"""Actions written or declared in another convention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import convert, integrate
from vlasync.actions.normalization import Normalizer
from vlasync.spec import Normalization, SyncSpec
from vlasync.types import Episode

Fields = Mapping[str, Any]
"""SyncSpec fields by name."""

POSES: Fields = {
    "action_mode": "absolute",
    "action_frame": "world",
    "rotation": "euler_xyz_extrinsic",
    "position_scale_m": 1.0,
    "rotation_scale_rad": 1.0,
    "action_clip": None,
}
"""Actions that are the pose to reach, in metres and radians."""

TCP: Fields = {"action_frame": "tcp", "rotation": "rotvec", "rotation_composition": "right"}
"""Increments in the axes of the hand."""

LEFT: Fields = {"rotation_composition": "left"}
RIGHT: Fields = {"rotation_composition": "right"}

QUARTER_TURN = (-0.34, -0.46, 0.24, 0.0, 0.0, math.sqrt(0.5), math.sqrt(0.5))
"""`base_in_world` of a robot that stands where CALVIN's does, turned by 90 degrees about the vertical."""


def as_written(episode: Episode, **fields: Any) -> NDArray[np.float64]:
    """The actions `[T, n]` that a recorder would have written whose convention differs in `fields`.

    They come from the poses themselves: frame t is given the pose of frame t + 1, and the last frame the pose that its
    own action leads to. Increments are clipped to the bound of that convention.
    """
    spec = episode.spec
    truth = spec.replace(**fields)
    poses = np.concatenate(
        [episode.state[:, spec.state_slice("tcp_position")], episode.state[:, spec.state_slice("tcp_euler")]], axis=1
    )
    last = episode.actions[-1:, :-1]
    reached = last if spec.action_mode == "absolute" else integrate(poses[-1:], last, spec)
    goals = np.concatenate([np.concatenate([poses[1:], reached]), episode.actions[:, -1:]], axis=1)
    written = np.array(convert(goals, episode.state, spec.replace(**POSES), truth))
    if truth.action_clip is not None and truth.action_mode != "absolute":
        written[:, :-1] = written[:, :-1].clip(-truth.action_clip, truth.action_clip)
    return written


def write_in(episode: Episode, **fields: Any) -> Episode:
    """Actions in a convention that differs in `fields` from the declared one, which stays declared."""
    return replace(episode, actions=as_written(episode, **fields))


def declare(episode: Episode, **fields: Any) -> Episode:
    """Another convention declared over the same numbers."""
    return replace(episode, spec=episode.spec.replace(**fields))


def rewrite(episode: Episode, **fields: Any) -> Episode:
    """Another convention, declared and used: as clean as before."""
    return declare(write_in(episode, **fields), **fields)


def scale_actions(episode: Episode, factors: Sequence[float]) -> Episode:
    """Every dimension of the actions times its factor, gripper included."""
    return replace(episode, actions=episode.actions * np.asarray(factors))


def replace_actions(episode: Episode, count: int) -> Episode:
    """The motion of `count` actions in the middle is replaced by a straight one of half the bound."""
    actions = episode.actions.copy()
    first = (len(actions) - count) // 2
    actions[max(first, 0) : first + count, :3] = 0.5
    return replace(episode, actions=actions)


def reverse_actions(episode: Episode) -> Episode:
    """The motion stands in reverse order; gripper commands stay."""
    actions = episode.actions.copy()
    actions[:, :-1] = actions[::-1, :-1]
    return replace(episode, actions=actions)


def scale_state(episode: Episode, name: str, factor: float) -> Episode:
    """One slice of the state in another unit."""
    state = episode.state.copy()
    state[:, episode.spec.state_slice(name)] *= factor
    return replace(episode, state=state)


def normalize(episode: Episode, normalization: Normalization) -> Episode:
    """Actions as a model would see them."""
    fitting = replace(normalization, fitted_on=episode.spec.representation())
    return replace(episode, actions=Normalizer(fitting).encode(episode.actions))


def fitted(episodes: Sequence[Episode], faster: float = 1.0, **fields: Any) -> SyncSpec:
    """The SyncSpec of a model whose percentiles were fitted on these actions in another convention, `faster` times."""
    spec = episodes[0].spec.replace(**fields)
    factors = np.array([faster] * (spec.action_size - 1) + [1.0])
    normalizer = Normalizer.fit((as_written(episode, **fields) * factors for episode in episodes), spec=spec)
    return episodes[0].spec.replace(normalization=normalizer.normalization)


def write_commands(episode: Episode, commands: Mapping[str, NDArray[np.float64]], **fields: Any) -> Episode:
    """Increments towards the poses `[T, 6]` that were commanded; the same object where they are not known.

    They are not clipped: the declared bound is one of achieved motion, and commands run ahead of it.
    """
    if episode.name not in commands:
        return episode
    spec = episode.spec
    goals = np.column_stack([commands[episode.name], episode.actions[:, -1]])
    written = np.array(convert(goals, episode.state, spec.replace(**POSES), spec.replace(**fields)))
    return replace(episode, actions=written)
