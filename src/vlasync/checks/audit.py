"""The audit: one pass over a dataset, every detector on every episode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlasync.checks.detectors import AuditConfig, detectors
from vlasync.checks.findings import Findings
from vlasync.checks.report import AuditReport
from vlasync.checks.streams import streams_agree, vectors
from vlasync.data.open import open_dataset
from vlasync.data.readers.calvin import NotFiniteError
from vlasync.errors import DatasetError, UnsafeFileError
from vlasync.progress import stage
from vlasync.types import Episode


def audit(data: Path | str | Sequence[Episode], config: AuditConfig | None = None) -> AuditReport:
    """Check whether image, text, state and action of a dataset are in step and mean what they claim.

    Episodes are read one at a time. An episode that cannot be read becomes a problem of its own and the audit goes on.

    Args:
        data: a training store or CALVIN split, or episodes that are already open.
        config: what to look at; everything by default.

    Returns:
        What was found; never raises for what is wrong with the data.
    """
    unreadable = Findings()
    config = config or AuditConfig()
    frames = 0
    episodes = _open(data, unreadable)
    parts = detectors(config, episodes)
    with stage("audit", len(episodes)) as progress:
        for number in range(len(episodes)):
            episode = _read(episodes, number, unreadable)
            progress.advance()
            if episode is None:
                continue
            frames += len(episode)
            comparable = streams_agree(episode) and all(np.isfinite(part).all() for part in vectors(episode).values())
            for detector in parts:
                if comparable or detector.any_streams:
                    detector.look(episode)
    problems = unreadable.problems() + [found for part in parts for found in part.problems()]
    inferred = {name: value for part in parts for name, value in part.inferred().items()}
    return AuditReport(problems=tuple(problems), frames=frames, episodes=len(episodes), inferred=inferred)


def _open(data: Path | str | Sequence[Episode], findings: Findings) -> Sequence[Episode]:
    """The episodes of `data`; none, and a finding, where it cannot be opened at all."""
    if not isinstance(data, Path | str):
        return data
    try:
        return open_dataset(data)
    except DatasetError as error:
        _note(error, findings)
        return []


def _read(episodes: Sequence[Episode], number: int, findings: Findings) -> Episode | None:
    """An episode, or None and a finding where it cannot be read."""
    try:
        return episodes[number]
    except DatasetError as error:
        _note(error, findings)
        return None


def _note(error: DatasetError, findings: Findings) -> None:
    """A reader's error as a finding; its message starts with the place, as all messages of this library do."""
    where, _, message = str(error).partition(": ")
    code = "unreadable"
    if isinstance(error, NotFiniteError):
        code = "not-finite"
    elif isinstance(error, UnsafeFileError):
        code = "unsafe-file"
    findings.add(code, where, message, "repair or remove it; nothing else was checked in this episode")
