"""Which convention, lag and scale explain recorded actions: a search that some broken frames cannot mislead.

Everything rests on quantiles over the frames of an episode, weighted by motion: as long as a good part of the motion
follows a convention, its residual is what rounding leaves, whatever the other frames hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.rotations import IN_RADIANS
from vlasync.checks.alignment import LAGS, aligned
from vlasync.checks.conventions import Expectation, divergence, step, units
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

EXPLAINED = 0.2
"""Where nothing is exact, an explanation counts if the median frame's residual is below this share of the motion."""

CLEARLY_BETTER = 3.0
"""Where nothing is exact, an explanation is dropped for one that leaves a residual smaller by this factor."""

SAME_SCALE = 0.01
"""A factor this close to 1 is no other scale."""

SMALLEST_FACTOR = 1e-6
"""A factor below this means that the recorded numbers do not follow the motion at all."""

MAX_FRAMES = 600
"""Frames of an episode that the search looks at, spread evenly: plenty for a median."""

NORMALIZED_BOUND = 1.0
"""Bound that normalised actions are usually clipped to."""

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


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A convention, lag and scale, and how well they explain an episode's actions.

    Attributes:
        spec: the convention, with the declared scales.
        lag: i such that `action[t + i]` is the change from t to t + 1.
        position: fit of the translations.
        rotation: fit of the rotations.
    """

    spec: SyncSpec
    lag: int
    position: Fit
    rotation: Fit

    @property
    def share(self) -> float:
        """Share of the motion that fits to rounding, of position or rotation, whichever fits less."""
        return min(self.position.share, self.rotation.share)

    @property
    def residual(self) -> float:
        """Residual of position or rotation, whichever is larger."""
        return max(self.position.residual, self.rotation.residual)

    @property
    def exact(self) -> bool:
        """The numbers themselves show it, beyond any noise."""
        return self.share >= EXACT_SHARE

    def cost(self, declared: SyncSpec) -> int:
        """How far this is from the declaration: its parts, counted."""
        scaling = sum(SCALINGS.index(fit.scaling) for fit in (self.position, self.rotation))
        return len(divergence(declared, self.spec)) + (self.lag != declared.action_index) + scaling


def explanations(
    actions: NDArray[np.float64], expected: Sequence[Expectation], declared: SyncSpec
) -> list[Explanation]:
    """Every convention at the declared lag, and the first at every lag; if none is exact, every one at every lag.

    Args:
        actions: `[T, n]` recorded, gripper left out.
        expected: what they would be under each convention, the declared one first.
        declared: the declared convention.
    """
    usable = np.where(saturated(actions, declared.action_clip), np.nan, actions)
    known = [lag for lag in {*LAGS, declared.action_index} if abs(lag) < len(actions) // 2]
    lags = sorted(known, key=lambda lag: abs(lag - declared.action_index))
    found = [_explain(usable, one, lag) for one, lag in itertools.product(expected[:1], lags)]
    found += [_explain(usable, one, lag) for one, lag in itertools.product(expected[1:], lags[:1])]
    if not any(one.exact for one in found):
        found += [_explain(usable, one, lag) for one, lag in itertools.product(expected[1:], lags[1:])]
    return found


def best(found: Sequence[Explanation], declared: SyncSpec) -> list[Explanation]:
    """The explanations that are as good as the best, nearest to the declaration first; none where none is good."""
    exact = [one for one in found if one.exact]
    if exact:
        top = max(one.share for one in exact)
        good = [one for one in exact if one.share >= top - SAME_SHARE]
        return sorted(good, key=lambda one: (one.cost(declared), -one.share))
    good = [one for one in found if one.residual < EXPLAINED and one.position.plausible and one.rotation.plausible]
    bound = CLEARLY_BETTER * min((one.residual for one in good), default=0.0)
    return sorted((one for one in good if one.residual <= bound), key=lambda one: (one.cost(declared), one.residual))


def saturated(actions: NDArray[np.float64], clip: float | None) -> NDArray[np.bool_]:
    """Which numbers `[T, n]` were cut off, so that their size says nothing.

    Those at the declared bound, where none lies beyond it; and those at the largest number of all, of positions or of
    rotations, where that occurs more than once: measured motion does not repeat its peak exactly.
    """
    size = np.abs(actions)
    cut = np.zeros(actions.shape, np.bool_)
    for group in (slice(None), slice(3), slice(3, None)):
        top = np.nanmax(size[:, group], initial=0.0)
        at_top = np.isclose(size[:, group], top, rtol=1e-6, atol=0.0)
        bounded = clip is not None and np.isclose(top, clip, rtol=1e-6)
        if top > 0 and (bounded or at_top.sum() > 1):
            cut[:, group] |= at_top
    return cut


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along the first axis, the value at or below which half of the weight lies; 0 where there is no weight."""
    order = np.argsort(values, axis=0)
    below = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    place = (below < below[-1:] / 2).sum(axis=0, keepdims=True).clip(max=len(values) - 1)
    found = np.take_along_axis(np.take_along_axis(values, order, axis=0), place, axis=0)[0]
    return np.where(below[-1] > 0, found, 0.0)


def _explain(usable: NDArray[np.float64], expectation: Expectation, lag: int) -> Explanation:
    """One convention at one lag, with the smallest change of scale that explains nearly as much as any."""
    actions, numbers = aligned(usable, expectation.numbers, lag)
    _, signal = aligned(usable, expectation.signal, lag)
    if len(actions) > MAX_FRAMES:
        chosen = np.linspace(0, len(actions) - 1, MAX_FRAMES).astype(int)
        actions, numbers, signal = actions[chosen], numbers[chosen], signal[chosen]
    signal = np.where(np.isfinite(actions), signal, 0.0)
    position, rotation = (
        _Scaling(actions, numbers, signal, expectation.spec, group).simplest()
        for group in (slice(3), slice(3, actions.shape[1]))
    )
    return Explanation(spec=expectation.spec, lag=lag, position=position, rotation=rotation)


class _Scaling:
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
        self._rounding = _rounding(actions.shape[1])[group] / unit
        noise = (NOISE_RAD if group.start else NOISE_M) / unit
        self._signal = signal[:, group]
        self._known = np.isfinite(actions[:, group])
        self._weights = _capped(self._signal, self._rounding)
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


def affine_share(actions: NDArray[np.float64], expectation: Expectation, lag: int) -> float:
    """Share of the motion whose actions are a gain times the expected ones plus an offset, to rounding.

    That is what a normalisation makes of actions. Gain and offset of each number are medians over the steps from frame
    to frame, where an offset cancels; numbers that were cut off are left out.

    Args:
        actions: `[T, n]` recorded, gripper left out.
        expectation: what they would be under a convention.
        lag: `action[t + lag]` belongs to the change from t to t + 1.
    """
    usable = np.where(saturated(actions, NORMALIZED_BOUND), np.nan, actions)
    recorded, numbers = aligned(usable, expectation.numbers, lag)
    rise, run = np.diff(recorded, axis=0), np.diff(numbers, axis=0)
    known = np.isfinite(rise) & (run != 0)
    gain = weighted_median(np.where(known, rise, 0.0) / np.where(known, run, 1.0), np.where(known, np.abs(run), 0.0))
    seen = np.isfinite(recorded)
    shift = np.where(seen, recorded - gain * numbers, 0.0)
    offset = weighted_median(shift, seen.astype(float))
    size = actions.shape[1]
    rounding = _rounding(size) / units(expectation.spec, size)
    fits = ~seen | (np.abs(shift - offset) <= rounding * np.maximum(np.abs(gain), 1.0))
    signal = np.where(seen, aligned(usable, expectation.signal, lag)[1], 0.0)
    weights = _capped(signal, rounding)
    shares = []
    for group in (slice(3), slice(3, size)):
        each = weights[:, group].sum(axis=1)
        shares.append(float(each[fits[:, group].all(axis=1)].sum() / max(each.sum(), 1e-300)))
    return min(shares)


def _capped(signal: NDArray[np.float64], rounding: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of frames, per number: motion, but no more than that of the median frame that moves.

    A fast stretch, which clipping may have distorted, or a broken frame must not outweigh all the others.
    """
    middle = (signal > rounding).sum(axis=0) // 2
    falling = -np.sort(-signal, axis=0)
    return np.minimum(signal, falling[middle, np.arange(signal.shape[1])])


def _rounding(size: int) -> NDArray[np.float64]:
    """`[size]` largest difference that counts as rounding, in metres and radians."""
    return np.array([TOLERANCE_M] * 3 + [TOLERANCE_RAD] * (size - 3))
