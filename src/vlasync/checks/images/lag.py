"""Do the images belong to the states they are stored with, or to those some frames before or after?

The image motion of every step is compared with what a `FlowModel` expects for the motion of the hand, at every lag, and
log-likelihood ratios are summed: over an episode, for the one recorder that lagged, and over all episodes. The more
episodes there are, the more clearly a single one has to speak, so that a large dataset raises no more false alarms.

Measured on 136 clean play table episodes of 12 to 50 frames that no threshold was chosen on (64 px, and 200 / 84 px),
each under models learnt from four random previews of 16: a wrong lag is preferred to the right one by at most 3.2
(static camera), and never (gripper camera). Where the images of one of these episodes are late or early by one frame,
that is preferred by `DECISIVE` in 97 and 99 % of the cases, two or three frames in more than 99 %. Some of the rest
cannot be told by anybody: an arm that moves evenly looks alike at any lag. So the audit tries out on every episode what
a lag would change, and claims to see it in 91 and 97 % of them; none of these claims failed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.alignment import aligned
from vlasync.checks.findings import ALL_EPISODES, SHOWN_PLACES, Curves, Findings, Problem
from vlasync.checks.images.flow_model import LAGS, FlowModel

DECISIVE = 6.0
"""Difference of log-likelihoods that decides about one of a few episodes; see above."""

FEW = 16
"""Episodes of which `DECISIVE` decides."""

RARER = 2.5
"""Difference by which more a wrong lag must be preferred to be e times as rare. Of 8,160 clean play table episodes of
all tasks (scenes A to C, 64 px) the two cameras prefer one by 6 in 31 and 23, by 10 in 6 and 10, by 20 in none."""

MANY = 0.02
"""Share of the episodes that prefer a wrong lag by `DECISIVE` from which on all of them are believed: one of several
recorders lagged. Of the same episodes at most 0.23 % prefer the same wrong lag."""

CLAIMED = 3.0
"""What a lag must make more of a difference than decides, before the audit claims that it would be seen: images that
really are late are also among those that the model is learnt from."""

CLAIMED_LAGS = (1, -1, 2, -2, 3, -3)
"""Lags that a claim is about, all of them."""

LOUDEST = 3 * DECISIVE
"""Most that one episode counts against a lag in the sum over all, so that a long one does not speak for the others."""


def decisive(episodes: int) -> float:
    """The difference that decides about one of so many episodes: the more are asked, the more say it by chance."""
    return DECISIVE + RARER * math.log(max(episodes / FEW, 1.0))


class LagEvidence:
    """What episodes say about the lag of one camera."""

    def __init__(self, camera: str, *, episodes: int) -> None:
        """Nothing yet, of a dataset of which so many `episodes` are looked at."""
        self._camera = camera
        self._decisive = decisive(episodes)
        self._sum = dict.fromkeys(LAGS, 0.0)
        self._names: list[str] = []
        self._decided = {lag: Findings() for lag in LAGS if lag}
        self._leaning = {lag: Findings() for lag in LAGS if lag}  # those that are decided among them
        self._looked = self._would_show = 0
        self._silent: list[str] = []

    def look(self, name: str, model: FlowModel, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> None:
        """Take in an episode: upright flow `[T - 1, 6]`, NaN where an image is missing, and the hand's motion."""
        gains = model.gains(flow, motion)
        best = max(gains, key=gains.__getitem__)
        self._names = [*self._names, name][:2]
        if model.log_likelihood(flow, motion) - model.log_likelihood(flow, 0.0 * motion) < DECISIVE:
            self.pass_over(name)  # what these images show has nothing to do with the hand, at any lag
            return
        if gains[best] > self._decisive or would_show(model, flow, motion, self._decisive):
            self._looked += 1
            self._would_show += 1
        else:
            self.pass_over(name)
        for other, gain in gains.items():
            self._sum[other] += max(gain - gains[best], -LOUDEST)
        for found, least in ((self._decided, self._decisive), (self._leaning, DECISIVE)):
            lag = best if gains[best] > least else model.lag  # as the others, unless it clearly says otherwise
            if gains[lag] - gains[0] > least:
                self._add(found[lag], f"{name}, {self._camera}", lag, gains)

    def pass_over(self, name: str) -> None:
        """Take in an episode of a dataset in which nothing tells how this camera's images follow the hand."""
        self._looked += 1
        self._silent = [*self._silent, name][:SHOWN_PLACES]

    def merge(self, later: Self) -> None:
        """Take in what later episodes said."""
        self._sum = {lag: value + later._sum[lag] for lag, value in self._sum.items()}
        self._names = (self._names + later._names)[:2]
        self._looked += later._looked
        self._would_show += later._would_show
        self._silent = (self._silent + later._silent)[:SHOWN_PLACES]
        for lag in self._decided:
            self._decided[lag].merge(later._decided[lag])
            self._leaning[lag].merge(later._leaning[lag])

    def problems(self) -> list[Problem]:
        """The lag of all episodes as one problem, where there is one; and episodes that have another."""
        common = max(self._sum, key=self._sum.__getitem__)
        if self._sum[common] - self._sum[0] <= DECISIVE:
            common = 0
        found = [problem for lag in self._decided if lag != common for problem in self._odd(lag)]
        if common:
            everywhere = Findings()
            where = self._names[0] if len(self._names) == 1 else ALL_EPISODES
            self._add(everywhere, f"{where}, {self._camera}", common, self._sum)
            found = everywhere.problems() + found
        return found

    def inferred(self) -> dict[str, int]:
        """The likeliest lag over all episodes; nothing where none could be compared."""
        return {self._camera: max(self._sum, key=self._sum.__getitem__)} if any(self._sum.values()) else {}

    def claimed(self) -> dict[str, dict[str, Any]]:
        """In how many episodes a lag of one to three frames would be told, of how many; and the first where not."""
        if not self._looked:
            return {}
        counts = {"episodes": self._would_show, "of": self._looked}
        return {self._camera: counts | ({"not": self._silent} if self._silent else {})}

    def _odd(self, lag: int) -> list[Problem]:
        """The episodes with this lag as a problem: those that are clear about it, or all where they are many."""
        leaning = self._leaning[lag].problems()
        many = sum(problem.count for problem in leaning) > MANY * self._looked
        return leaning if many else self._decided[lag].problems()

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


def would_show(
    model: FlowModel, flow: NDArray[np.float64], motion: NDArray[np.float64], decides: float = DECISIVE
) -> bool:
    """Whether images of this episode that came later or earlier than they do would be told, by any of `CLAIMED_LAGS`.

    Tried out on its own flow `[T - 1, 6]` and motion `[T - 1, 7]`, shifted: each must make a difference of more than
    what `decides`, by `CLAIMED`.
    """
    return all(max(model.gains(*aligned(flow, motion, -lag)).values()) > decides + CLAIMED for lag in CLAIMED_LAGS)


def _confidence(lag: int, gains: Mapping[int, float]) -> float:
    """Probability of a lag if all are equally likely beforehand."""
    return float(1 / sum(np.exp(min(gain - gains[lag], 0.0)) for gain in gains.values()))
