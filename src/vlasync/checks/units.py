"""Is the state in metres and radians, as declared?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Detector
from vlasync.spec import StateSlice
from vlasync.types import Episode

REACH: Mapping[str, float] = MappingProxyType({"m": 10.0, "rad": 4 * math.pi})
"""Declared unit -> largest size that is plausible: no arm reaches 10 m, no joint or angle turns by more than two turns
either way. Millimetres of an arm, and degrees of a hand or joint that point anywhere, are far larger."""

SMALLER: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"m": ("millimetres", 1e-3), "rad": ("degrees", math.pi / 180)}
)
"""Declared unit -> the smaller unit that numbers beyond `REACH` are taken for, and its size in the declared one."""


class UnitsCheck(Detector):
    """Detector of `state-units`: by the size of the numbers, as their meaning is declared."""

    def look(self, episode: Episode) -> None:
        """Check every named part of the state that has a unit."""
        for part in episode.spec.state_layout:
            if unit_size(episode.state, part) != 1.0:
                name, _ = SMALLER[part.unit]
                self.findings.add(
                    "state-units",
                    episode.name,
                    f"state `{part.name}` is declared in {part.unit}, but its numbers exceed "
                    f"{REACH[part.unit]:.3g}: {name}, by their size",
                    f"convert `{part.name}` to {part.unit}; state_layout has no other unit for it",
                    confidence=0.95,
                )


def measured_pose(episode: Episode) -> NDArray[np.float64]:
    """Poses `[T, 6]` in metres and radians (extrinsic xyz Euler angles, world), whatever unit the state is in."""
    return np.concatenate([in_declared_unit(episode, name) for name in ("tcp_position", "tcp_euler")], axis=1)


def in_declared_unit(episode: Episode, name: str) -> NDArray[np.float64]:
    """A named part of the state `[T, n]` in the unit that it is declared in, whatever unit it is in."""
    part = next(part for part in episode.spec.state_layout if part.name == name)
    return episode.state[:, part.start : part.stop] * unit_size(episode.state, part)


def unit_size(state: NDArray[np.float64], part: StateSlice) -> float:
    """What a number of a part of `state [T, S]` must be multiplied with to be in its declared unit.

    A tenth of the frames must be that large, so that a few broken ones do not pass for another unit, and a gripper may
    stay closed most of the time.
    """
    if part.unit not in REACH or not len(state):
        return 1.0
    place = int(0.9 * (len(state) - 1))
    size = float(np.partition(np.abs(state[:, part.start : part.stop]).max(axis=1), place)[place])
    return SMALLER[part.unit][1] if size > REACH[part.unit] else 1.0
