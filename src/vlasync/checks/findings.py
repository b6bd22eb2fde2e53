"""What detectors find: problems with a stable code, the same defect in many places told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from vlasync.types import Episode

SHOWN_PLACES = 3
"""Places that a problem names before it only counts them."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One defect of a dataset.

    Attributes:
        code: stable name of the kind of defect, for scripts (`action-lag`).
        where: files, episodes and frames; the first few where there are many.
        confidence: 0..1; 1 where the defect is a plain fact, less where it is inferred from the numbers.
        message: what is wrong.
        advice: what to do about it.
    """

    code: str
    where: str
    confidence: float
    message: str
    advice: str


class Detector(Protocol):
    """Looks at one episode after another and keeps no more than sums and findings."""

    def look(self, episode: Episode) -> None:
        """Take one episode into account."""
        ...

    def problems(self) -> list[Problem]:
        """What was found in all episodes so far."""
        ...

    def inferred(self) -> dict[str, Any]:
        """What the numbers themselves say about their convention, as JSON values."""
        ...


class Findings:
    """Collects findings and joins those that differ only in their place."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], list[tuple[str, float]]] = {}

    def add(self, code: str, where: str, message: str, advice: str, *, confidence: float = 1.0) -> None:
        """Note a defect; `message` and `advice` should not depend on the place."""
        self._places.setdefault((code, message, advice), []).append((where, confidence))

    def problems(self) -> list[Problem]:
        """One problem per kind of defect; its confidence is the mean over the places."""
        return [
            Problem(
                code=code,
                where=_join([where for where, _ in places]),
                confidence=round(sum(confidence for _, confidence in places) / len(places), 3),
                message=message,
                advice=advice,
            )
            for (code, message, advice), places in self._places.items()
        ]


def _join(places: list[str]) -> str:
    """The first places, and how many more there are."""
    shown = "; ".join(places[:SHOWN_PLACES])
    return shown if len(places) <= SHOWN_PLACES else f"{shown}; and {len(places) - SHOWN_PLACES} more"


def name_frames(frames: list[int]) -> str:
    """`frame 5`, or `frames 5, 6, 7 and 12 more`."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    shown = ", ".join(map(str, frames[:SHOWN_PLACES]))
    return f"frames {shown}" + (f" and {len(frames) - SHOWN_PLACES} more" if len(frames) > SHOWN_PLACES else "")
