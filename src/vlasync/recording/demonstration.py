"""One demonstration: the expert solves a task once, from a start of its own, now and then pushed off its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import sentence
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import achieved
from vlasync.recording.frames import write_episode
from vlasync.types import Episode, LanguageSpan, Observation

MIN_SPAN = 8
"""Shorter stretches between two bursts carry no sentence: they would hardly fill a window."""

SETTLE = 2
"""Frames after a burst that carry no sentence: the arm still runs after the burst's commands, half the way per step."""


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """Bursts of random action that push the expert off its way, so that demonstrations show how to find back.

    Frames of a burst carry no sentence, and hence appear in no training window; only the recovery is learned.

    Attributes:
        share: share of the demonstrations that have bursts.
        probability: chance per step that a burst begins.
        steps: shortest and longest burst.
        strength: largest action during a burst, in the units of an action; rotations get half of it.
    """

    share: float = 0.6
    probability: float = 0.06
    steps: tuple[int, int] = (3, 8)
    strength: float = 0.8


@dataclass(frozen=True, kw_only=True)
class _Log:
    """What one attempt left behind: N + 1 observations around N actions.

    Attributes:
        observations: before each action, and after the last.
        commands: `[N, 7]` actions that were executed.
        disturbed: `[N]` bool, whether a burst replaced the expert.
        success: whether the task was achieved.
    """

    observations: Sequence[Observation]
    commands: NDArray[np.float64]
    disturbed: NDArray[np.bool_]
    success: bool


def demonstrate(
    env: PlayTable,
    task: str,
    rng: np.random.Generator,
    *,
    name: str,
    first_frame: int,
    perturbation: Perturbation,
    max_steps: int,
) -> Episode | None:
    """Let the expert do `task` from a random start.

    Args:
        env: play table; its cameras are recorded.
        task: one of `instructions.DEMONSTRATED_TASKS`.
        rng: the only source of chance: start, sentence, bursts.
        name: of the episode.
        first_frame: number of the episode's first frame in its dataset.
        perturbation: bursts that disturb the expert.
        max_steps: the attempt fails after this many steps.

    Returns:
        The episode, which ends with the action that achieves the task, or None if the expert failed.
    """
    robot_obs, scene_obs = sample_start(task, rng, env.layout)
    words = sentence(task, "training", rng)
    raw, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    log = _attempt(env, Observation(**raw), task, _draw_bursts(perturbation, max_steps, rng))
    if not log.success:
        return None
    stretches = clean_stretches(log.disturbed)
    return write_episode(
        env,
        log.observations,
        log.commands,
        name=name,
        first_frame=first_frame,
        language=tuple(LanguageSpan(first=first, last=last, sentence=words, task=task) for first, last in stretches),
    )


def _attempt(env: PlayTable, first: Observation, task: str, bursts: NDArray[np.float64]) -> _Log:
    """Run the expert until the task is achieved; where `bursts [N, 6]` is not NaN it replaces the expert's motion."""
    expert, start = Expert(task, env.layout), env.snapshot()
    observations, commands, success = [first], [], False
    disturbed = ~np.isnan(bursts[:, 0])
    for burst, disturb in zip(bursts, disturbed, strict=True):
        command = expert.act(observations[-1])
        if disturb:
            command[:6] = burst
        raw, *_ = env.step(command)
        observations.append(Observation(**raw))
        commands.append(command)
        if success := task in achieved(start, env.snapshot()):
            break
    return _Log(
        observations=observations,
        commands=np.stack(commands),
        disturbed=disturbed[: len(commands)],
        success=success,
    )


def _draw_bursts(perturbation: Perturbation, length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`[length, 6]` disturbing motions, NaN where the expert acts undisturbed.

    A burst swells and fades like half a sine wave, in one random direction of position and one of rotation.
    """
    bursts = np.full((length, 6), np.nan)
    if rng.random() >= perturbation.share:
        return bursts
    step = 0
    while step < length:
        if rng.random() >= perturbation.probability:
            step += 1
            continue
        steps = int(rng.integers(perturbation.steps[0], perturbation.steps[1] + 1))
        direction = rng.normal(size=(2, 3))
        direction *= np.array([[1.0], [0.5]]) / np.linalg.norm(direction, axis=1, keepdims=True)
        swell = np.sin(np.pi * (np.arange(steps) + 0.5) / steps)
        motion = perturbation.strength * swell[:, None] * direction.reshape(6)
        bursts[step : step + steps] = motion[: length - step]
        step += steps + SETTLE + MIN_SPAN
    return bursts


def clean_stretches(disturbed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which the expert acts undisturbed and has settled after a burst.

    Args:
        disturbed: `[N]` bool, the frames of bursts.

    Returns:
        Inclusive bounds of the longest possible stretches, those of at least `MIN_SPAN` frames.
    """
    clean = ~disturbed
    for shift in range(1, SETTLE + 1):
        clean[shift:] &= ~disturbed[:-shift]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], clean, [False]]).astype(int)))
    bounds = [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]
    return [(first, last) for first, last in bounds if last - first + 1 >= MIN_SPAN]
