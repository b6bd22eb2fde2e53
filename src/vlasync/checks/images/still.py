"""Images without content, and images that stay the same while the robot moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Findings, Pictures, name_frames
from vlasync.checks.images.views import UPRIGHT
from vlasync.checks.units import in_declared_unit
from vlasync.types import Episode

EMPTY_LEVELS = 2.0
"""An image has no content where no channel varies by more grey levels than this (standard deviation over the image).
Clean images of both simulators vary by 30 and more."""

MOVED_M = 0.002
"""Motion of the TCP that a camera must show. In clean recordings no two images in a row are equal, not even of 64 px,
unless the hand is out of view."""

SEEN_CELLS = 0.02
"""Share of the thumbnail's cells that change around repeated images, from which on the camera sees the hand. With the
hand out of view an arm's edge changes a cell or two per step, and may change none: so it was in three places of 323,956
clean frames of 64 px. Around steps of more than `MOVED_M` less changes in 2 % of the frames of a fixed camera of 64 px,
and in none of CALVIN's nor of a camera on the hand."""

FROZEN_FRAMES = 5
"""Repetitions in a row that make a frozen camera of a repeated image."""


@dataclass(frozen=True, kw_only=True)
class Stillness:
    """Which of T images tell nothing.

    Attributes:
        empty: `[T]`, images without content.
        repeated: `[T]`, images equal to the one before, unless empty.
    """

    empty: NDArray[np.bool_]
    repeated: NDArray[np.bool_]

    @classmethod
    def of(cls, small: NDArray[np.float32]) -> Self:
        """From thumbnails `[T, 3, h, w]`."""
        cells = small.reshape(*small.shape[:2], -1)
        variance = np.einsum("tcp,tcp->tc", cells, cells) / cells.shape[2] - cells.mean(axis=2) ** 2
        empty = variance.max(axis=1, initial=0.0) < EMPTY_LEVELS**2
        same = np.r_[False, (small[1:] == small[:-1]).all(axis=(1, 2, 3))]
        return cls(empty=empty, repeated=same & ~empty)

    @property
    def telling(self) -> NDArray[np.bool_]:
        """`[T]`, images that show something, and something new."""
        return ~(self.empty | self.repeated)

    @property
    def steps(self) -> NDArray[np.bool_]:
        """`[T - 1]`, steps from one telling image to the next, on which image motion can be measured."""
        return self.telling[1:] & self.telling[:-1]


def check_still(
    findings: Findings, episode: Episode, camera: str, small: NDArray[np.float32], still: Stillness
) -> bool:
    """Add black, repeated and frozen images of a camera to the findings.

    Args:
        findings: where to add.
        episode: the episode.
        camera: the camera's name.
        small: `[T, 3, h, w]` its thumbnails.
        still: which of them tell nothing.

    Returns:
        Whether the camera froze while the hand moved.
    """
    if still.empty.any():
        findings.add(
            "image-black",
            f"{episode.name}, {camera}, {_frames(np.flatnonzero(still.empty), len(small))}",
            f"images of `{camera}` are black, or of one colour all over",
            "leave these frames out; look for a camera that starts late, is covered or unplugged",
        )
    position = in_declared_unit(episode, "tcp_position")
    froze = False
    for first, last in _runs(still.repeated):
        path = np.linalg.norm(np.diff(position[first - 1 : last + 1], axis=0), axis=1).sum()
        if path > MOVED_M and _sees_the_hand(small, first, last):
            _add_run(findings, episode, camera, small, first, last)
            froze |= last - first + 1 >= FROZEN_FRAMES
    return froze


def _sees_the_hand(small: NDArray[np.float32], first: int, last: int) -> bool:
    """Whether the images before or after a run of repetitions are others; taken for granted where none comes after."""
    if last + 1 == len(small):
        return True
    steps = [(max(first - 2, 0), first - 1), (last, last + 1)]
    return max((small[one] != small[other]).any(axis=0).mean() for one, other in steps) >= SEEN_CELLS


def _add_run(
    findings: Findings, episode: Episode, camera: str, small: NDArray[np.float32], first: int, last: int
) -> None:
    """A run of repetitions, from the first to the last frame that shows the same as the one before."""
    frozen = last - first + 1 >= FROZEN_FRAMES
    after = min(last + 1, len(small) - 1)
    findings.add(
        "image-frozen" if frozen else "image-duplicate",
        f"{episode.name}, {camera}, {_frames(np.arange(first, last + 1), len(small))}",
        f"`{camera}` shows the same image {'for many frames' if frozen else 'again'} while the hand moves",
        "leave these frames out of every stream; look for a camera that is slower than the robot, or that hangs",
        evidence=Pictures(
            title=f"{episode.name}, {camera}",
            images={f"frame {t}": UPRIGHT.picture(small[t]) for t in dict.fromkeys((first - 1, last, after))},
        ),
    )


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return [(int(first), int(stop) - 1) for first, stop in edges.reshape(-1, 2)]


def _frames(frames: NDArray[np.intp], count: int) -> str:
    return "all frames" if len(frames) == count else name_frames(frames.tolist())
