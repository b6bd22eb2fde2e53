"""Do sentences cover frames that exist, enough of them, and no frames that are another task's?"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

from vlasync.checks.findings import Detector
from vlasync.types import Episode, LanguageSpan

MAX_OVERLAP = 0.75
"""Share of the shorter sentence's frames that another task's sentence may cover.

CALVIN's automatic annotation cuts windows of up to 64 frames that end with a task's success, so that neighbours
legitimately overlap: by up to 53 % in its own recordings. One sentence pasted over another overlaps by 100 %.
"""


class LanguageCheck(Detector):
    """Detector of `language-out-of-bounds`, `-crosses-episode`, `-empty`, `-too-short` and `-overlap`."""

    any_streams: ClassVar[bool] = True

    def __init__(self, window_size: int) -> None:
        """Sentences should cover at least `window_size` frames, those of a training window."""
        super().__init__()
        self._window_size = window_size

    def look(self, episode: Episode) -> None:
        """Check the sentences of one episode."""
        inside = []
        for span in episode.language:
            if not span.sentence.strip():
                self.findings.add(
                    "language-empty",
                    _place(episode, span),
                    "a sentence is empty",
                    "annotate these frames, or remove the annotation",
                )
            if 0 <= span.first <= span.last < len(episode):
                inside.append(span)
                self._check_length(episode, span)
            else:
                self._name_outside(episode, span)
        for one, other in combinations(inside, 2):
            self._check_overlap(episode, one, other)

    def _name_outside(self, episode: Episode, span: LanguageSpan) -> None:
        """A sentence that begins in the episode and ends after it, or that was never in it."""
        place = f"{episode.name}, {span.sentence!r}: frames {span.first}..{span.last} of 0..{len(episode) - 1}"
        if 0 <= span.first < len(episode) <= span.last:
            self.findings.add(
                "language-crosses-episode",
                place,
                "a sentence begins in one episode and runs on past its end",
                "cut it at the episode's last frame; CALVIN's `indx` holds (first, end) with end exclusive",
            )
        else:
            self.findings.add(
                "language-out-of-bounds",
                place,
                "a sentence covers frames that its episode does not have",
                "correct the annotation; CALVIN's `indx` holds (first, end) with end exclusive",
            )

    def _check_length(self, episode: Episode, span: LanguageSpan) -> None:
        if _length(span) < self._window_size:
            self.findings.add(
                "language-too-short",
                _place(episode, span),
                f"a sentence covers fewer frames than a training window of {self._window_size}",
                "annotate more frames, or train with a smaller window; the missing frames would be padding",
            )

    def _check_overlap(self, episode: Episode, one: LanguageSpan, other: LanguageSpan) -> None:
        shared = min(one.last, other.last) - max(one.first, other.first) + 1
        if one.task != other.task and shared > MAX_OVERLAP * min(_length(one), _length(other)):
            self.findings.add(
                "language-overlap",
                f"{_place(episode, one)} and {other.first}..{other.last} ({one.task}, {other.task})",
                "two sentences of different tasks cover the same frames",
                "keep the sentence of the task that these frames show; a policy cannot tell which one it should follow",
            )


def _length(span: LanguageSpan) -> int:
    return span.last - span.first + 1


def _place(episode: Episode, span: LanguageSpan) -> str:
    return f"{episode.name}, frames {span.first}..{span.last}"
