"""Plain facts about the streams of an episode: lengths, numbering, finite numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Detector, name_frames
from vlasync.types import Episode


class StreamCheck(Detector):
    """Detector of `length-mismatch`, `index-gap` and `not-finite`."""

    any_streams: ClassVar[bool] = True

    def look(self, episode: Episode) -> None:
        """Check one episode."""
        self._check_lengths(episode)
        self._check_numbering(episode)
        self._check_finite(episode)

    def _check_lengths(self, episode: Episode) -> None:
        if streams_agree(episode):
            return
        lengths = ", ".join(f"{name} {length}" for name, length in _lengths(episode).items())
        self.findings.add(
            "length-mismatch",
            f"{episode.name}: {lengths}",
            "the streams of an episode have different numbers of frames",
            "record or convert these episodes again; a cut stream cannot be lined up by guessing",
        )

    def _check_numbering(self, episode: Episode) -> None:
        gaps = np.flatnonzero(np.diff(episode.frame_index) != 1)
        if len(gaps):
            self.findings.add(
                "index-gap",
                f"{episode.name}, after {name_frames(gaps.tolist())}",
                "frame numbers of an episode do not follow one another",
                "split the episode there, or record the missing frames: a window across a gap shows a jump",
            )

    def _check_finite(self, episode: Episode) -> None:
        streams = vectors(episode)
        if episode.timestamps is not None:
            streams = {**streams, "timestamps": episode.timestamps[:, None]}
        for name, values in streams.items():
            finite = np.isfinite(values)
            if not finite.all():
                bad = np.flatnonzero(~finite.all(axis=1))
                self.findings.add(
                    "not-finite",
                    f"{episode.name}, {name_frames(bad.tolist())}",
                    f"`{name}` has NaN or infinite numbers",
                    "leave these episodes out, or cut them before the first such frame",
                )


def vectors(episode: Episode) -> Mapping[str, NDArray[np.float64]]:
    """The streams of an episode that are vectors per frame `[T, D]`, by name."""
    found = {"state": episode.state, "actions": episode.actions}
    return found if episode.scene is None else found | {"scene": episode.scene}


def streams_agree(episode: Episode) -> bool:
    """All streams of the episode have one length, so that they can be compared frame by frame."""
    return len(set(_lengths(episode).values())) == 1


def _lengths(episode: Episode) -> dict[str, int]:
    """Number of frames of every stream, by name."""
    lengths = {name: len(values) for name, values in vectors(episode).items()}
    lengths |= {f"images.{name}": len(images) for name, images in episode.images.items()}
    if episode.timestamps is not None:
        lengths["timestamps"] = len(episode.timestamps)
    return lengths | {"frame_index": len(episode.frame_index)}
