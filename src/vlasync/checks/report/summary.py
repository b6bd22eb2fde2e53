"""What a dataset consists of, counted on the way of the audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from vlasync.spec import SyncSpec
from vlasync.types import Episode

MAX_TASKS = 1000
"""Tasks that are counted by name; datasets that name each episode's task differently would grow without end."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was looked at.

    Attributes:
        episodes: episodes that could be read.
        frames: their frames.
        lengths: number of frames, rounded to two digits -> number of episodes.
        sentences: sentences, as often as they occur.
        tasks: task -> number of its sentences, for the first `MAX_TASKS` tasks.
        spec: what the numbers claim to mean; None where no episode could be read.
    """

    episodes: int
    frames: int
    lengths: Mapping[int, int]
    sentences: int
    tasks: Mapping[str, int]
    spec: SyncSpec | None


class Tally:
    """Counts what a `Summary` tells, in constant memory."""

    def __init__(self) -> None:
        self.frames = 0
        self._lengths: Counter[int] = Counter()
        self._tasks: Counter[str] = Counter()
        self._sentences = 0
        self._spec: SyncSpec | None = None

    def look(self, episode: Episode) -> None:
        """Count one episode."""
        self.frames += len(episode)
        self._lengths[_two_digits(len(episode))] += 1
        self._sentences += len(episode.language)
        self._count_tasks(Counter(span.task for span in episode.language))
        self._spec = self._spec or episode.spec

    def merge(self, later: Tally) -> None:
        """Take in what another tally counted."""
        self.frames += later.frames
        self._lengths += later._lengths
        self._sentences += later._sentences
        self._count_tasks(later._tasks)
        self._spec = self._spec or later._spec

    def summary(self) -> Summary:
        """All that was counted so far."""
        return Summary(
            episodes=self._lengths.total(),
            frames=self.frames,
            lengths=dict(sorted(self._lengths.items())),
            sentences=self._sentences,
            tasks=dict(sorted(self._tasks.items())),
            spec=self._spec,
        )

    def _count_tasks(self, tasks: Mapping[str, int]) -> None:
        for task, count in tasks.items():
            if task in self._tasks or len(self._tasks) < MAX_TASKS:
                self._tasks[task] += count


def _two_digits(length: int) -> int:
    """A number rounded down to its two leading digits, so that there are few different ones."""
    unit = 10 ** max(len(str(length)) - 2, 0)
    return length // unit * unit
