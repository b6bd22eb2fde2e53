"""The statistics of LeRobot's `meta/stats.json` and `meta/episodes`: of each number, and of each colour channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES: Mapping[str, float] = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
"""LeRobot's names and levels."""

NAMES = ("min", "max", "mean", "std", "count", *QUANTILES)
"""All statistics of a feature."""


def number_stats(values: NDArray[Any]) -> dict[str, Any]:
    """Statistics of a feature `[N]` or `[N, D]` over its N rows, exact: a list of D numbers each, one of `count`."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    found |= dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    return {name: value.tolist() for name, value in found.items()} | {"count": [len(rows)]}


def image_stats(images: NDArray[np.uint8]) -> dict[str, Any]:
    """Statistics of images `[N, H, W', 3]` per channel, pixels from 0 to 1: nested lists `[3, 1, 1]`, `count` is N."""
    counts = np.stack([np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)])
    levels = np.arange(256) / 255.0
    total = counts.sum(1)
    mean = counts @ levels / total
    cumulative = counts.cumsum(1)
    found = {
        "min": levels[(counts > 0).argmax(1)],
        "max": levels[255 - (counts[:, ::-1] > 0).argmax(1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0.0)),
    }
    for name, level in QUANTILES.items():
        found[name] = levels[(cumulative >= level * total[:, None]).argmax(1)]
    return {name: value.reshape(3, 1, 1).tolist() for name, value in found.items()} | {"count": [len(images)]}
