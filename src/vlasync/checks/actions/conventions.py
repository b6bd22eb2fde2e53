"""Every convention that recorded actions could follow, and what they would be under it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.actions.poses import require_meaning
from vlasync.actions.rotations import IN_RADIANS
from vlasync.errors import VlasyncError
from vlasync.spec import ROTATION_SIZE, ActionFrame, Rotation, RotationComposition, SyncSpec

DIVERGENT_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "action_mode": "action-mode",
        "action_frame": "action-frame",
        "rotation": "action-rotation",
        "rotation_composition": "action-composition",
    }
)
"""SyncSpec field that tells conventions apart -> code of the problem when it is not what was declared."""

PUBLISHED_RECIPES = frozenset({"inverted_pseudo_infinitesimal"})
"""Compositions that no recording follows: models were trained with them, after the actions had been converted."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the actions of an episode would be under one convention, gripper left out.

    Attributes:
        spec: the convention, with the declared scales.
        numbers: `[T - 1, n]` the action from frame t to t + 1.
        signal: `[T - 1, n]` how much of each number is motion, >= 0: its distance from the action of a robot at rest,
            and for poses its distance from the pose before.
    """

    spec: SyncSpec
    numbers: NDArray[np.float64]
    signal: NDArray[np.float64]

    def rows(self, rows: slice) -> Expectation:
        """The same for a part of the path."""
        return Expectation(spec=self.spec, numbers=self.numbers[rows], signal=self.signal[rows])


def candidates(declared: SyncSpec, size: int) -> list[SyncSpec]:
    """The conventions under which an action has `size` numbers beside the gripper's, the declared one first.

    A base whose axes are the world's makes `base` and `world` the same increments, so only the declared one of them is
    tried there. `relative_to_target` is no candidate: whether a goal was reached is asked of goals (`commands.py`).
    """
    turned = abs(declared.base_in_world[6]) < 1 - 1e-12
    redundant = None if turned else "world" if declared.action_frame == "base" else "base"
    found = []
    for frame, rotation, composition in itertools.product(
        get_args(ActionFrame), get_args(Rotation), get_args(RotationComposition)
    ):
        if ROTATION_SIZE[rotation] != size - 3 or composition in PUBLISHED_RECIPES - {declared.rotation_composition}:
            continue
        spec = declared.replace(action_frame=frame, rotation=rotation, rotation_composition=composition)
        if frame != redundant:
            found.append(spec.replace(action_mode="relative_to_measured"))
        if composition == declared.rotation_composition:  # poses are not composed with anything
            found.append(spec.replace(action_mode="absolute"))
    return sorted(filter(_has_meaning, found), key=lambda spec: len(divergence(declared, spec)))


def divergence(declared: SyncSpec, other: SyncSpec) -> list[str]:
    """The fields of `DIVERGENT_FIELDS` in which a convention is not the declared one.

    Increments on the commanded and on the measured pose count as one mode here, and poses as composed like anything.
    """
    poses = "absolute" in (declared.action_mode, other.action_mode)
    different = []
    for field in DIVERGENT_FIELDS:
        ours, theirs = (
            str(getattr(spec, field)).replace("relative_to_target", "relative_to_measured")
            for spec in (declared, other)
        )
        if ours != theirs and not (poses and field == "rotation_composition"):
            different.append(field)
    return different


def expect(pose: NDArray[np.float64], spec: SyncSpec) -> Expectation:
    """What the actions along a path of poses `[T, 6]` (metres, extrinsic xyz Euler angles, world) would be."""
    numbers = increments(pose[:-1], pose[1:], spec)
    if spec.action_mode == "absolute":
        change = step(numbers[1:], numbers[:-1], spec)
        change = np.concatenate([change[:1], change])
    else:
        change = numbers - _rest(spec)
    return Expectation(spec=spec, numbers=numbers, signal=np.abs(change))


def step(numbers: NDArray[np.float64], before: NDArray[np.float64], spec: SyncSpec) -> NDArray[np.float64]:
    """`numbers - before` `[..., n]`, where angles that differ by whole turns, and quaternions by sign, are alike."""
    change = numbers - before
    if spec.rotation in IN_RADIANS:
        turn = 2 * np.pi / spec.rotation_scale_rad
        change[..., 3:] -= turn * np.round(change[..., 3:] / turn)
    elif spec.rotation == "quat_xyzw":
        other = numbers[..., 3:] + before[..., 3:]
        closer = (other**2).sum(-1, keepdims=True) < (change[..., 3:] ** 2).sum(-1, keepdims=True)
        change[..., 3:] = np.where(closer, other, change[..., 3:])
    return change


def units(spec: SyncSpec, size: int) -> NDArray[np.float64]:
    """`[n]` metres, or radians, per unit of each number of an action; 1 for numbers without a unit."""
    turn = spec.rotation_scale_rad if spec.rotation in IN_RADIANS else 1.0
    return np.array([spec.position_scale_m] * 3 + [turn] * (size - 3))


def _rest(spec: SyncSpec) -> NDArray[np.float64]:
    """The increment `[n]` of a robot at rest."""
    turn = {"quat_xyzw": [0.0, 0.0, 0.0, 1.0], "rot6d": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]}
    return np.array([0.0] * 3 + turn.get(spec.rotation, [0.0] * 3))


def _has_meaning(spec: SyncSpec) -> bool:
    try:
        require_meaning(spec)
    except VlasyncError:
        return False
    return True
