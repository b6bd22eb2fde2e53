"""What detectors find: problems with a stable code, the same defect in many places told once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.codes import CODES
from vlasync.types import Episode

SHOWN_PLACES = 3
"""Places that a problem names before it only counts them."""

MAX_MESSAGES = 8
"""Different messages that are kept for one code; what comes later is counted with the last of them."""


ALL_EPISODES = "all episodes"
"""What the place of a defect begins with that only all episodes together show."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Numbers to look at: one or more series over a common axis, drawn as lines (or bars for named positions).

    Attributes:
        title: what is shown.
        x_label: the axis, with its unit.
        y_label: the numbers, with their unit.
        x: positions, numbers or names.
        series: name -> one number per position.
    """

    title: str
    x_label: str
    y_label: str
    x: Sequence[float] | Sequence[str]
    series: Mapping[str, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Small images to look at side by side.

    Attributes:
        title: what is shown.
        images: caption -> `[h, w, 3]` uint8.
    """

    title: str
    images: Mapping[str, NDArray[np.uint8]]


Evidence = Curves | Pictures


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One defect of a dataset.

    Attributes:
        code: stable name of the kind of defect, for scripts (`action-lag`); see `codes.CODES`.
        where: files, episodes and frames; the first few where there are many.
        count: number of places.
        confidence: 0..1; 1 where the defect is a plain fact, less where it is inferred from the numbers.
        message: what is wrong.
        advice: what to do about it.
        evidence: what shows it, of the first place that has something to show.
    """

    code: str
    where: str
    count: int
    confidence: float
    message: str
    advice: str
    evidence: Evidence | None = None


@dataclass
class _Places:
    """Where one defect was found: the first places by name, all by number."""

    shown: list[str] = field(default_factory=list)
    count: int = 0
    confidence: float = 0.0
    evidence: Evidence | None = None

    def add(self, other: _Places) -> None:
        self.shown = (self.shown + other.shown)[:SHOWN_PLACES]
        self.count += other.count
        self.confidence += other.confidence
        self.evidence = self.evidence or other.evidence


class Findings:
    """Collects findings and joins those that differ only in their place; its size does not grow with the dataset."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], _Places] = {}

    def add(
        self,
        code: str,
        where: str,
        message: str,
        advice: str,
        *,
        confidence: float = 1.0,
        evidence: Evidence | None = None,
    ) -> None:
        """Note a defect with a code of `CODES`; `message` and `advice` should not depend on the place."""
        if code not in CODES:
            raise KeyError(f"{code!r} is not listed in checks/codes.py")
        found = _Places(shown=[where], count=1, confidence=confidence, evidence=evidence)
        self._join((code, message, advice), found)

    def merge(self, later: Findings) -> None:
        """Take in what was found in the episodes after these."""
        for key, places in later._places.items():
            self._join(key, places)

    def absorb(self, other: Findings) -> None:
        """Take in the places of other findings as places of the commonest one here."""
        commonest = max(self._places.values(), key=lambda places: places.count)
        for places in other._places.values():
            commonest.add(places)

    def problems(self) -> list[Problem]:
        """One problem per kind of defect; its confidence is the mean over the places."""
        return [
            Problem(
                code=code,
                where=_name_places(places),
                count=places.count,
                confidence=round(places.confidence / places.count, 3),
                message=message,
                advice=advice,
                evidence=places.evidence,
            )
            for (code, message, advice), places in self._places.items()
        ]

    def _join(self, key: tuple[str, str, str], found: _Places) -> None:
        alike = [other for other in self._places if other[0] == key[0]]
        if key not in self._places and len(alike) >= MAX_MESSAGES:
            key = alike[-1]
        self._places.setdefault(key, _Places()).add(found)


class Detector:
    """Looks at one episode after another and keeps no more than sums and findings, so that any dataset fits.

    A subclass gathers evidence in `look`, and judges it there (what one episode shows) or in `problems` (what only all
    of them show). Detectors travel between processes: their state can be pickled, and `merge` joins two of them as if
    the episodes of `later` had been looked at by this one.
    """

    any_streams: ClassVar[bool] = False
    """Whether `look` takes episodes whose streams differ in length or hold NaN; others are spared them."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Parts of the state that `look` reads; where the state lacks one, the audit says that this was not checked."""

    def __init__(self) -> None:
        self.findings = Findings()

    def lacks(self, episode: Episode) -> tuple[str, ...]:
        """The parts of the state that are needed and not there."""
        there = {part.name for part in episode.spec.state_layout}
        return tuple(name for name in self.needs if name not in there)

    def look(self, episode: Episode) -> None:
        """Take one episode into account."""
        raise NotImplementedError

    def merge(self, later: Any) -> None:
        """Take in what another detector of this very class (`later: Self`) gathered on the episodes after these."""
        self.findings.merge(later.findings)

    def problems(self) -> list[Problem]:
        """What was found in all episodes so far."""
        return self.findings.problems()

    def inferred(self) -> dict[str, Any]:
        """What the numbers themselves say, as JSON values, for people to read."""
        return {}

    def convention(self) -> dict[str, Any]:
        """SyncSpec fields and the values that the numbers themselves call for; empty where they do not tell."""
        return {}


def name_frames(frames: list[int]) -> str:
    """`frame 5`, or `frames 5, 6, 7 and 12 more`."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    shown = ", ".join(map(str, frames[:SHOWN_PLACES]))
    return f"frames {shown}" + (f" and {len(frames) - SHOWN_PLACES} more" if len(frames) > SHOWN_PLACES else "")


def _name_places(places: _Places) -> str:
    """The first places, and how many more there are."""
    shown = "; ".join(places.shown)
    return shown if places.count <= SHOWN_PLACES else f"{shown}; and {places.count - SHOWN_PLACES} more"
