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
"""Degrees of freedom of the Student t distribution of news: contacts, occlusions and objects that fall make some frames
move otherwise than the hand does, and no single frame may decide."""

RIDGE = 3e-3
"""Ridge of the regression, per frame, in squared units of the hand's motion."""

ROUNDS = 4
"""Rounds of reweighting; weights and memory settle after three."""

FEWEST_COMPARED = 6
"""Steps at which a lag must be comparable to be preferred: a gap in an episode of a dozen frames leaves fewer."""

MOST_MEMORY = 0.95
"""Largest `memory` of a model; clean recordings have 0.6 to 0.7."""

PRECISE = 1e-9
"""Smallest variance of news, in squared cells: images that follow exactly must not divide by zero."""


@dataclass(frozen=True, kw_only=True)
class FlowModel:
    """Affine flow as a linear function of the hand's motion: `flow[t] = motion[t - lag] @ weights + rest[t]`.

    What is left over is alike from frame to frame: a drawer that the hand drags along stays in the image. So it is
    autoregressive, `rest[t] = memory * rest[t - 1] + news[t]`, and what counts is its news, with a Student t
    distribution: errors that change slowly cancel, and their frames do not all count as evidence of their own.

    Attributes:
        weights: `[7, 6]` cells per unit of `hand_motion`.
        memory: share of the rest that is there again in the next frame, 0 to `MOST_MEMORY`.
        precision: `[6, 6]` inverse of the covariance of news.
        errors: `[7, 6]` standard errors of the weights.
        lag: frames by which the images that it was learnt from come late.
        explained: share of the motion at the centre of the image that follows from the hand's, 0..1.
        evidence: log-likelihood per frame of what it was learnt from, up to a constant.
    """

    weights: NDArray[np.float64]
    memory: float
    precision: NDArray[np.float64]
    errors: NDArray[np.float64]
    lag: int
    explained: float
    evidence: float

    @classmethod
    def fit(cls, flows: Sequence[NDArray[np.float64]], motions: Sequence[NDArray[np.float64]], lag: int = 0) -> Self:
        """Learn from episodes whose images come `lag` frames late; robust against a minority that is otherwise.

        Args:
            flows: `[T - 1, 6]` per episode; NaN where an image is not to be trusted.
            motions: `[T - 1, 7]` per episode; NaN where it is not known.
            lag: number of frames.
        """
        pairs = [aligned(*pair, lag) for pair in zip(flows, motions, strict=True) if len(pair[0]) > abs(lag)]
        gap = np.full((1, FLOW_SIZE), np.nan)  # so that no episode reaches into the next
        flow = np.concatenate([part for flow, _ in pairs for part in (flow, gap)])
        motion = np.concatenate([part for _, motion in pairs for part in (motion, motion[-1:])])
        known = np.isfinite(flow).all(axis=1) & np.isfinite(motion).all(axis=1)
        seen = flow[known]
        weights, certain, trust = _regression(seen, motion[known])
        rest = flow - motion @ weights
        memory = _memory(rest, trust)
        news = _news(rest, memory)[0][known]
        precision = _settled(news, trust)
        left, shown = (trust @ values**2 for values in (rest[known], seen))
        # A sum over autoregressive rest varies as if only one frame in (1 + memory) / (1 - memory) counted.
        alike = (1 + memory) / (1 - memory)
        return cls(
            weights=weights,
            memory=memory,
            precision=precision,
            errors=np.sqrt(alike * np.outer(certain, left / max(len(seen), 1))),
            lag=lag,
            explained=float(1 - left[[*CENTRE]].sum() / max(shown[[*CENTRE]].sum(), PRECISE)),
            evidence=float(_scores(news, precision).mean() + np.linalg.slogdet(precision)[1] / 2),
        )

    def gains(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> dict[int, float]:
        """How much better the images of an episode follow the hand at each lag than at the model's: log-likelihoods.

        Each lag is compared on the steps `[T - 1]` of the flow that have a motion at both, so that no lag gains by
        leaving out steps that are hard to explain; and no lag is preferred for what fewer than `FEWEST_COMPARED` say.
        """
        scores = self._scores_by_lag(flow, motion)
        differences = scores - scores[LAGS.index(self.lag)]
        gains = np.nansum(differences, axis=1)
        few = np.isfinite(differences).sum(axis=1) < FEWEST_COMPARED
        return dict(zip(LAGS, np.where(few, np.minimum(gains, 0.0), gains).tolist(), strict=True))

    def log_likelihood(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> float:
        """How well the images of an episode follow the hand, up to a constant, at the lag at which they do it best."""
        scores = self._scores_by_lag(flow, motion)
        usual = scores[LAGS.index(self.lag)]
        return float(np.nansum(usual) + np.nansum(scores - usual, axis=1).max())

    def _scores_by_lag(self, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood of each step at each of `LAGS`, `[11, T - 1]`; NaN where flow or motion are unknown.

        Also NaN where the step before is known at a lag and not at the model's, or the other way round: judged by its
        whole rest at one lag and by its news at the other, the same step would not be held to the same.
        """
        expected = motion @ self.weights
        rest = np.full((len(LAGS), *flow.shape), np.nan)
        for left, lag in zip(rest, LAGS, strict=True):
            first, stop = max(lag, 0), min(len(flow), len(flow) + lag)
            if first < stop:
                left[first:stop] = flow[first:stop] - expected[first - lag : stop - lag]
        news, alone = _news(rest, self.memory)
        scores = _scores(news, self.precision)
        scores[alone != alone[LAGS.index(self.lag)]] = np.nan
        return scores


def _regression(
    flow: NDArray[np.float64], motion: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Weights `[7, 6]`, their variances `[7]` in units of that of the rest, and the trust in each of the rows `[N]`."""
    ridge = RIDGE * len(flow) * np.eye(MOTION_SIZE)
    trust = np.ones(len(flow))
    weights, curvature = np.zeros((MOTION_SIZE, FLOW_SIZE)), ridge
    for _ in range(ROUNDS):
        weighted = motion * trust[:, None]
        curvature = weighted.T @ motion + ridge
        weights = np.linalg.solve(curvature, weighted.T @ flow)
        rest = flow - motion @ weights
        trust = _trust(rest, _precision(rest, trust))
    certain = np.diag(np.linalg.inv(curvature))
    return weights.astype(np.float64), certain.astype(np.float64), trust


def _settled(news: NDArray[np.float64], trust: NDArray[np.float64]) -> NDArray[np.float64]:
    """The precision `[6, 6]` of news `[N, 6]` under the trust that it calls for itself."""
    for _ in range(ROUNDS - 1):
        trust = _trust(news, _precision(news, trust))
    return _precision(news, trust)


def _precision(rows: NDArray[np.float64], trust: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse covariance `[6, 6]` of rows `[N, 6]` about zero, each counted as far as it is trusted."""
    spread = (rows * trust[:, None]).T @ rows / max(len(rows), 1) + PRECISE * np.eye(FLOW_SIZE)
    return np.linalg.inv(spread).astype(np.float64)


def _trust(rows: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each of `[N, 6]` rows is trusted: its weight in the likelihood of a Student t distribution."""
    return (TAIL + FLOW_SIZE) / (TAIL + _distance(rows, precision))


def _memory(rest: NDArray[np.float64], trust: NDArray[np.float64]) -> float:
    """The share of rest `[N, 6]` that is there again in the next row, over all numbers in units of their own.

    Rows of NaN stand between episodes; `trust` is that in all others.
    """
    known = np.isfinite(rest[:, 0])
    sound = np.zeros(len(rest))
    sound[known] = trust
    scaled = rest / np.sqrt(trust @ rest[known] ** 2 / trust.sum() + PRECISE)
    pairs = known[:-1] & known[1:]
    before, after = scaled[:-1][pairs], scaled[1:][pairs]
    weighted = before * (sound[:-1] * sound[1:])[pairs, None]
    return float(np.clip((weighted * after).sum() / max((weighted * before).sum(), PRECISE), 0.0, MOST_MEMORY))


def _news(rest: NDArray[np.float64], memory: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What residuals `[..., T, 6]` have beyond the one before, scaled to vary as news does where that is unknown.

    And where it is unknown, `[..., T]`.
    """
    alone = np.ones(rest.shape[:-1], dtype=bool)
    np.isnan(rest[..., :-1, 0], out=alone[..., 1:])
    news = rest.copy()
    news[..., 1:, :] -= memory * rest[..., :-1, :]
    return np.where(alone[..., None], np.sqrt(1 - memory**2) * rest, news), alone


def _scores(news: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-density of the Student t distribution, up to a constant: `[...]` from `[..., 6]`."""
    return -(TAIL + FLOW_SIZE) / 2 * np.log1p(_distance(news, precision) / TAIL)


def _distance(news: NDArray[np.float64], precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Mahalanobis length of every row: `[...]` from `[..., 6]`."""
    return ((news @ precision) * news).sum(axis=-1)
