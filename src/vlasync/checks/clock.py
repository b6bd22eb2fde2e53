"""Do timestamps tick evenly, and at the declared rate?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Curves, Detector, name_frames
from vlasync.types import Episode

MAX_JITTER = 0.25
"""Deviation of one spacing from the episode's usual one, as a share of it, that is still called even.

A frame that comes a quarter of a step early or late moves image and state apart by a quarter of an action. Clocks that
write milliseconds round a spacing of 33 ms by 3 %, 20 ms of a 50 Hz recorder by 5 %; a dropped frame is 100 %.
"""

MAX_RATE_ERROR = 0.03
"""Deviation of the usual spacing from the declared one, as a share of it.

Usual rates differ by more (24 and 25 Hz by 4 %); spacings rounded to milliseconds deviate by less (at 60 Hz by 2 %).
"""

_JITTER_ADVICE = "resample all streams to an even clock, or split the episode where frames are missing"


class ClockCheck(Detector):
    """Detector of `time-jitter` and `wrong-rate`; says nothing about episodes without finite timestamps."""

    def look(self, episode: Episode) -> None:
        """Check the spacing of one episode's timestamps."""
        if episode.timestamps is None or len(episode.timestamps) < 2 or not np.isfinite(episode.timestamps).all():
            return
        spacing = np.diff(episode.timestamps)
        usual = float(np.median(spacing))
        self._check_order(episode, spacing)
        if usual <= 0:
            return
        self._check_rate(episode, spacing)
        self._check_evenness(episode, spacing, usual)

    def _check_order(self, episode: Episode, spacing: NDArray[np.float64]) -> None:
        """Time goes on from frame to frame."""
        for chosen, what in ((spacing < 0, "run backwards"), (spacing == 0, "stand still: frames share one time")):
            frames = np.flatnonzero(chosen)
            if len(frames):
                self._add_jitter(
                    episode, frames, f"timestamps {what}", "order the frames by time and remove the doubled ones"
                )

    def _check_rate(self, episode: Episode, spacing: NDArray[np.float64]) -> None:
        """Dropped frames lengthen the mean spacing and noise moves the median; only another rate does both."""
        declared = episode.spec.rate_hz
        usual = min(float(np.median(spacing)), float(spacing.mean()), key=lambda found: abs(found * declared - 1))
        if abs(usual * declared - 1) > MAX_RATE_ERROR:
            self.findings.add(
                "wrong-rate",
                episode.name,
                f"timestamps run at {1 / usual:.0f} Hz, declared are {declared:g} Hz",
                "declare the real rate_hz, or resample all streams to the declared one",
                evidence=_spacing_curves(episode),
            )

    def _check_evenness(self, episode: Episode, spacing: NDArray[np.float64], usual: float) -> None:
        """Every spacing is the usual one; a whole multiple of it stands for frames that were dropped."""
        steps = spacing / usual
        dropped = (np.round(steps) >= 2) & (np.abs(steps - np.round(steps)) <= MAX_JITTER)
        uneven = (spacing > 0) & (np.abs(steps - 1) > MAX_JITTER) & ~dropped
        if dropped.any():
            self._add_jitter(episode, np.flatnonzero(dropped), "timestamps leap: frames were dropped", _JITTER_ADVICE)
        if uneven.any():
            self._add_jitter(
                episode,
                np.flatnonzero(uneven),
                f"timestamps are uneven: spacings differ from the usual one by more than {MAX_JITTER:.0%}",
                _JITTER_ADVICE,
            )

    def _add_jitter(self, episode: Episode, frames: NDArray[np.intp], message: str, advice: str) -> None:
        where = f"{episode.name}, after {name_frames(frames.tolist())}"
        self.findings.add("time-jitter", where, message, advice, evidence=_spacing_curves(episode))


def _spacing_curves(episode: Episode) -> Curves:
    """Time between frames, beside the declared one."""
    timestamps = np.zeros(0) if episode.timestamps is None else episode.timestamps
    spacing = 1e3 * np.diff(timestamps)
    return Curves(
        title=f"{episode.name}: time between frames",
        x_label="frame",
        y_label="ms",
        x=list(range(1, len(spacing) + 1)),
        series={"measured": spacing.tolist(), "declared": [1e3 / episode.spec.rate_hz] * len(spacing)},
    )
