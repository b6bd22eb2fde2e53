"""A dataset cut into parts of consecutive episodes, each written, kept or lost as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlasync.data.dataset import Outline

PART_FRAMES = 1024
"""A part is closed when it has this many frames: some seconds of work, and 80 MB of images at 200 px as PNG."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Consecutive episodes of a dataset that are written together.

    Attributes:
        number: of the part, from 0.
        episodes: numbers of its episodes.
        first_row: number of frames in all parts before it.
        frames: number of its frames.
    """

    number: int
    episodes: range
    first_row: int
    frames: int


def cut(outlines: Sequence[Outline], frames: int = PART_FRAMES) -> list[Part]:
    """All episodes in parts of at least `frames` frames, the last one of fewer; the lengths alone decide."""
    parts: list[Part] = []
    first, first_row, row = 0, 0, 0
    for number, outline in enumerate(outlines):
        row += outline.length
        if row - first_row >= frames or number == len(outlines) - 1:
            episodes = range(first, number + 1)
            parts.append(Part(number=len(parts), episodes=episodes, first_row=first_row, frames=row - first_row))
            first, first_row = number + 1, row
    return parts
