"""Two streams beside one another, shifted by some frames."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

LAGS = (0, -1, 1, -2, 2, -3, 3)
"""Offsets i that are compared: does `action[t + i]` belong to the change from t to t + 1?"""

One = TypeVar("One", bound=np.generic)
Other = TypeVar("Other", bound=np.generic)


def aligned(actions: NDArray[One], changes: NDArray[Other], lag: int) -> tuple[NDArray[One], NDArray[Other]]:
    """`actions[t + lag]` beside `changes[t]`, for every t that has both.

    Args:
        actions: `[T, ...]`, one per frame.
        changes: `[T - 1, ...]`, `changes[t]` from frame t to frame t + 1.
        lag: number of frames.

    Returns:
        Two arrays of equal length, at most T - 1.
    """
    first, stop = max(0, -lag), min(len(changes), len(actions) - lag)
    return actions[first + lag : stop + lag], changes[first:stop]
