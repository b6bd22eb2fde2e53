"""Does the gripper do what the command says: does its width grow under `open` and shrink under `closed`?"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.alignment import aligned
from vlasync.checks.findings import Detector, name_frames
from vlasync.checks.motion import motion_lag
from vlasync.types import Episode

MOVING_M = 1e-3
"""Change of width per frame that counts as motion; contact makes a closed gripper tremble by less."""

DECISIVE_TRAVEL_M = 0.02
"""Travel of the fingers below which nothing is concluded (a quarter of a full stroke in CALVIN)."""

CONTRADICTION = -0.5
"""Polarity below which command and width contradict one another."""

STROKE_FRAMES = 10
"""Frames after a new command whose motion is taken for its effect; later motion may be forced by what is touched."""


class GripperCheck(Detector):
    """Detector of `gripper-polarity` and `gripper-values`.

    Polarity is the travel of the fingers in the commanded direction minus the travel against it, over all travel: +1
    where the gripper always obeys, -1 where the two numbers are the wrong way round. A stroke takes only a few frames,
    so commands that are merely late contradict most of it too; where the arm's actions are late, those of the gripper
    may be as late and obey.
    """

    def __init__(self) -> None:
        super().__init__()
        self._travel = np.zeros(2)

    def look(self, episode: Episode) -> None:
        """Compare one episode's gripper commands with the change of width that follows."""
        spec = episode.spec
        command = episode.actions[:, 6]
        unknown = np.flatnonzero(~np.isclose(command, spec.gripper_open) & ~np.isclose(command, spec.gripper_closed))
        if len(unknown):
            self.findings.add(
                "gripper-values",
                f"{episode.name}, {name_frames(unknown.tolist())}",
                f"gripper commands are neither {spec.gripper_open:g} (open) nor {spec.gripper_closed:g} (closed)",
                "declare the real numbers as gripper_open and gripper_closed, or convert the commands",
            )
        travel = max((_travel(episode, lag) for lag in {0, motion_lag(episode)}), key=_polarity)
        self._travel += travel
        polarity = _polarity(travel)
        if travel.sum() > DECISIVE_TRAVEL_M and polarity < CONTRADICTION:
            self.findings.add(
                "gripper-polarity",
                episode.name,
                f"the gripper closes under {spec.gripper_open:g}, declared as open, and opens under "
                f"{spec.gripper_closed:g}, declared as closed",
                "flip the sign of the gripper command, or swap gripper_open and gripper_closed in the SyncSpec",
                confidence=-polarity,
            )

    def merge(self, later: Self) -> None:
        """Add up the travel of both sides."""
        super().merge(later)
        self._travel += later._travel

    def inferred(self) -> dict[str, Any]:
        """Polarity over all episodes, and the travel in metres that it was measured on."""
        travel = float(self._travel.sum())
        polarity = _polarity(self._travel) if travel > DECISIVE_TRAVEL_M else None
        return {"gripper_polarity": polarity, "gripper_travel_m": travel}


def _travel(episode: Episode, lag: int) -> NDArray[np.float64]:
    """Travel of the fingers with and against the command at a lag: two numbers in metres."""
    spec = episode.spec
    middle = (spec.gripper_open + spec.gripper_closed) / 2
    opening = np.sign((episode.actions[:, 6] - middle) * (spec.gripper_open - spec.gripper_closed))
    switched = np.flatnonzero(np.diff(opening, prepend=np.nan) != 0)  # the first frame counts as a new command
    since = np.arange(len(opening)) - switched[np.searchsorted(switched, np.arange(len(opening)), side="right") - 1]
    opening[since >= STROKE_FRAMES] = 0.0
    change = np.diff(episode.state[:, spec.state_slice("gripper_width")][:, 0])
    change[np.abs(change) <= MOVING_M] = 0.0
    obeyed = np.multiply(*aligned(opening, change, lag))
    return np.array([obeyed.clip(min=0).sum(), -obeyed.clip(max=0).sum()])


def _polarity(travel: NDArray[np.float64]) -> float:
    """Polarity of a travel with and against the command; 0 where the fingers did not move."""
    return float((travel[0] - travel[1]) / max(travel.sum(), MOVING_M))
