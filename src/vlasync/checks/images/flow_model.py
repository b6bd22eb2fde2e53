"""What image motion a camera shows when the hand moves, learnt from a dataset's own frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.alignment import aligned
from vlasync.checks.images.flow import CENTRE, FLOW_SIZE, MOTION_SIZE

LAGS = tuple(range(-5, 6))
"""Frames that images may come late, or early where negative."""

TAIL = 5.0
"""Degrees of freedom of the Student t distribution of residuals: contacts, occlusions and objects that fall make some
frames move otherwise than the hand does, and no single frame may decide."""

RIDGE = 3e-3
"""Ridge of the regression, per frame, in squared units of the hand's motion."""

ROUNDS = 3
"""Rounds of reweighting; the weights settle after two."""

ALIKE_FRAMES = 4.0
"""Frames over which residuals are alike; their correlation from frame to frame is 0.6 in clean recordings."""

PRECISE = 1e-9
"""Smallest variance of a residual, in squared cells: images that follow exactly must not divide by zero."""


@dataclass(frozen=True, kw_only=True)
class FlowModel:
    """Affine flow as a linear function of the hand's motion: `flow[t] = motion[t] @ weights`, with Student t residuals.

    Attributes:
        weights: `[7, 6]` cells per unit of `hand_motion`.
        precision: `[6, 6]` inverse of the residuals' covariance.
        errors: `[7, 6]` standard errors of the weights.
        misfit: mean negative score of what it was learnt from.
        explained: share of the motion at the centre of the image that follows from the hand's, 0..1.
        evidence: log-likelihood per frame of what it was learnt from, up to a constant.
    """

    weights: NDArray[np.float64]
    precision: NDArray[np.float64]
    errors: NDArray[np.float64]
    misfit: float
    explained: float
    evidence: float

    @classmethod
    def fit(cls, flows: Sequence[NDArray[np.float64]], motions: Sequence[NDArray[np.float64]], lag: int = 0) -> Self:
        """Learn from episodes whose images come `lag` frames late; robust against a minority that is otherwise.

        Args:
            flows: `[T - 1, 6]` per episode; NaN where an image is not to be trusted.
            motions: `[T - 1, 7]` per episode.
            lag: number of frames.
        """
        pairs = [aligned(*pair, lag) for pair in zip(flows, motions, strict=True) if len(pair[0]) > abs(lag)]
        flow, motion = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        known = np.isfinite(flow).all(axis=1)
        flow, motion = flow[known], motion[known]
        ridge = RIDGE * len(flow) * np.eye(MOTION_SIZE)
        trust = np.ones(len(flow))
        weights, rest, precision = np.zeros((MOTION_SIZE, FLOW_SIZE)), flow, np.eye(FLOW_SIZE)
        for _ in range(ROUNDS):
            weighted = motion * trust[:, None]
            weights = np.linalg.solve(weighted.T @ motion + ridge, weighted.T @ flow)
            rest = flow - motion @ weights
            spread = (rest * trust[:, None]).T @ rest / max(len(rest), 1)
            precision = np.linalg.inv(spread + PRECISE * np.eye(FLOW_SIZE))
            trust = (TAIL + FLOW_SIZE) / (TAIL + _distance(rest, precision))
        # Neighbouring residuals are alike: as if only one frame in `ALIKE_FRAMES` counted.
        certain = np.diag(np.linalg.inv((motion * trust[:, None]).T @ motion + ridge))
        variance = np.diag(np.linalg.inv(precision))
        scores = _scores(_distance(rest, precision))
        left, shown = ((trust[:, None] * values[:, CENTRE] ** 2).sum() for values in (rest, flow))
        return cls(
            weights=weights.astype(np.float64),
            precision=precision.astype(np.float64),
            errors=np.sqrt(ALIKE_FRAMES * np.outer(certain, variance)),
            misfit=float(-scores.mean()),
            explained=float(1 - left / shown) if shown else 0.0,
            evidence=float(scores.mean() + np.linalg.slogdet(precision)[1] / 2),
        )

    def gains(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> dict[int, float]:
        """How much better the images of an episode follow the hand at each lag than at lag 0: log-likelihood ratios.

        Each lag is compared with lag 0 on the steps `[T - 1]` of the flow that have a motion at both, so that no lag
        gains by leaving out steps that are hard to explain. Where even the best lag fits worse than what was learnt
        from (a drawer that fills the image and moves with the hand), all ratios shrink by as much (quasi-likelihood).
        """
        in_step = self.scores(flow, motion)
        gains, misfits = {}, {}
        for lag in LAGS:
            shifted = np.full(len(flow), np.nan)
            first, stop = max(lag, 0), min(len(flow), len(flow) + lag)
            if first < stop:
                shifted[first:stop] = self.scores(flow[first:stop], motion[first - lag : stop - lag])
            gains[lag] = float(np.nansum(shifted - in_step))
            known = shifted[np.isfinite(shifted)]
            misfits[lag] = -float(known.mean()) if len(known) else 0.0
        best = max(gains, key=gains.__getitem__)
        dispersion = max(1.0, misfits[best] / max(self.misfit, PRECISE))
        return {lag: gain / dispersion for lag, gain in gains.items()}

    def log_likelihood(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> float:
        """How well the images of an episode follow the hand, up to a constant, at the lag at which they do it best."""
        return float(np.nansum(self.scores(flow, motion))) + max(self.gains(flow, motion).values())

    def scores(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood of each step `[n]` up to a constant; NaN where the flow is."""
        return _scores(_distance(flow - motion @ self.weights, self.precision))


def _scores(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-density of a Student t distribution at squared Mahalanobis lengths, up to a constant."""
    return -(TAIL + FLOW_SIZE) / 2 * np.log1p(distance / TAIL)


def _distance(rest: NDArray[np.floating], precision: NDArray[np.floating]) -> NDArray[np.float64]:
    """Squared Mahalanobis length of every row."""
    return np.einsum("ti,ij,tj->t", rest, precision, rest)
