"""The map between recorded actions and the numbers a model sees, fitted on the data and saved with the SyncSpec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.spec import Normalization, NormalizationKind, SyncSpec

Array = TypeVar("Array", NDArray[Any], torch.Tensor)


class Normalizer:
    """Encodes actions for a model and decodes what it predicts.

    With centre c and half-width h of a dimension, `encode(a) = (a - c) / h` and `decode(z) = c + h z`. For the bounded
    kinds c and h are the middle and half the span of `low..high`, and `encode` clips to [-1, 1]; `decode` is its exact
    inverse inside the bounds and linear outside. For `z_score` c and h are mean and standard deviation, without
    clipping. Dimensions in `identity` pass unchanged.
    """

    def __init__(self, normalization: Normalization) -> None:
        self.normalization = normalization
        low, high = np.array(normalization.low), np.array(normalization.high)
        bounded = normalization.kind != "z_score"
        self._centre, self._half = ((low + high) / 2, (high - low) / 2) if bounded else (low, high)
        self._bound = np.full(len(low), 1.0 if bounded else np.inf)
        unchanged = list(range(len(low))) if normalization.kind == "identity" else list(normalization.identity)
        self._centre[unchanged], self._half[unchanged], self._bound[unchanged] = 0.0, 1.0, np.inf
        if not (self._half > 0).all():
            raise VlasyncError(
                f"normalization: dimensions {np.flatnonzero(~(self._half > 0)).tolist()} span nothing "
                f"(low {normalization.low}, high {normalization.high}); declare them `identity`"
            )

    @classmethod
    def fit(
        cls,
        actions: Iterable[NDArray[Any]],
        *,
        spec: SyncSpec,
        kind: NormalizationKind = "quantile",
        low_percentile: float = 1.0,
        high_percentile: float = 99.0,
        min_span: float = 0.05,
        gripper_index: int = 6,
    ) -> Normalizer:
        """Statistics of all actions, exact (every number is read, no histogram).

        Args:
            actions: arrays `[N, 7]` in the representation of `spec`, e.g. one per episode.
            spec: what the numbers mean; the statistics are bound to its `representation()`.
            kind: `quantile`, `min_max`, `z_score` or `identity`.
            low_percentile: lower bound of kind `quantile`, in percent.
            high_percentile: upper bound of kind `quantile`, in percent.
            min_span: a dimension whose high - low (standard deviation for `z_score`) is smaller carries no signal, and
                stretching it would only amplify noise: it is declared identity. In units of the actions.
            gripper_index: this dimension is a command, not a measure, and is always identity.

        Raises:
            DatasetError: no actions, another shape, or numbers that are not finite.
            VlasyncError: percentiles out of order, or a kind that cannot be fitted.
        """
        values = _gather(actions)
        low, high = _statistics(values, kind, low_percentile, high_percentile)
        span = high if kind == "z_score" else high - low
        identity = sorted({gripper_index, *np.flatnonzero(span < min_span).tolist()})
        return cls(
            Normalization(
                kind=kind,
                low=tuple(low.tolist()),
                high=tuple(high.tolist()),
                identity=tuple(identity),
                fitted_on=spec.representation(),
                count=len(values),
            )
        )

    def require_fits(self, spec: SyncSpec, *, where: str) -> None:
        """Raise `SpecMismatchError` where the statistics were fitted on actions that mean something else."""
        if (got := spec.representation()) != self.normalization.fitted_on:
            raise SpecMismatchError(
                f"{where}: the normalisation was fitted on other actions; fit it again\n"
                f"  fitted on: {self.normalization.fitted_on}\n  actions:   {got}"
            )

    def encode(self, actions: Array) -> Array:
        """Actions `[..., 7]` as the model sees them, of the same type, precision and device."""
        centre, half, bound = (_like(actions, constant) for constant in (self._centre, self._half, self._bound))
        encoded: Any = (actions - centre) / half  # `clip` with arrays as bounds is typed per library only
        return encoded.clip(-bound, bound)

    def decode(self, encoded: Array) -> Array:
        """The model's numbers `[..., 7]` as actions, of the same type, precision and device."""
        return _like(encoded, self._centre) + _like(encoded, self._half) * encoded


def _like(array: Array, constant: NDArray[np.float64]) -> Array:
    """A constant in the type, precision and device of `array`."""
    if isinstance(array, torch.Tensor):
        return torch.as_tensor(constant, dtype=array.dtype, device=array.device)
    return constant.astype(array.dtype)


def _gather(actions: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    """All actions `[N, 7]`, checked."""
    parts = [np.asarray(part, np.float64) for part in actions]
    for part in parts:
        if part.ndim != 2 or part.shape[1] != 7:
            raise DatasetError(f"actions: got an array of shape {part.shape}, expected [N, 7]")
        if not np.isfinite(part).all():
            raise DatasetError("actions: some numbers are NaN or infinite; `vlasync check` names the frames")
    if not sum(map(len, parts)):
        raise DatasetError("actions: there are none to fit a normalisation on")
    return np.concatenate(parts)


def _statistics(
    values: NDArray[np.float64], kind: NormalizationKind, low_percentile: float, high_percentile: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`low` and `high` `[7]` of a kind of normalisation."""
    match kind:
        case "quantile":
            if not 0 <= low_percentile < high_percentile <= 100:
                raise VlasyncError(
                    f"percentiles are {low_percentile} and {high_percentile}; give 0 <= low < high <= 100"
                )
            low, high = np.percentile(values, [low_percentile, high_percentile], axis=0)
        case "min_max":
            low, high = values.min(axis=0), values.max(axis=0)
        case "z_score":
            low, high = values.mean(axis=0), values.std(axis=0)
        case "identity":
            low, high = np.full(values.shape[1], -1.0), np.full(values.shape[1], 1.0)
        case _:
            raise VlasyncError(
                f"normalisation {kind!r} has declared bounds; build it as Normalizer(Normalization(...))"
            )
    return low, high
