"""Do the normalisation statistics that a policy uses describe these actions?"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import convert
from vlasync.checks.findings import Curves, Detector, Findings, Problem
from vlasync.spec import Normalization, SyncSpec
from vlasync.types import Episode

BINS_PER_UNIT = 100
"""Bins of the histogram of normalised numbers per unit: bounds are compared to a hundredth of their span."""

REACH = 8
"""Largest normalised number that the histogram tells apart."""

SPAN_RATIO = 1.6
"""The data's span and that of the statistics may differ by this factor, in the median dimension: half of an episode set
has spans within 1.3 of the whole's."""

SMALLEST_SHARE = 0.3
"""Share of the frames that the statistics were fitted on below which the data's own span says nothing."""

FEWEST_FRAMES = 200
"""Frames below which a span says nothing, whatever the statistics were fitted on."""

ADVICE = "fit the normalisation again on these actions, in the representation that the policy is trained in"


class StatisticsCheck(Detector):
    """Detector of `statistics-mismatch`.

    Two things are compared: the representation under which the statistics were fitted with the one that their SyncSpec
    declares, and the span of the actions, converted to that representation, with the span of the statistics.

    Args:
        spec: of a policy; carries `normalization`.
    """

    def __init__(self, spec: SyncSpec) -> None:
        super().__init__()
        if spec.normalization is None:
            raise ValueError("StatisticsCheck: the SyncSpec carries no normalisation")
        self._spec = spec
        self._statistics: Normalization = spec.normalization
        self._same_meaning = self._statistics.fitted_on == spec.representation()
        self._histogram = np.zeros((spec.action_size, 2 * REACH * BINS_PER_UNIT), np.int64)

    def look(self, episode: Episode) -> None:
        """Take one episode's actions into account."""
        if not self._same_meaning or episode.actions.shape[1] != episode.spec.action_size:
            return
        actions = convert(episode.actions, episode.state, episode.spec, self._spec)
        centre, half = _centre_and_half(self._statistics)
        places = np.floor((actions - centre) / half * BINS_PER_UNIT).astype(np.int64) + REACH * BINS_PER_UNIT
        for dimension, place in enumerate(places.clip(0, self._histogram.shape[1] - 1).T):
            self._histogram[dimension] += np.bincount(place, minlength=self._histogram.shape[1])

    def merge(self, later: Self) -> None:
        """Take in what another detector gathered on the episodes after these."""
        super().merge(later)
        self._histogram += later._histogram

    def problems(self) -> list[Problem]:
        """One problem at most: the statistics are judged on all actions together."""
        findings = Findings()
        if not self._same_meaning:
            findings.add(
                "statistics-mismatch",
                "the policy's SyncSpec",
                f"the normalisation was fitted on actions that mean something else: {self._contradiction()}",
                ADVICE,
            )
        elif self._can_tell and not 1 / SPAN_RATIO < (ratio := self._span_ratio()) < SPAN_RATIO:
            findings.add(
                "statistics-mismatch",
                "all actions together",
                f"the actions span {ratio:.2g} times what the normalisation was fitted on, in the median dimension",
                ADVICE,
                confidence=0.9,
                evidence=self._evidence(),
            )
        return findings.problems()

    def inferred(self) -> dict[str, Any]:
        """How the span of the actions compares with that of the statistics."""
        return {"statistics_span_ratio": self._span_ratio()} if self._same_meaning and self._can_tell else {}

    @property
    def _can_tell(self) -> bool:
        frames = int(self._histogram[0].sum())
        fitted = self._statistics.kind in ("quantile", "min_max", "z_score") and self._dimensions().size > 0
        return fitted and frames >= max(FEWEST_FRAMES, SMALLEST_SHARE * self._statistics.count)

    def _dimensions(self) -> NDArray[np.int64]:
        """The dimensions that the statistics scale."""
        return np.setdiff1d(np.arange(self._spec.action_size), self._statistics.identity)

    def _span_ratio(self) -> float:
        """The data's own span by that of the statistics, in the median of the dimensions that are scaled."""
        values = (np.arange(self._histogram.shape[1]) + 0.5) / BINS_PER_UNIT - REACH
        ratios = []
        for counts in self._histogram[self._dimensions()]:
            share = np.cumsum(counts) / counts.sum()
            if self._statistics.kind == "z_score":
                mean = np.average(values, weights=counts)
                ratios.append(float(np.sqrt(np.average((values - mean) ** 2, weights=counts))))
            else:
                tail = 0.01 if self._statistics.kind == "quantile" else 0.0
                low, high = np.argmax(share > tail), np.argmax(share >= 1 - tail)
                ratios.append(float(values[high] - values[low]) / 2)
        return float(np.median(ratios))

    def _contradiction(self) -> str:
        """The fields in which the fitted and the declared representation differ."""
        ours = dict(item.split("=", 1) for item in self._spec.representation().split(" "))
        theirs = dict(item.split("=", 1) for item in self._statistics.fitted_on.split(" ") if "=" in item)
        names = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
        return ", ".join(f"{name} {theirs.get(name, 'unknown')} instead of {ours.get(name, 'none')}" for name in names)

    def _evidence(self) -> Curves:
        """Histogram of the normalised numbers of the first dimension that is scaled, in tenths."""
        dimension = int(self._dimensions()[0])
        counts = self._histogram[dimension].reshape(-1, BINS_PER_UNIT // 10).sum(axis=1)
        edges = np.arange(len(counts)) / 10 - REACH
        shown = np.abs(edges) <= 3
        return Curves(
            title=f"Dimension {dimension} of the actions after normalisation",
            x_label="normalised number",
            y_label="frames",
            x=edges[shown].round(1).tolist(),
            series={"frames": counts[shown].tolist()},
        )


def _centre_and_half(statistics: Normalization) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What normalised numbers are measured from and in `[D]`; dimensions left as they are keep their numbers."""
    low, high = np.array(statistics.low), np.array(statistics.high)
    centre, half = (low, high.copy()) if statistics.kind == "z_score" else ((low + high) / 2, (high - low) / 2)
    unscaled = list(range(len(low))) if statistics.kind == "identity" else list(statistics.identity)
    centre[unscaled], half[unscaled] = 0.0, 1.0
    return centre, half
