"""One episode's actions beside the path they claim to describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.actions.conventions import step
from vlasync.checks.actions.explain import saturated
from vlasync.checks.actions.scaling import rounding
from vlasync.checks.alignment import aligned
from vlasync.checks.units import measured_pose
from vlasync.spec import SyncSpec
from vlasync.types import Episode


@dataclass(frozen=True, kw_only=True)
class Track:
    """The numbers of one episode that are compared.

    Attributes:
        name: of the episode.
        spec: the declaration.
        pose: `[T, 6]` measured, metres and extrinsic xyz Euler angles, world.
        actions: `[T, n]` recorded, gripper left out.
        steps: `[T - 1]` bool, frame t + 1 follows frame t.
    """

    name: str
    spec: SyncSpec
    pose: NDArray[np.float64]
    actions: NDArray[np.float64]
    steps: NDArray[np.bool_]

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """The numbers of an episode."""
        return cls(
            name=episode.name,
            spec=episode.spec,
            pose=measured_pose(episode),
            actions=np.asarray(episode.actions[:, :-1], np.float64),
            steps=np.diff(episode.frame_index) == 1,
        )


def wrong_frames(track: Track, expected: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames t whose action is not `expected[t]`, by more than rounding.

    Args:
        track: the episode.
        expected: `[T - 1, n]` what the declared convention calls for.
    """
    difference = differences(track, expected)
    return np.flatnonzero((difference > rounding(track.spec, expected.shape[1])).any(axis=1)) + first_frame(track.spec)


def bound_told(track: Track, expected: NDArray[np.float64]) -> dict[str, Any]:
    """The `action_clip` that the numbers tell: a bound where the motion went on, None where they pass the declared one.

    Args:
        track: the episode.
        expected: `[T - 1, n]` what the actions would be without a bound, at the declared lag.
    """
    cut = cut_off(track, expected)
    recorded, _ = aligned(track.actions, expected, track.spec.action_index)
    bounds = np.abs(recorded[cut])
    if len(bounds):
        same = (np.abs(bounds - bounds[0]) <= 1e-5 * bounds[0]).all()
        return {"action_clip": float(f"{bounds[0]:.4g}")} if same else {}
    declared = track.spec.action_clip
    passed = declared is not None and np.abs(recorded).max() > declared * (1 + 1e-5)
    return {"action_clip": None} if passed else {}


def cut_off(track: Track, expected: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which actions `[N, n]` stop at a bound where the motion went further."""
    cut = saturated(track.actions, track.spec.action_clip)
    recorded, numbers = aligned(track.actions, expected, track.spec.action_index)
    further = (np.abs(numbers) > np.abs(recorded) * (1 + 1e-5)) & (recorded * numbers > 0)
    _, steps = aligned(track.actions, track.steps, track.spec.action_index)
    return aligned(cut, expected, track.spec.action_index)[0] & further & steps[:, None]


def differences(track: Track, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each action is from what the declaration calls for, clipped or not `[N, n]`; 0 across a gap."""
    spec = track.spec
    recorded, numbers = aligned(track.actions, expected, spec.action_index)
    difference = np.abs(step(recorded, numbers, spec))
    if spec.action_clip is not None:
        cut = np.clip(numbers, -spec.action_clip, spec.action_clip)
        difference = np.minimum(difference, np.abs(recorded - cut))
    if not track.steps.all():
        _, steps = aligned(track.actions, track.steps, spec.action_index)
        difference[~steps] = 0.0
    return difference


def without_gaps(track: Track) -> NDArray[np.float64]:
    """The recorded actions, NaN where the next frame is missing."""
    broken = np.append(~track.steps, False)
    return np.where(broken[:, None], np.nan, track.actions) if broken.any() else track.actions


def first_frame(spec: SyncSpec) -> int:
    """The first frame t that has both a change of state and its action."""
    return max(0, -spec.action_index)
