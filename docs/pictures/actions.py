"""Defects of actions and gripper, as they look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from look import BLUE, GREEN, GREY, ORANGE, figure, save
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.checks.alignment import LAGS, aligned
from vlasync.testing import Recording
from vlasync.testing.actions import MOMENTS
from vlasync.testing.conventions import LEFT, POSES, RIGHT, TCP, as_written, normalize, rewrite, scale_actions
from vlasync.testing.gripper import flip_gripper, recode_gripper
from vlasync.testing.streams import delay
from vlasync.types import Episode


def action_lag(episode: Episode) -> None:
    """Actions beside the motion they claim, and what is left of the difference at each lag."""
    late = delay(episode, 1, columns=slice(None))
    moved = increments(late.state[:-1, :6], late.state[1:, :6], late.spec)
    drawn = figure(2.5)
    curves, bars = drawn.subplots(1, 2, width_ratios=(1.7, 1))
    curves.plot(moved[:, 2], color=GREY, linewidth=2.5, label="motion of the hand along z")
    curves.plot(late.actions[:-1, 2], "o-", color=ORANGE, markersize=3, linewidth=1, label="action, one frame late")
    curves.set(xlabel="frame", ylabel="action units")
    curves.legend()
    lags = sorted(LAGS)
    residual = [float(np.sqrt(np.mean(np.subtract(*aligned(late.actions[:, :6], moved, lag)) ** 2))) for lag in lags]
    bars.bar([f"{lag:+d}" for lag in lags], residual, color=[GREEN if lag == 1 else GREY for lag in lags])
    bars.set(xlabel="lag, frames", title="what the motion leaves unexplained")
    bars.grid(visible=False, axis="x")
    save(drawn, "action-lag")


def conventions(episode: Episode) -> None:
    """The path that the actions describe, beside the path that the hand took."""
    wrong = {
        "action-scale: half the size": scale_actions(episode, (0.5,) * 6 + (1,)),
        "action-scale: x negative": scale_actions(episode, (-1, 1, 1, 1, 1, 1, 1)),
        "action-frame: axes of the hand": replace(episode, actions=as_written(episode, **TCP)),
        "action-units: metres": replace(episode, actions=as_written(episode, position_scale_m=1.0)),
        "action-mode: poses": replace(episode, actions=as_written(episode, **POSES)),
    }
    drawn = figure(4.4)
    panels = drawn.subplots(2, 3).ravel()
    for axes, (name, told) in zip(panels, {"as declared": episode, **wrong}.items(), strict=True):
        path = _path(told) * 100
        taken = episode.state[:, :3] * 100
        axes.plot(taken[:, 0], taken[:, 1], color=GREY, linewidth=4, alpha=0.5, label="hand")
        axes.plot(path[:, 0], path[:, 1], color=GREEN if told is episode else ORANGE, label="actions, added up")
        axes.set(title=name, xlabel="x, cm", ylabel="y, cm", aspect="equal", adjustable="datalim")
    panels[0].legend(loc="best")
    save(drawn, "action-conventions")


def rotations(episode: Episode) -> None:
    """Rotations of one motion, written in four ways."""
    ways: dict[str, Mapping[str, object]] = {
        "Euler differences": {},
        "composed on the left": LEFT,
        "composed on the right": RIGHT,
        "intrinsic Euler": {"rotation": "euler_xyz_intrinsic"},
    }
    drawn = figure(2.3)
    for number, (axes, name) in enumerate(zip(drawn.subplots(1, 3, sharey=True), ("1st", "2nd", "3rd"), strict=True)):
        for (way, fields), colour in zip(ways.items(), (GREY, BLUE, ORANGE, GREEN), strict=True):
            style = {"linewidth": 4, "alpha": 0.5} if not fields else {"linewidth": 1.2}
            axes.plot(as_written(episode, **fields)[:, 3 + number], color=colour, label=way, **style)
        axes.set(title=f"{name} rotation number", xlabel="frame")
    drawn.axes[0].set_ylabel("action units")
    drawn.legend(*drawn.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    save(drawn, "action-rotation")


def commands(recording: Recording, episode: Episode) -> None:
    """Where the arm was sent, and where it was one and more frames later."""
    told, reached = recording.commands[episode.name][:, 2] * 100, episode.state[:, 2] * 100
    drawn = figure(2.3)
    axes = drawn.subplots()
    axes.plot(told, "o-", color=ORANGE, markersize=3, linewidth=1, label="command of frame t")
    axes.plot(np.arange(-1, len(reached) - 1), reached, color=GREY, linewidth=2.5, label="pose of frame t + 1")
    axes.set(xlabel="frame", ylabel="height of the hand, cm")
    axes.legend()
    save(drawn, "action-commanded")


def sizes(episodes: Sequence[Episode]) -> None:
    """How large actions are: as they should be, cut off, normalised, and under foreign statistics."""
    fine = partial(rewrite, position_scale_m=0.004, rotation_scale_rad=0.01)
    variants = {
        "as declared": list(episodes),
        "action-clipped": [fine(episode) for episode in episodes],
        "action-normalized": [normalize(episode, MOMENTS) for episode in episodes],
        "statistics-mismatch": [replace(episode, actions=(episode.actions * 3).clip(-1, 1)) for episode in episodes],
    }
    drawn = figure(2.2)
    for axes, (name, found) in zip(drawn.subplots(1, 4, sharey=True), variants.items(), strict=True):
        values = np.concatenate([episode.actions[:, :3].ravel() for episode in found])
        bound = max(1.05, float(np.abs(values).max()))
        colour = GREEN if name == "as declared" else ORANGE
        axes.hist(values, bins=41, range=(-bound, bound), weights=np.full(len(values), 1 / len(values)), color=colour)
        axes.set(title=name, xlabel="action, x y z")
    drawn.axes[0].set_ylabel("share")
    save(drawn, "action-sizes")


def gripper(episode: Episode) -> None:
    """Command and width of the gripper, in order and in each wrong way."""
    variants = {
        "in order": episode,
        "gripper-polarity": flip_gripper(episode),
        "gripper-values": recode_gripper(episode, opened=1.0, closed=0.0),
        "gripper-lag: 3 late": delay(episode, 3, columns=slice(6, 7)),
    }
    drawn = figure(2.3)
    for axes, (name, shown) in zip(drawn.subplots(1, 4, sharey=True), variants.items(), strict=True):
        width = shown.state[:, shown.spec.state_slice("gripper_width")][:, 0] / 0.08
        axes.plot(width, color=GREY, linewidth=2.5, label="width / 8 cm")
        colour = GREEN if shown is episode else ORANGE
        axes.step(np.arange(len(shown)), shown.actions[:, 6], color=colour, where="post", label="command")
        axes.set(title=name, xlabel="frame", ylim=(-1.2, 1.3))
    drawn.axes[0].legend(loc="lower left")
    save(drawn, "gripper")


def _path(episode: Episode) -> NDArray[np.float64]:
    """`[T + 1, 3]` positions that follow from the actions as they are declared, starting where the hand was."""
    moves = episode.actions[:, :3] * episode.spec.position_scale_m
    return np.concatenate([[np.zeros(3)], np.cumsum(moves, axis=0)]) + episode.state[0, :3]
