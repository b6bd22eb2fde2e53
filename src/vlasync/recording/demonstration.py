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
from vlasync.recording.perturbation import Perturbation, clean_stretches, draw_bursts
from vlasync.types import Episode, LanguageSpan, Observation


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
    log = _attempt(env, Observation(**raw), task, draw_bursts(perturbation, max_steps, rng))
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
