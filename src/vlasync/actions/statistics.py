"""Actions gathered in one pass, over shards and processes as they come, and the normalisation made from them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.spec import Normalization, NormalizationKind, SyncSpec

Bound = float | tuple[float, ...]

# Kinds whose bounds are declared, with the bounds they have unless told otherwise. +-0.65 is what RoboVLMs clips
# CALVIN's rel_actions to (norm_min and norm_max of its configs); +-1 is what CALVIN itself clips them to.
DECLARED_BOUNDS: dict[str, tuple[Bound, Bound]] = {"bounds": (-0.65, 0.65), "mu_law": (-1.0, 1.0)}
UNCLIPPED_KINDS = ("z_score", "identity")


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a `Normalization` is made from actions.

    Attributes:
        kind: one of `NormalizationKind`; see `Normalizer`.
        percentiles: the two percentiles that bound kind `quantile`.
        bounds: low and high for the kinds `bounds` and `mu_law`, each a number or one per dimension, in the units of
            the actions; None for `DECLARED_BOUNDS`.
        min_span: a dimension whose fitted high - low (standard deviation for `z_score`) is smaller carries no signal,
            and stretching it would only amplify noise: it is declared identity. In the units of the actions.
        gripper_index: this dimension is a command, not a measure, and is always identity; -1 is the last.

    Raises:
        VlasyncError: an unknown kind, percentiles out of order, no minimal span, or bounds for a kind that finds its
            own.
    """

    kind: NormalizationKind = "quantile"
    percentiles: tuple[float, float] = (1.0, 99.0)
    bounds: tuple[Bound, Bound] | None = None
    min_span: float = 0.05
    gripper_index: int = -1

    def __post_init__(self) -> None:
        kinds = get_args(NormalizationKind)
        if self.kind not in kinds:
            raise VlasyncError(f"normalisation is {self.kind!r}; give one of {', '.join(kinds)}")
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise VlasyncError(f"percentiles are {low} and {high}; give 0 <= low < high <= 100")
        if not self.min_span > 0:
            raise VlasyncError(f"min_span is {self.min_span}; give a span above 0, for what is still spans nothing")
        if self.bounds is not None and self.kind not in DECLARED_BOUNDS:
            raise VlasyncError(f"normalisation {self.kind!r} finds its own bounds; leave out bounds={self.bounds}")


class ActionStatistics:
    """Actions gathered in one pass, from which a `Normalization` is made exactly.

    Every value is kept, in the precision it came in. Nothing less is exact: no single pass can select a percentile of
    a stream of unknown length without memory that grows with it (Munro and Paterson, "Selection and sorting with
    limited storage", 1980), because a value far from the tail so far may lie in the tail in the end. The price is
    small: 28 bytes for a frame of 7 float32 numbers, 28 MB for a million frames, whose images take 100 kB each. In
    return no bit of the result depends on how the actions were split or in which order the parts were merged.

    Attributes:
        spec: what the numbers mean; the statistics are bound to its `representation()`.
    """

    def __init__(self, spec: SyncSpec) -> None:
        self.spec = spec
        self._parts: list[NDArray[np.floating[Any]]] = []

    @property
    def count(self) -> int:
        """Number of frames gathered."""
        return sum(map(len, self._parts))

    def add(self, actions: NDArray[Any]) -> None:
        """Gather actions `[..., D]`; D is the same for all arrays.

        Raises:
            DatasetError: another shape, or numbers that are not finite.
        """
        array = np.asarray(actions)
        size = self._parts[0].shape[1] if self._parts else array.shape[-1] if array.ndim > 1 else 0
        if array.ndim < 2 or array.shape[-1] != size:
            raise DatasetError(f"actions: got an array of shape {array.shape}, expected [N, {size or 'D'}]")
        # A copy, because a reader may fill the same buffer again.
        part = np.array(array, array.dtype if array.dtype.kind == "f" else np.float64).reshape(-1, size)
        if not np.isfinite(part).all():
            raise DatasetError("actions: some numbers are NaN or infinite; `vlasync check` names the frames")
        self._parts.append(part)

    def merge(self, other: ActionStatistics) -> ActionStatistics:
        """What one pass over the actions of both would have gathered; no value is copied.

        Raises:
            SpecMismatchError: the other actions mean something else.
            DatasetError: the other actions have another length D.
        """
        require_same(self.spec.representation(), other.spec.representation(), where="ActionStatistics.merge")
        merged = ActionStatistics(self.spec)
        merged._parts = self._parts + other._parts
        if len(sizes := {part.shape[1] for part in merged._parts}) > 1:
            raise DatasetError(f"actions: statistics of {sorted(sizes)} dimensions cannot be merged")
        return merged

    def normalization(self, settings: FitSettings) -> Normalization:
        """The normalisation that `settings` ask for, with the share of these actions that it clips.

        Raises:
            DatasetError: no actions were gathered.
            VlasyncError: `gripper_index` or `bounds` do not fit the actions.
        """
        if not self.count:
            raise DatasetError("actions: there are none to fit a normalisation on")
        size = self._parts[0].shape[1]
        if not -size <= settings.gripper_index < size:
            raise VlasyncError(f"gripper_index is {settings.gripper_index}; actions have {size} dimensions")
        identity = {settings.gripper_index % size}
        if settings.kind in DECLARED_BOUNDS:
            low, high = _declared(settings.bounds or DECLARED_BOUNDS[settings.kind], size)
        else:
            low, high = np.transpose([_low_high(self._column(index), settings) for index in range(size)])
            span = high if settings.kind == "z_score" else high - low
            identity.update(np.flatnonzero(span < settings.min_span).tolist())
        normalization = Normalization(
            kind=settings.kind,
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            identity=tuple(sorted(identity)),
            fitted_on=self.spec.representation(),
            count=self.count,
        )
        return dataclasses.replace(normalization, clipped_share=self._clipped_share(normalization))

    def _column(self, index: int) -> NDArray[np.float64]:
        """All values of a dimension in ascending order, so that no sum over them depends on the order of the parts."""
        return np.sort(np.concatenate([part[:, index] for part in self._parts]).astype(np.float64))

    def _clipped_share(self, normalization: Normalization) -> tuple[float, ...]:
        low, high = clip_bounds(normalization)
        outside = [((part < low.astype(part.dtype)) | (part > high.astype(part.dtype))).sum(0) for part in self._parts]
        return tuple((np.sum(outside, axis=0) / self.count).tolist())


def clip_bounds(normalization: Normalization) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The bounds `[D]` that `Normalizer.encode` clips to, in units of the actions; infinite where it does not clip."""
    low, high = np.array(normalization.low), np.array(normalization.high)
    free = slice(None) if normalization.kind in UNCLIPPED_KINDS else list(normalization.identity)
    low[free], high[free] = -np.inf, np.inf
    return low, high


def require_same(ours: str, theirs: str, *, where: str) -> None:
    """Raise `SpecMismatchError` at the hand-over `where` if two `SyncSpec.representation()` differ."""
    if ours != theirs:
        raise SpecMismatchError(
            f"{where}: the normalisation was fitted on other actions; fit it again\n"
            f"  fitted on: {ours}\n  actions:   {theirs}"
        )


def _declared(bounds: tuple[Bound, Bound], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Declared bounds as `[D]` each."""
    low, high = (np.array(bound, np.float64) for bound in bounds)
    if not {low.shape, high.shape} <= {(), (size,)} or not (low < high).all():
        raise VlasyncError(f"normalisation: bounds are {bounds}; give low < high, each one number or {size}")
    return np.full(size, low), np.full(size, high)


def _low_high(column: NDArray[np.float64], settings: FitSettings) -> tuple[float, float]:
    """`low` and `high` of one dimension from its values in ascending order."""
    match settings.kind:
        case "quantile":
            low, high = np.percentile(column, settings.percentiles)
            return float(low), float(high)
        case "min_max":
            return float(column[0]), float(column[-1])
        case "z_score":
            return float(column.mean()), float(column.std())
        case _:
            return -1.0, 1.0
