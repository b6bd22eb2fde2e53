"""How well recorded numbers follow the expected ones, and under which scale: quantiles that broken frames cannot move.

Frames are weighted by motion. As long as a good part of the motion follows, what is left there is rounding, whatever
the other frames hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.rotations import IN_RADIANS
from vlasync.checks.actions.conventions import step, units
from vlasync.spec import SyncSpec

TOLERANCE_M = 2e-6
"""Largest difference of positions that counts as rounding; a metre in float32 is good to 6e-8 m."""

TOLERANCE_RAD = 5e-6
"""Largest difference of angles that counts as rounding; half a turn in float32 is good to 2.4e-7 rad."""

NOISE_M = 5e-4
"""Difference of positions that a noisy recording may have in every frame."""

NOISE_RAD = 2e-3
"""Difference of angles that a noisy recording may have in every frame (0.1 degree)."""

EXACT_SHARE = 0.4
"""Share of the motion that must fit to rounding before an explanation counts as exact: clipping, before the actions
were converted, may have distorted half of the frames, while under a wrong explanation hardly any fits."""

SAME_SHARE = 0.01
"""Exact explanations whose shares differ by less are equally good: a hundredth is less than one frame of most episodes,
and no wrong explanation fits a frame to rounding by chance."""

CLEARLY_BETTER = 3.0
"""Where nothing is exact, an explanation is dropped for one that leaves a residual smaller by this factor."""

SAME_SCALE = 0.01
"""A factor this close to 1 is no other scale."""

SMALLEST_FACTOR = 1e-6
"""A factor below this means that the recorded numbers do not follow the motion at all."""

SAME_SIZE = 0.2
"""Where nothing is exact, factors of single numbers count only if they differ from one another by signs, or by less
than this share: anything else would fit noise."""

SCALINGS = ("declared", "common", "each")
"""How the scale of three numbers may differ: not at all, all by one factor, each by its own."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How well positions, or rotations, are explained under one kind of scaling.

    Attributes:
        scaling: one of `SCALINGS`.
        factors: `[m]` recorded numbers are these times the expected ones.
        share: share of the motion that fits to rounding; 1 where nothing moved.
        residual: of the median frame, relative to the motion and the noise that is allowed.
        moved: there was motion enough to tell.
    """

    scaling: str
    factors: NDArray[np.float64]
    share: float
    residual: float
    moved: bool

    @property
    def plausible(self) -> bool:
        """The factors are those of a unit or of signs, not of noise."""
        size = np.abs(self.factors)
        return bool(size.max() - size.min() <= SAME_SIZE * size.max())


class ScaleSearch:
    """The search for the scale of positions or of rotations, at one lag of one convention.

    Args:
        actions: `[N, n]` recorded; NaN where cut off.
        numbers: `[N, n]` expected.
        signal: `[N, n]` how much of a number is motion; 0 where cut off.
        spec: the convention.
        group: which numbers.
    """

    def __init__(
        self,
        actions: NDArray[np.float64],
        numbers: NDArray[np.float64],
        signal: NDArray[np.float64],
        spec: SyncSpec,
        group: slice,
    ) -> None:
        self._actions, self._numbers, self._spec, self._group = actions, numbers, spec, group
        unit = units(spec, actions.shape[1])[group]
        self._rounding = rounding(spec, actions.shape[1])[group]
        noise = (NOISE_RAD if group.start else NOISE_M) / unit
        self._signal = signal[:, group]
        self._known = np.isfinite(actions[:, group])
        self._weights = motion_weights(self._signal, self._rounding)
        self._frame_weights = self._weights.sum(axis=1)
        self._moved = bool((self._signal > self._rounding).sum() > 2)
        motion = weighted_median(self._signal, self._weights)
        self._size = float(np.sqrt((motion**2 + noise**2).sum()))

    def simplest(self) -> Fit:
        """The first kind of scaling that leaves hardly more than the best."""
        width = self._signal.shape[1]
        declared = self._fit("declared", np.ones(width))
        scalable = not self._group.start or self._spec.rotation in IN_RADIANS
        if declared.share > 1 - SAME_SHARE or not scalable:
            return declared
        options = [declared]
        for scaling, factors in self._factors().items():
            if np.abs(factors - 1).max() > SAME_SCALE:
                options.append(self._fit(scaling, factors))
        share = max(option.share for option in options)
        if share >= EXACT_SHARE:
            return next(option for option in options if option.share >= share - SAME_SHARE)
        smallest = min(option.residual for option in options)
        return next(option for option in options if option.residual <= CLEARLY_BETTER * smallest)

    def _factors(self) -> dict[str, NDArray[np.float64]]:
        """Factors of all numbers in common, and of each: medians of their ratios to the expected ones."""
        numbers = self._numbers[:, self._group]
        weights = np.where(self._signal > self._rounding, self._weights, 0.0)
        recorded = np.where(self._known, self._actions[:, self._group], 0.0)
        ratio = recorded / np.where(numbers == 0, np.inf, numbers)
        each = weighted_median(ratio, weights)
        common = float(weighted_median(ratio.reshape(-1, 1), weights.reshape(-1, 1))[0])
        common = common if abs(common) > SMALLEST_FACTOR else 1.0
        return {
            "common": np.full(len(each), common),
            "each": np.where(np.abs(each) > SMALLEST_FACTOR, each, common),
        }

    def _fit(self, scaling: str, factors: NDArray[np.float64]) -> Fit:
        scale = np.ones(self._actions.shape[1])
        scale[self._group] = factors
        difference = np.abs(step(self._actions / scale, self._numbers, self._spec))[:, self._group]
        difference = np.where(self._known, difference, 0.0)
        fits = (difference <= self._rounding).all(axis=1)
        weight = self._frame_weights.sum()
        left = weighted_median(difference, self._weights + self._rounding)
        return Fit(
            scaling=scaling,
            factors=factors,
            share=float(self._frame_weights[fits].sum() / weight) if self._moved else 1.0,
            residual=float(np.sqrt((left**2).sum())) / self._size,
            moved=self._moved,
        )


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the first axis, the value at or below which half of the weight lies; 0 where there is no weight."""
    order = np.argsort(values, axis=0)
    below = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (below < below[-1:] / 2).sum(axis=0, keepdims=True).clip(max=len(values) - 1)
    found = np.take_along_axis(np.take_along_axis(values, order, axis=0), place, axis=0)[0]
    return np.where(below[-1] > 0, found, 0.0)


def motion_weights(signal: NDArray[np.float64], rounding: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of frames, per number: motion, but no more than that of the median frame that moves.

    A fast stretch, which clipping may have distorted, or a broken frame must not outweigh all the others.
    """
    middle = (signal > rounding).sum(axis=0) // 2
    falling = -np.sort(-signal, axis=0)
    return np.minimum(signal, falling[middle, np.arange(signal.shape[1])])


def rounding(spec: SyncSpec, size: int) -> NDArray[np.float64]:
    """`[size]` largest difference of each number of an action that counts as rounding, in its unit."""
    return np.array([TOLERANCE_M] * 3 + [TOLERANCE_RAD] * (size - 3)) / units(spec, size)
