"""The map between recorded actions and the numbers a model sees, fitted on the data and saved with the SyncSpec."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.actions.statistics import ActionStatistics, Bound, FitSettings, clip_bounds, require_same
from vlasync.errors import VlasyncError
from vlasync.spec import Normalization, NormalizationKind, SyncSpec

Array = TypeVar("Array", NDArray[Any], torch.Tensor)

MU = 255
"""Strength of the mu-law (that of ITU-T G.711): 256 times as fine near zero as at the bounds."""


class Normalizer:
    """Encodes actions for a model and decodes what it predicts; numpy or torch, any batch shape, differentiable.

    With centre c and half-width h of a dimension, `encode(a) = (a - c) / h` and `decode(z) = c + h z`:

    - `quantile`, `min_max`, `bounds`: c and h are the middle and half the span of `low..high`, and `encode` clips to
      [-1, 1]; `decode` is its exact inverse inside the bounds and goes on linearly outside.
    - `mu_law`: the same, then `sign(z) ln(1 + MU |z|) / ln(1 + MU)`, which gives small motions more of the range.
    - `z_score`: c and h are mean and standard deviation, without clipping.
    - `identity`: nothing changes.

    Dimensions named in `Normalization.identity`, the gripper among them, pass unchanged in every kind.

    Attributes:
        normalization: the record that the SyncSpec carries.
    """

    def __init__(self, normalization: Normalization) -> None:
        self.normalization = normalization
        self._fitted: tuple[ActionStatistics, FitSettings] | None = None
        low, high = np.array(normalization.low), np.array(normalization.high)
        if low.shape != high.shape or not set(normalization.identity) <= set(range(len(low))):
            raise VlasyncError(
                f"normalization: {len(low)} values of low, {len(high)} of high and identity "
                f"{normalization.identity} do not describe the same dimensions"
            )
        self._low, self._high = clip_bounds(normalization)
        self._bound = np.where(np.isfinite(self._low), 1.0, np.inf)
        z_score = normalization.kind == "z_score"
        self._centre, self._half = (low, high) if z_score else ((low + high) / 2, (high - low) / 2)
        unchanged = slice(None) if normalization.kind == "identity" else list(normalization.identity)
        self._centre[unchanged], self._half[unchanged] = 0.0, 1.0
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
        percentiles: tuple[float, float] = (1.0, 99.0),
        bounds: tuple[Bound, Bound] | None = None,
        min_span: float = 0.05,
        gripper_index: int = -1,
    ) -> Normalizer:
        """A normaliser with exact statistics of all actions, in one pass (every number is read, no histogram).

        Args:
            actions: arrays `[..., D]` in the representation of `spec`, e.g. one per episode.
            spec: what the numbers mean; the statistics are bound to its `representation()`.
            kind: how actions are mapped.
            percentiles: see `FitSettings`, as for the following.
            bounds: declared low and high of the kinds `bounds` and `mu_law`.
            min_span: least span of a dimension that is fitted.
            gripper_index: the dimension that is never changed.

        Raises:
            DatasetError: no actions, another shape, or numbers that are not finite.
            VlasyncError: a setting that is impossible or does not fit the actions.
        """
        settings = FitSettings(
            kind=kind, percentiles=percentiles, bounds=bounds, min_span=min_span, gripper_index=gripper_index
        )
        statistics = ActionStatistics(spec)
        for part in actions:
            statistics.add(part)
        return cls.from_statistics(statistics, settings)

    @classmethod
    def from_statistics(cls, statistics: ActionStatistics, settings: FitSettings) -> Normalizer:
        """A normaliser from gathered actions, which it keeps for `merge`; errors as for `fit`."""
        normalizer = cls(statistics.normalization(settings))
        normalizer._fitted = (statistics, settings)
        return normalizer

    def merge(self, other: Normalizer) -> Normalizer:
        """The normaliser of the joined actions, equal in every bit to one `fit` over all of them.

        Raises:
            VlasyncError: one of the two was not fitted but read from a SyncSpec, or their settings differ.
            SpecMismatchError: the two were fitted on actions that mean different things.
        """
        if self._fitted is None or other._fitted is None:
            raise VlasyncError(
                "Normalizer.merge: a normaliser read from a SyncSpec has bounds but no actions, and bounds of parts do "
                "not give those of the whole; fit both on their actions"
            )
        (ours, settings), (theirs, other_settings) = self._fitted, other._fitted
        if settings != other_settings:
            raise VlasyncError(f"Normalizer.merge: fitted with different settings\n  {settings}\n  {other_settings}")
        return Normalizer.from_statistics(ours.merge(theirs), settings)

    def require_fits(self, spec: SyncSpec, *, where: str) -> None:
        """Raise `SpecMismatchError` where the statistics were fitted on actions that mean something else."""
        require_same(self.normalization.fitted_on, spec.representation(), where=where)

    def encode(self, actions: Array) -> Array:
        """Actions `[..., D]` as the model sees them, of the same type, precision and device.

        Raises:
            VlasyncError: another D, or numbers that are not floating point (as for all methods that take actions).
        """
        self._require_fitting(actions)
        centre, half, bound = (_like(actions, constant) for constant in (self._centre, self._half, self._bound))
        scaled: Any = (actions - centre) / half  # `clip` with arrays as bounds is typed per library only
        clipped = scaled.clip(-bound, bound)
        return self._curved(clipped, _compress) if self.normalization.kind == "mu_law" else clipped

    def decode(self, encoded: Array) -> Array:
        """The model's numbers `[..., D]` as actions, of the same type, precision and device."""
        self._require_fitting(encoded)
        scaled: Any = self._curved(encoded, _expand) if self.normalization.kind == "mu_law" else encoded
        return _like(encoded, self._centre) + _like(encoded, self._half) * scaled

    def clipped_share(self, actions: Array) -> NDArray[np.float64]:
        """The share `[D]` of actions `[..., D]` outside the bounds, which `encode` clips; 0 where it does not clip.

        `Normalization.clipped_share` tells it of the actions fitted on.
        """
        self._require_fitting(actions)
        outside: Any = (actions < _like(actions, self._low)) | (actions > _like(actions, self._high))
        rows = np.asarray(outside.cpu() if isinstance(outside, torch.Tensor) else outside).reshape(-1, len(self._low))
        if not len(rows):
            raise VlasyncError(f"clipped_share: actions of shape {tuple(actions.shape)} hold no values")
        return rows.mean(axis=0)

    def _curved(self, values: Any, curve: Any) -> Any:
        """`curve` over the dimensions that are changed; the others never enter it, lest a large logit overflow."""
        changed = np.isfinite(self._low)
        library: Any = torch if isinstance(values, torch.Tensor) else np
        mask = torch.as_tensor(changed, device=values.device) if library is torch else changed
        bent = curve(library.where(mask, values, library.zeros_like(values)), library)
        return library.where(mask, bent, values)

    def _require_fitting(self, array: Any) -> None:
        floating = array.is_floating_point() if isinstance(array, torch.Tensor) else array.dtype.kind == "f"
        if not floating or not array.ndim or array.shape[-1] != len(self._low):
            raise VlasyncError(
                f"normalization: got {array.dtype} of shape {tuple(array.shape)}, "
                f"expected floating point of shape [..., {len(self._low)}]"
            )


def _like(array: Array, constant: NDArray[np.float64]) -> Array:
    """A constant in the type, precision and device of `array`."""
    if isinstance(array, torch.Tensor):
        return torch.as_tensor(constant, dtype=array.dtype, device=array.device)
    return constant.astype(array.dtype)


def _compress(values: Any, library: Any) -> Any:
    """The mu-law; the sign is taken with `where`, for `abs` and `sign` have no slope at 0 where the curve has one."""
    negative = values < 0
    size = library.log1p(MU * library.where(negative, -values, values)) / math.log1p(MU)
    return library.where(negative, -size, size)


def _expand(values: Any, library: Any) -> Any:
    """Inverse of `_compress`."""
    negative = values < 0
    size = library.expm1(math.log1p(MU) * library.where(negative, -values, values)) / MU
    return library.where(negative, -size, size)
