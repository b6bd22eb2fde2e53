"""Clean demonstrations of the play table, beside the commands that they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable import PlayTable
from vlasync.errors import VlasyncError
from vlasync.recording.config import FRAME_NUMBERS
from vlasync.recording.demonstration import demonstrate
from vlasync.recording.perturbation import Perturbation
from vlasync.recording.record import MAX_ATTEMPTS
from vlasync.spec import Camera
from vlasync.types import Episode

MAX_STEPS = 120
"""Steps after which an attempt of the expert has failed."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Clean demonstrations to plant defects into.

    Attributes:
        name: what it is, for tables.
        episodes: the demonstrations.
        commands: name of an episode -> `[T, 6]` poses that the arm was sent to at each frame: metres, extrinsic xyz
            Euler angles, world.
    """

    name: str
    episodes: Sequence[Episode]
    commands: Mapping[str, NDArray[np.float64]]


class _OverheardTable(PlayTable):
    """A play table that remembers where the arm was sent since the last reset."""

    targets: list[NDArray[np.float64]]

    def reset(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.targets = []
        return super().reset(**options)

    def step(self, action: NDArray[np.float64]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        outcome = super().step(action)
        self.targets.append(self.target_pose)
        return outcome


def record_play_table(
    name: str, tasks: Sequence[str], *, cameras: Mapping[str, Camera], episodes_per_task: int = 2, seed: int = 0
) -> Recording:
    """Record demonstrations in memory, tasks taking turns; about 0.1 s each with small images.

    Args:
        name: of the recording.
        tasks: some of `instructions.DEMONSTRATED_TASKS`.
        cameras: image streams and their sizes.
        episodes_per_task: demonstrations of each task.
        seed: of starts, sentences and disturbances.
    """
    env = _OverheardTable(cameras=cameras)
    episodes, commands = [], {}
    for index in range(len(tasks) * episodes_per_task):
        episode = _demonstration(env, tasks[index % len(tasks)], index, seed)
        episodes.append(episode)
        commands[episode.name] = np.stack(env.targets)
    env.close()
    return Recording(name=name, episodes=episodes, commands=commands)


def _demonstration(env: _OverheardTable, task: str, index: int, seed: int) -> Episode:
    """The first attempt that succeeds."""
    for attempt in range(MAX_ATTEMPTS):
        episode = demonstrate(
            env,
            task,
            np.random.default_rng(np.random.SeedSequence([seed, index, attempt])),
            name=f"{task}/{seed}-{index:03d}",
            first_frame=FRAME_NUMBERS * index,
            perturbation=Perturbation(),
            max_steps=MAX_STEPS,
        )
        if episode is not None:
            return episode
    raise VlasyncError(f"{task}: the expert failed {MAX_ATTEMPTS} times in a row; take another task or seed")
