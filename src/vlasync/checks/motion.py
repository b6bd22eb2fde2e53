"""Does action[t] describe the change from state[t] to state[t + 1], in the convention that the SyncSpec declares?"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.checks.alignment import LAGS, aligned
from vlasync.checks.findings import Detector, name_frames
from vlasync.types import Episode

TOLERANCE = 1e-3
"""Largest difference that counts as equal, in action units (0.02 mm or 0.003 degrees in CALVIN). Recorded numbers agree
to 1e-15 in float64 and to 1e-5 in float32, so this only has to stay clear of rounding."""

EXPLAINED = 0.5
"""An explanation counts where it leaves less than this share of the residual (root mean square)."""


class MotionCheck(Detector):
    """Detector of `action-lag`, `action-scale` and `action-mismatch`.

    Entries that are clipped on either side carry no size and are left out. Specs in which actions are not increments
    on the measured pose (`relative_to_target`, `absolute`) are not checked: what was commanded need not be reached.
    """

    def __init__(self) -> None:
        super().__init__()
        self._squares = dict.fromkeys(LAGS, 0.0)
        self._counts = dict.fromkeys(LAGS, 0)
        self._entries = 0
        self._clipped = 0

    def look(self, episode: Episode) -> None:
        """Compare one episode's actions with the changes of its pose, at every lag."""
        compared = _compared(episode)
        if compared is None:
            return
        actions, expected = compared
        self._entries += actions.size
        self._clipped += int(np.isnan(actions).sum())
        for lag in LAGS:
            difference = np.subtract(*aligned(actions, expected, lag))
            self._squares[lag] += float(np.nansum(difference**2))
            self._counts[lag] += int(np.isfinite(difference).sum())
        difference = np.abs(np.subtract(*aligned(actions, expected, 0)))
        wrong = np.flatnonzero((np.nan_to_num(difference) > TOLERANCE).any(axis=1))
        if len(wrong):
            self._explain(episode, actions, expected, wrong.tolist())

    def merge(self, later: Self) -> None:
        """Add up what was measured on both sides."""
        super().merge(later)
        for lag in LAGS:
            self._squares[lag] += later._squares[lag]
            self._counts[lag] += later._counts[lag]
        self._entries += later._entries
        self._clipped += later._clipped

    def inferred(self) -> dict[str, Any]:
        """The lag at which actions match the motion best, the residual at each lag, the share of clipped numbers."""
        if not any(self._counts.values()):
            return {}
        rms = {lag: (self._squares[lag] / max(self._counts[lag], 1)) ** 0.5 for lag in LAGS}
        return {
            "action_index": min(rms, key=rms.__getitem__),
            "action_residual_rms_by_lag": {str(lag): rms[lag] for lag in sorted(rms)},
            "action_clipped_share": self._clipped / self._entries,
        }

    def _explain(
        self, episode: Episode, actions: NDArray[np.float64], expected: NDArray[np.float64], wrong: list[int]
    ) -> None:
        """Name the lag or scale that makes an episode's actions fit, or the frames that nothing explains."""
        rms = _rms_by_lag(actions, expected)
        lag = min(rms, key=rms.__getitem__)
        recorded, moved = aligned(actions, expected, 0)
        scale = _scale(recorded, moved)
        scaled_rms = _rms(recorded - scale * moved)
        if min(rms[lag], scaled_rms) >= EXPLAINED * rms[0]:
            self.findings.add(
                "action-mismatch",
                f"{episode.name}, {name_frames(wrong)}",
                "action[t] is not the change from state[t] to state[t + 1] in the declared convention",
                "cut there if these are few; else the declared frame, rotation or mode is not the real one",
            )
        elif rms[lag] <= scaled_rms:
            self.findings.add(
                "action-lag",
                episode.name,
                f"action[t{lag:+d}], not action[t], is the change from state[t] to state[t + 1]: actions come "
                f"{abs(lag)} frame(s) {'late' if lag > 0 else 'early'}",
                f"shift the actions by {-lag:+d} frame(s) when converting",
                confidence=1 - rms[lag] / rms[0],
            )
        else:
            factors = ", ".join(f"{factor:.2g}" for factor in scale)
            self.findings.add(
                "action-scale",
                episode.name,
                f"actions are the change of state times ({factors}) for x, y, z and the three angles",
                "correct scale or sign of these dimensions, or declare the real scales in the SyncSpec",
                confidence=1 - scaled_rms / rms[0],
            )


def motion_lag(episode: Episode) -> int:
    """The lag i at which `action[t + i]` clearly matches the motion of the arm best; 0 where nothing tells."""
    compared = _compared(episode)
    if compared is None:
        return 0
    rms = _rms_by_lag(*compared)
    lag = min(rms, key=rms.__getitem__)
    return lag if rms[lag] < EXPLAINED * rms[0] else 0


def _compared(episode: Episode) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Recorded actions `[T, 6]` and changes of the pose `[T - 1, 6]`, NaN where clipped; None where not comparable."""
    spec = episode.spec
    if spec.action_mode != "relative_to_measured" or len(episode) < 2:
        return None
    position, euler = spec.state_slice("tcp_position"), spec.state_slice("tcp_euler")
    pose = np.concatenate([episode.state[:, position], episode.state[:, euler]], axis=1)
    expected = increments(pose[:-1], pose[1:], spec)
    actions = np.array(episode.actions[:, :6])
    clip = np.inf if spec.action_clip is None else spec.action_clip
    actions[np.abs(actions) >= clip] = np.nan
    expected[np.abs(expected) >= clip] = np.nan
    return actions, expected


def _rms_by_lag(actions: NDArray[np.float64], expected: NDArray[np.float64]) -> dict[int, float]:
    return {lag: _rms(np.subtract(*aligned(actions, expected, lag))) for lag in LAGS}


def _rms(difference: NDArray[np.float64]) -> float:
    """Root mean square of the entries that are not NaN; infinite where there are none to tell."""
    finite = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(finite**2))) if len(finite) else float("inf")


def _scale(recorded: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares factor per dimension `[6]` from `moved` to `recorded`; 1 for a dimension that did not move."""
    both = np.isfinite(recorded) & np.isfinite(moved)
    recorded, moved = np.where(both, recorded, 0.0), np.where(both, moved, 0.0)
    power = (moved**2).sum(axis=0)
    return np.where(power > TOLERANCE, (recorded * moved).sum(axis=0) / np.maximum(power, TOLERANCE), 1.0)
