"""Do the images belong to the states they are stored with, or to those some frames before or after?

The image motion of every step is compared with what a `FlowModel` expects for the motion of the hand, at every lag, and
log-likelihood ratios are summed: over an episode, for the one recorder that lagged, and over all episodes.

Measured on 238 clean play table episodes of 12 to 77 frames (64 px, and 200 / 84 px), each under models learnt from
three random previews of 14: a wrong lag is preferred to the right one by at most 0.9 (static camera) and 5.5 (gripper
camera). Where the images of one of these episodes are late or early by one frame, that lag is preferred by `DECISIVE`
in 90 and 93 % of the cases, by two frames in 99 and 97 %. What stays undecided is mostly the gripper camera while a
drawer fills its image and moves with the hand. In recordings of CALVIN, of 300 frames, the right lag leads by more
than 100. Correlating the mere amount of change in the images with the hand's speed finds the right lag in 78 % of the
episodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Curves, Findings, Problem
from vlasync.checks.images.flow_model import LAGS, FlowModel

DECISIVE = 8.0
"""Difference of log-likelihoods that decides about an episode; see above."""

LOUDEST = 3 * DECISIVE
"""Most that one episode counts against a lag in the sum over all, so that a long one does not speak for the others."""

ALIKE = 2.0
"""Log-likelihoods are divided by this before they become a confidence: neighbouring residuals are alike."""


class LagEvidence:
    """What episodes say about the lag of one camera."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._sum = dict.fromkeys(LAGS, 0.0)
        self._names: list[str] = []
        self._decided = {lag: Findings() for lag in LAGS if lag}

    def look(self, name: str, model: FlowModel, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> None:
        """Take in an episode: upright flow `[T - 1, 6]`, NaN where an image is missing, and the hand's motion."""
        gains = model.gains(flow, motion)
        lag = max(gains, key=gains.__getitem__)
        self._names = [*self._names, name][:2]
        if model.log_likelihood(flow, motion) - model.log_likelihood(flow, np.zeros_like(motion)) < DECISIVE:
            return  # what these images show has nothing to do with the hand, at any lag
        for other, gain in gains.items():
            self._sum[other] += max(gain - gains[lag], -LOUDEST)
        if gains[lag] > DECISIVE:
            self._add(self._decided[lag], f"{name}, {self._camera}", lag, gains)

    def merge(self, later: Self) -> None:
        """Take in what later episodes said."""
        self._sum = {lag: value + later._sum[lag] for lag, value in self._sum.items()}
        self._names = (self._names + later._names)[:2]
        for lag, findings in self._decided.items():
            findings.merge(later._decided[lag])

    def problems(self) -> list[Problem]:
        """The lag of all episodes as one problem, where there is one; and episodes that have another."""
        common = max(self._sum, key=self._sum.__getitem__)
        if self._sum[common] - self._sum[0] <= DECISIVE:
            common = 0
        found = [problem for lag, part in self._decided.items() if lag != common for problem in part.problems()]
        if common:
            everywhere = Findings()
            where = self._names[0] if len(self._names) == 1 else "all episodes"
            self._add(everywhere, f"{where}, {self._camera}", common, self._sum)
            found = everywhere.problems() + found
        return found

    def inferred(self) -> dict[str, int]:
        """The likeliest lag over all episodes; nothing where none could be compared."""
        return {self._camera: max(self._sum, key=self._sum.__getitem__)} if any(self._sum.values()) else {}

    def _add(self, findings: Findings, where: str, lag: int, gains: Mapping[int, float]) -> None:
        findings.add(
            "image-lag",
            where,
            f"images of `{self._camera}` come {abs(lag)} frame(s) {'late' if lag > 0 else 'early'}: what they show at "
            f"t is the hand's motion at t{-lag:+d}",
            f"pair state[t] with image[t{lag:+d}] when converting; look for a buffer that holds images back",
            confidence=_confidence(lag, gains),
            evidence=Curves(
                title=f"{where}: how well the images follow the hand",
                x_label="images late by (frames)",
                y_label="log-likelihood, relative to the best",
                x=list(LAGS),
                series={self._camera: [gains[other] - gains[lag] for other in LAGS]},
            ),
        )


def _confidence(lag: int, gains: Mapping[int, float]) -> float:
    """Probability of a lag if all are equally likely beforehand."""
    return float(1 / sum(np.exp(min((gain - gains[lag]) / ALIKE, 0.0)) for gain in gains.values()))
