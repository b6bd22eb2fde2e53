"""Does the validation split hold frames of the training split, whatever their numbers and wherever episodes were cut?

A frame is known by a hash of what the robot measured in it and in the next one. Only some hashes are kept, chosen by
their content alone, so that the same motion leaves the same marks in both splits: the smallest of every `WINDOW`
consecutive hashes ("winnowing", Schleimer, Wilkerson and Aiken, 2003). No shared motion longer than a window escapes,
and a split costs 8 bytes for 2 or 3 frames: 8 MB for the 2.4 million frames of CALVIN's largest.
"""

from __future__ import annotations

import hashlib
from typing import Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vlasync.checks.findings import Curves, Detector, Findings
from vlasync.types import Episode

WINDOW = 4
"""Consecutive moving frames of which at least one is marked: twice and more in a demonstration of a dozen frames."""

MOVING = 1e-3
"""Change of some number of the state (m or rad) between two frames that counts as motion.

Robots at rest after equal resets are in equal states, without any frame being shared. The play table's expert moves
more than that in every frame.
"""

MIN_MARKS = 2
"""Shared marks from which an episode is called shared: a single one may be a motion that all episodes begin with."""

MAX_DRAWN = 20
"""Shared episodes that the picture shows."""


class LeakageCheck(Detector):
    """Gathers the marks of one split; `compare` holds two splits against each other."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._marks: list[NDArray[np.uint64]] = []

    def look(self, episode: Episode) -> None:
        """Mark one episode's frames."""
        self._names.append(episode.name)
        self._marks.append(_marks(episode))

    def merge(self, later: Self) -> None:
        """Take in the marks of the episodes after these."""
        super().merge(later)
        self._names += later._names
        self._marks += later._marks

    def shared_with(self, other: LeakageCheck) -> dict[str, tuple[int, int]]:
        """Name of each episode that `other` has marks of -> the number of shared marks, and of all its marks."""
        if not other._marks:
            return {}
        known = np.unique(np.concatenate(other._marks))
        found = {}
        for name, marks in zip(self._names, self._marks, strict=True):
            shared = int(np.isin(marks, known).sum())
            if shared >= MIN_MARKS:
                found[name] = (shared, len(marks))
        return found


def compare(training: LeakageCheck, validation: LeakageCheck) -> Findings:
    """`split-leakage` for every episode of `validation` that shares motion with an episode of `training`."""
    findings = Findings()
    shared = validation.shared_with(training)
    drawn = dict(list(shared.items())[:MAX_DRAWN])
    evidence = Curves(
        title="share of each validation episode that is in the training split too",
        x_label="episode",
        y_label="share of marked frames",
        x=list(drawn),
        series={"shared": [count / marks for count, marks in drawn.values()]},
    )
    for name in shared:
        findings.add(
            "split-leakage",
            name,
            "the validation split holds frames of the training split",
            "remove these episodes from one of the two splits; results on them say nothing about unseen data",
            evidence=evidence,
        )
    return findings


def _marks(episode: Episode) -> NDArray[np.uint64]:
    """Sorted hashes of the marked frames; single precision, so that a rounded copy leaves the same marks."""
    state = episode.state.astype(np.float32) + np.float32(0)  # -0 becomes 0
    moving = (np.abs(np.diff(state, axis=0)) > MOVING).any(axis=1)
    pairs = np.concatenate([state[:-1], state[1:]], axis=1)[moving]
    hashes = np.frombuffer(b"".join(hashlib.blake2b(pair, digest_size=8).digest() for pair in pairs), np.uint64)
    if len(hashes) <= WINDOW:
        return np.unique(hashes)[:1]
    return np.unique(sliding_window_view(hashes, WINDOW).min(axis=1))
