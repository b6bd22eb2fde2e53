"""All detectors over all episodes of one dataset: episode by episode, in this process or in several.

A dataset is cut into chunks of consecutive episodes. What was gathered on each is merged in their order, so that a
report does not depend on who looked at what; memory holds one episode's numbers and a few chunks' sums, whatever the
dataset's size.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vlasync.checks.codes import CODES
from vlasync.checks.detectors import AuditConfig, detectors
from vlasync.checks.findings import Detector, Findings, Problem
from vlasync.checks.images.appearance import PREVIEW_FRAMES
from vlasync.checks.report.summary import Tally
from vlasync.checks.streams import streams_agree, vectors
from vlasync.data.dataset import Dataset
from vlasync.data.open import open_dataset
from vlasync.errors import DatasetError, NotFiniteError, UnsafeFileError
from vlasync.processes import worker_pool
from vlasync.progress import Stage
from vlasync.types import Episode

PREVIEW_EPISODES = 16
"""Episodes that are read beforehand to see what the dataset usually looks like."""

CHUNK_EPISODES = 32
"""Most episodes that a worker takes at once: a second of work with images, where episodes have some 30 frames."""

FEWEST_CHUNKS = 64
"""A dataset of few, long episodes is cut finer, so that no worker waits for another."""

STARTING_S = 4.0
"""Seconds until a fresh process has imported torch and vlasync (measured on 2 cores)."""

AHEAD = 4
"""Chunks per process that are begun and not merged yet: enough that none waits, few enough to keep in memory."""

ALONE_S = 1.0
"""Seconds after which an audit knows how long it will take."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Episodes that are audited together: a whole dataset, or one of its splits.

    Attributes:
        name: of the split, which its episodes' names start with; empty where there is one part only.
        path: where other processes find the episodes; None where they exist in this one only.
        episodes: the episodes.
    """

    name: str
    path: Path | None
    episodes: Sequence[Episode]

    def read(self, number: int) -> Episode:
        """Episode `number`, under a name that tells the split."""
        return self._named(self.episodes[number])

    def read_start(self, number: int, frames: int) -> Episode:
        """At least its first `frames` frames."""
        if isinstance(self.episodes, Dataset):
            return self._named(self.episodes.read_start(number, frames))
        return self.read(number)

    def _named(self, episode: Episode) -> Episode:
        if not self.name or episode.name.startswith(f"{self.name}/"):
            return episode
        return replace(episode, name=f"{self.name}/{episode.name}")


@dataclass
class Survey:
    """What was gathered on some consecutive episodes of a part."""

    detectors: list[Detector]
    unreadable: Findings = field(default_factory=Findings)
    not_checked: dict[str, None] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def look(self, part: Part, number: int) -> None:
        """Show episode `number` to every detector; one that cannot be read becomes a finding."""
        try:
            episode = part.read(number)
            self.tally.look(episode)
            comparable = is_comparable(episode)
            for detector in self.detectors:
                if lacking := detector.lacks(episode):
                    self.not_checked[f"{type(detector).__name__}: the state has no {', '.join(lacking)}"] = None
                elif comparable or detector.any_streams:
                    detector.look(episode)
        except DatasetError as error:
            note(error, self.unreadable)

    def merge(self, later: Survey) -> None:
        """Take in what was gathered on the episodes after these."""
        for ours, theirs in zip(self.detectors, later.detectors, strict=True):
            ours.merge(theirs)
        self.unreadable.merge(later.unreadable)
        self.not_checked |= later.not_checked
        self.tally.merge(later.tally)

    def problems(self) -> list[Problem]:
        """What was found, in the order of `CODES`."""
        found = self.unreadable.problems() + [problem for part in self.detectors for problem in part.problems()]
        order = list(CODES)
        return sorted(found, key=lambda problem: order.index(problem.code))

    def inferred(self) -> dict[str, Any]:
        """What the numbers say about themselves, of all detectors."""
        told = {name: value for part in self.detectors for name, value in part.inferred().items()}
        return told | ({"not_checked": list(self.not_checked)} if self.not_checked else {})

    def convention(self) -> dict[str, Any]:
        """The SyncSpec fields that the numbers call for, of all detectors."""
        return {name: value for part in self.detectors for name, value in part.convention().items()}


def survey(part: Part, config: AuditConfig, extra: Sequence[Detector], progress: Stage) -> Survey:
    """Look at every episode of a part, or at `config.sample` of them.

    Begins in this process, and starts others to help it when so much is left that this pays.

    Args:
        part: the episodes.
        config: what to look at.
        extra: fresh detectors beside those of every audit; what they gather is in them afterwards.
        progress: advanced by one for each episode.
    """
    numbers = chosen(len(part.episodes), config.sample)
    preview = _preview(part) if config.images else []
    gathered = Survey([*detectors(config, preview, episodes=len(numbers)), *extra])
    fresh = copy.deepcopy(gathered)
    clock = _Clock(progress)
    rest = deque(_chunks(numbers))
    left = sum(map(len, rest))
    alone = part.path is None or config.workers == 1
    while rest and (alone or not clock.calls_for_help(left)):
        chunk = rest.popleft()
        left -= len(chunk)
        gathered.merge(_look(fresh, part, chunk, clock))
    for looked in _looked_with_help(fresh, part, rest, config.workers - 1, clock) if rest else ():
        gathered.merge(looked)
    return gathered


def chosen(count: int, sample: int | None) -> list[int]:
    """Numbers of the episodes to look at: all, or `sample` of them, the first and the last among them."""
    if sample is None or sample >= count:
        return list(range(count))
    return np.linspace(0, count - 1, sample).round().astype(int).tolist()


def is_comparable(episode: Episode) -> bool:
    """The streams of an episode have one length and finite numbers."""
    return streams_agree(episode) and all(np.isfinite(values).all() for values in vectors(episode).values())


def note(error: DatasetError, findings: Findings) -> None:
    """A reader's error as a finding; its message starts with the place, as all messages of this library do."""
    where, _, message = str(error).partition(": ")
    code = "unreadable"
    if isinstance(error, NotFiniteError):
        code = "not-finite"
    elif isinstance(error, UnsafeFileError):
        code = "unsafe-file"
    findings.add(code, where, message, "repair or remove it; the rest of its episode was not checked")


class _Clock:
    """How fast it goes, for the progress bar and for the decision to start workers."""

    def __init__(self, progress: Stage) -> None:
        self._progress = progress
        self._started = time.monotonic()
        self._episodes = self._frames = 0

    def advance(self, episodes: int, frames: int) -> None:
        """So much more is done."""
        self._episodes += episodes
        self._frames += frames
        rate = self._frames / max(time.monotonic() - self._started, 1e-3)
        self._progress.advance(episodes, status=f"{rate:,.0f} frames/s")

    def calls_for_help(self, left: int) -> bool:
        """Whether what is left takes this process so long that two would be done before, their start included."""
        seconds = time.monotonic() - self._started
        if seconds < ALONE_S or not self._episodes:
            return False
        return left * seconds / self._episodes > 2 * STARTING_S


def _chunks(numbers: list[int]) -> list[list[int]]:
    """Consecutive episodes, cut by their number alone: sums of the same chunks are the same to the last bit."""
    size = min(-(-len(numbers) // FEWEST_CHUNKS), CHUNK_EPISODES)
    return [numbers[first : first + size] for first in range(0, len(numbers), size or 1)]


def _look(fresh: Survey, part: Part, chunk: list[int], clock: _Clock | None = None) -> Survey:
    """What is gathered on the episodes of one chunk."""
    looked = copy.deepcopy(fresh)
    for number in chunk:
        before = looked.tally.frames
        looked.look(part, number)
        if clock is not None:
            clock.advance(1, looked.tally.frames - before)
    return looked


def _looked_with_help(
    fresh: Survey, part: Part, chunks: deque[list[int]], helpers: int, clock: _Clock
) -> Iterator[Survey]:
    """What is gathered on each chunk, in order: by this process alone until `helpers` others are ready, then by all."""
    with worker_pool(helpers) as pool:
        starting = [pool.submit(_open_in_worker, part.path) for _ in range(helpers)]
        while chunks and not all(start.done() for start in starting):
            yield _look(fresh, part, chunks.popleft(), clock)
        begun: deque[tuple[int, Future[Survey]]] = deque()  # with the episodes that the clock has to count yet
        while chunks or begun:
            while chunks and sum(not looked.done() for _, looked in begun) < 2 * helpers:
                chunk = chunks.popleft()
                begun.append((len(chunk), pool.submit(_look_in_worker, fresh, part.name, part.path, chunk)))
            if chunks and not begun[0][1].done() and len(begun) < AHEAD * (helpers + 1):
                begun.append((0, Future()))
                begun[-1][1].set_result(_look(fresh, part, chunks.popleft(), clock))
            else:
                uncounted, looked = begun.popleft()
                if uncounted:
                    clock.advance(uncounted, looked.result().tally.frames)
                yield looked.result()


def _open_in_worker(path: Path | None) -> None:
    """Have the dataset open before the first chunk comes."""
    assert path is not None
    _opened(path)


def _look_in_worker(fresh: Survey, name: str, path: Path | None, chunk: list[int]) -> Survey:
    """`_look` in a process that opens the dataset itself, once."""
    assert path is not None
    return _look(fresh, Part(name=name, path=path, episodes=_opened(path)), chunk)


@cache
def _opened(path: Path) -> Sequence[Episode]:
    """The dataset as this worker has it open."""
    return open_dataset(path)


def _preview(part: Part) -> list[Episode]:
    """How sound episodes all over the dataset begin; what is wrong with others is told when their turn comes."""
    episodes, numbers = [], chosen(len(part.episodes), PREVIEW_EPISODES)
    for number in numbers:
        with suppress(DatasetError):
            episodes.append(part.read_start(number, PREVIEW_FRAMES // len(numbers)))
    return [episode for episode in episodes if is_comparable(episode)]
