"""Play: the expert does one task after the other without a reset, and the task conditions say afterwards what was done.

The order is left to chance among what is possible at the moment, with what was played least coming first. A task that
takes too long is left for another one, as a person would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import sentence
from vlasync.envs.playtable.possible import possible_tasks
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import Snapshot, achieved
from vlasync.recording.frames import write_episode
from vlasync.recording.labels import find_labels
from vlasync.types import Episode, LanguageSpan, Observation

BLOCKED_LEAD = 0.08
"""Metres from the arm to its target that say that something holds it up; in free motion they stay below 0.04."""

REST_STEPS = 60
"""At most so many steps for the way back to the neutral pose."""

REST_SPEED = 0.5
"""Share of the highest speed at which it goes there: 0.3 m/s."""


def play(
    env: PlayTable,
    tasks: Sequence[str],
    rng: np.random.Generator,
    *,
    name: str,
    first_frame: int,
    frames: int,
    max_steps: int,
) -> Episode:
    """Let the expert play from a random start.

    Args:
        env: play table; its cameras are recorded.
        tasks: what it may do, of `instructions.DEMONSTRATED_TASKS`.
        rng: the only source of chance: start, order of the tasks, sentences.
        name: of the episode.
        first_frame: number of the episode's first frame in its dataset.
        frames: length of the episode.
        max_steps: the expert turns to another task after this many steps.

    Returns:
        The episode, with a sentence for each task of `tasks` that was achieved, on purpose or not.
    """
    robot_obs, scene_obs = sample_start(tasks[int(rng.integers(len(tasks)))], rng, env.layout)
    recorder = _Recorder(env, frames)
    recorder.start(robot_obs, scene_obs)
    played: Counter[str] = Counter()
    while not recorder.full:
        task = _choose(possible_tasks(recorder.snapshots[-1], env.layout) & set(tasks), played, rng)
        if task is not None:
            played[task] += 1
        if task is None or not recorder.attempt(task, max_steps):
            recorder.rest()
    language = tuple(
        LanguageSpan(
            first=label.first, last=label.last, sentence=sentence(label.task, "training", rng), task=label.task
        )
        for label in find_labels(recorder.snapshots)
        if label.task in tasks
    )
    return write_episode(
        env,
        recorder.observations,
        np.stack(recorder.commands),
        name=name,
        first_frame=first_frame,
        language=language,
    )


def _choose(possible: set[str], played: Counter[str], rng: np.random.Generator) -> str | None:
    """One of the tasks that were played least, None where there are none."""
    if not possible:
        return None
    fewest = min(played[task] for task in possible)
    rarest = sorted(task for task in possible if played[task] == fewest)
    return rarest[rng.integers(len(rarest))]


class _Recorder:
    """Acts on the table until so many frames are recorded, and keeps all that was seen and done."""

    def __init__(self, env: PlayTable, frames: int) -> None:
        self._env, self._frames = env, frames
        self.observations: list[Observation] = []
        self.snapshots: list[Snapshot] = []
        self.commands: list[NDArray[np.float64]] = []

    @property
    def full(self) -> bool:
        """Whether there are as many frames as were asked for."""
        return len(self.commands) >= self._frames

    def start(self, robot_obs: NDArray[np.float64], scene_obs: NDArray[np.float64]) -> None:
        """Reset the table: the first frame."""
        raw, _ = self._env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        self.observations.append(Observation(**raw))
        self.snapshots.append(self._env.snapshot())

    def attempt(self, task: str, max_steps: int) -> bool:
        """Let the expert act until the task is achieved, time is over or the arm is blocked; whether it succeeded."""
        expert, start = Expert(task, self._env.layout), self.snapshots[-1]
        for _ in range(max_steps):
            if self.full or self._blocked():
                break
            self._step(expert.act(self.observations[-1]))
            if task in achieved(start, self.snapshots[-1]):
                return True
        return False

    def rest(self) -> None:
        """Open the hand and go back to the neutral pose: a block in the hand falls, and a blocked arm is free again.

        The way is that of the target and not of the measured pose: against an obstacle the target runs far ahead.
        """
        spec = self._env.sync_spec
        for _ in range(REST_STEPS):
            if self.full:
                return
            way = increments(self._env.target_pose[None], np.array(NEUTRAL)[None, :6], spec)[0]
            self._step(np.append(np.clip(way, -REST_SPEED, REST_SPEED), spec.gripper_open))
            if np.abs(way).max() < REST_SPEED:
                return

    def _blocked(self) -> bool:
        """Whether the target has run away from an arm that something holds up."""
        return bool(np.linalg.norm(self._env.target_pose[:3] - self.observations[-1].state[:3]) > BLOCKED_LEAD)

    def _step(self, command: NDArray[np.float64]) -> None:
        raw, *_ = self._env.step(command)
        self.observations.append(Observation(**raw))
        self.snapshots.append(self._env.snapshot())
        self.commands.append(command)
