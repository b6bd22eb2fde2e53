"""Which convention, lag and scale explain recorded actions: a search that some broken frames cannot mislead."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.actions.conventions import Expectation, divergence
from vlasync.checks.actions.scaling import (
    CLEARLY_BETTER,
    EXACT_SHARE,
    SAME_SHARE,
    SCALINGS,
    Fit,
    ScaleSearch,
    motion_weights,
    rounding,
    weighted_median,
)
from vlasync.checks.alignment import LAGS, aligned
from vlasync.spec import SyncSpec

EXPLAINED = 0.2
"""Where nothing is exact, an explanation counts if the median frame's residual is below this share of the motion."""

MAX_FRAMES = 600
"""Frames of an episode that the search looks at, spread evenly: plenty for a median."""

SAME_NUMBER = 1e-6
"""Relative difference below which two numbers are one, rounded to float32."""

NORMALIZED_BOUND = 1.0
"""Bound that normalised actions are usually clipped to."""


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
        at_top = size[:, group] >= top * (1 - SAME_NUMBER)
        bounded = clip is not None and abs(top - clip) <= SAME_NUMBER * clip
        if top > 0 and (bounded or at_top.sum() > 1):
            cut[:, group] |= at_top
    return cut


def _explain(usable: NDArray[np.float64], expectation: Expectation, lag: int) -> Explanation:
    """One convention at one lag, with the smallest change of scale that explains nearly as much as any."""
    actions, numbers = aligned(usable, expectation.numbers, lag)
    _, signal = aligned(usable, expectation.signal, lag)
    if len(actions) > MAX_FRAMES:
        chosen = np.linspace(0, len(actions) - 1, MAX_FRAMES).astype(int)
        actions, numbers, signal = actions[chosen], numbers[chosen], signal[chosen]
    signal = np.where(np.isfinite(actions), signal, 0.0)
    position, rotation = (
        ScaleSearch(actions, numbers, signal, expectation.spec, group).simplest()
        for group in (slice(3), slice(3, actions.shape[1]))
    )
    return Explanation(spec=expectation.spec, lag=lag, position=position, rotation=rotation)


def affine_share(actions: NDArray[np.float64], expectation: Expectation, lag: int) -> float:
    """Share of the motion whose actions are a gain times the expected ones plus an offset, to rounding.

    That is what a normalisation makes of actions. Gain and offset of each number are medians over the steps from frame
    to frame, where an offset cancels. Numbers that the bound of normalised actions cut off are left out. Those that the
    declared bound may have cut off, before they were normalised, tell neither gain nor offset and count as unexplained.

    Args:
        actions: `[T, n]` recorded, gripper left out.
        expectation: what they would be under a convention.
        lag: `action[t + lag]` belongs to the change from t to t + 1.
    """
    usable = np.where(saturated(actions, NORMALIZED_BOUND), np.nan, actions)
    recorded, numbers = aligned(usable, expectation.numbers, lag)
    signal = np.where(np.isfinite(recorded), aligned(usable, expectation.signal, lag)[1], 0.0)
    clip = expectation.spec.action_clip
    seen = np.isfinite(recorded) & (np.abs(numbers) < (np.inf if clip is None else clip))
    rise, run = np.diff(np.where(seen, recorded, np.nan), axis=0), np.diff(numbers, axis=0)
    known = np.isfinite(rise) & (run != 0)
    gain = weighted_median(np.where(known, rise, 0.0) / np.where(known, run, 1.0), np.where(known, np.abs(run), 0.0))
    shift = np.where(seen, recorded - gain * numbers, 0.0)
    offset = weighted_median(shift, seen.astype(float))
    size = actions.shape[1]
    least = rounding(expectation.spec, size)
    fits = (signal == 0) | seen & (np.abs(shift - offset) <= least * np.maximum(np.abs(gain), 1.0))
    weights = motion_weights(signal, least)
    shares = []
    for group in (slice(3), slice(3, size)):
        each = weights[:, group].sum(axis=1)
        shares.append(float(each[fits[:, group].all(axis=1)].sum() / max(each.sum(), 1e-300)))
    return min(shares)
