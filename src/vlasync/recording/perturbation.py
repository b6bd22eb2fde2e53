"""Bursts of random action that push the expert off its way, so that recordings show how to find back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_SPAN = 8
"""Shorter stretches between two bursts carry no sentence: they would hardly fill a window."""

SETTLE = 2
"""Frames after a burst that carry no sentence: the arm still runs after the burst's commands, half the way per step."""


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """How often and how hard the expert is pushed.

    Frames of a burst carry no sentence, and hence appear in no training window; only the recovery is learned.

    Attributes:
        share: share of the demonstrations, or of the attempts in play, that have bursts.
        probability: chance per step that a burst begins.
        steps: shortest and longest burst.
        strength: largest action during a burst, in the units of an action; rotations get half of it.
    """

    share: float = 0.6
    probability: float = 0.06
    steps: tuple[int, int] = (3, 8)
    strength: float = 0.8


def draw_bursts(perturbation: Perturbation, length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`[length, 6]` disturbing motions, NaN where the expert acts undisturbed.

    A burst swells and fades like half a sine wave, in one random direction of position and one of rotation.
    """
    bursts = np.full((length, 6), np.nan)
    if rng.random() >= perturbation.share:
        return bursts
    step = 0
    while step < length:
        if rng.random() >= perturbation.probability:
            step += 1
            continue
        steps = int(rng.integers(perturbation.steps[0], perturbation.steps[1] + 1))
        direction = rng.normal(size=(2, 3))
        direction *= np.array([[1.0], [0.5]]) / np.linalg.norm(direction, axis=1, keepdims=True)
        swell = np.sin(np.pi * (np.arange(steps) + 0.5) / steps)
        motion = perturbation.strength * swell[:, None] * direction.reshape(6)
        bursts[step : step + steps] = motion[: length - step]
        step += steps + SETTLE + MIN_SPAN
    return bursts


def clean_stretches(disturbed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last frame of each stretch in which the expert acts undisturbed and has settled after a burst.

    Args:
        disturbed: `[N]` bool, the frames of bursts.

    Returns:
        Inclusive bounds of the longest possible stretches, those of at least `MIN_SPAN` frames.
    """
    clean = ~disturbed
    for shift in range(1, SETTLE + 1):
        clean[shift:] &= ~disturbed[:-shift]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], clean, [False]]).astype(int)))
    bounds = [(int(first), int(end) - 1) for first, end in edges.reshape(-1, 2)]
    return [(first, last) for first, last in bounds if last - first + 1 >= MIN_SPAN]
