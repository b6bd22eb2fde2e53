"""How far ahead of the arm an action's goal lies: one frame where achieved poses were recorded, more for commands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.actions.frames import integrate
from vlasync.spec import SyncSpec

LEADS = (0, 1, 2, 3, 4, 5, 6)
"""Frames after which a goal is looked for in the measured path; a controller at 30 Hz needs two to four."""

ACHIEVED = 1
"""The lead of a goal that is the next measured pose."""

FOLLOWED = 0.2
"""The arm follows goals that it stays closer to than this share of its own path's spread; in CALVIN it is 0.02."""

LEVER_M = 0.1
"""Distance from the TCP of the point whose way says how far the hand turned: a hand's size."""

TELLING_M = 0.005
"""Spread of a path, 3 degrees of turning at `LEVER_M`, below which any goals lie along it."""

CLEARLY_LATER = 0.5
"""Goals are reached late where the distance at that lead is below this share of that at the lead of achieved poses."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """Where the goals of an episode's actions are best reached.

    Attributes:
        frames: k such that the goal of `action[t]` is nearest to the position at t + k.
        distance_m: distance of the median frame there, a constant offset left out; of rotations at `LEVER_M`.
        by_frames: the same for every lead of `LEADS`.
        chained: the goals continue one another (`relative_to_target`) instead of starting from the measured pose.
        spread_m: how far the median frame of the path is from its middle.
    """

    frames: int
    distance_m: float
    by_frames: tuple[float, ...]
    chained: bool
    spread_m: float

    @property
    def commanded(self) -> bool:
        """The arm follows the goals, but later than the frame after the action."""
        near = self.distance_m < FOLLOWED * self.spread_m and self.spread_m > TELLING_M
        later = self.distance_m < CLEARLY_LATER * self.by_frames[LEADS.index(ACHIEVED)]
        return ACHIEVED < self.frames < LEADS[len(self.by_frames) - 1] and near and later


def goal_lead(pose: NDArray[np.float64], actions: NDArray[np.float64], spec: SyncSpec) -> Lead:
    """The lead at which the goals of `actions [T, n]` are best reached on the path `pose [T, 6]`.

    Increments are tried as starting from the measured pose and as starting from the goal before; where a recording was
    cut out of a longer one, its first goal is unknown, so a constant offset is left out. Where translations do not show
    a lead, rotations may: a hand that turns a block hardly travels.
    """
    goals = integrate(pose, actions, spec)
    absolute = spec.action_mode == "absolute"
    shifts = _leads(pose[:, :3], goals[:, :3], absolute=absolute)
    turns = _leads(_turned(pose, pose), _turned(goals, pose), absolute=absolute)
    # Any increment near the measured one leads near the next measured pose, so that lead is the last to be believed.
    commanded = (lead for lead in (*shifts, *turns) if lead.commanded)
    return next(commanded, min(shifts, key=lambda lead: lead.distance_m))


def _leads(path: NDArray[np.float64], goals: NDArray[np.float64], *, absolute: bool) -> list[Lead]:
    """The lead of goals over a path, both `[T, 3]`: as steps that continue one another, and from where it is."""
    found = [_follow(path, goals, chained=False)]
    if not absolute:
        found.insert(0, _follow(path, np.cumsum(goals - path, axis=0), chained=True))
    return found


def _turned(pose: NDArray[np.float64], path: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far poses `[T, 6]` are turned from the middle one of a path, `[T, 3]` rotation vectors times `LEVER_M`."""
    middle = Rotation.from_euler("xyz", path[len(path) // 2, 3:])
    return LEVER_M * (Rotation.from_euler("xyz", pose[:, 3:]) * middle.inv()).as_rotvec()


def _follow(path: NDArray[np.float64], goals: NDArray[np.float64], *, chained: bool) -> Lead:
    leads = [lead for lead in LEADS if lead < len(path) // 2]
    distances = []
    for lead in leads:
        gap = goals[: len(goals) - lead] - path[lead:]
        distances.append(float(np.median(np.linalg.norm(gap - np.median(gap, axis=0), axis=1))))
    best = int(np.argmin(distances))
    spread = np.linalg.norm(path - np.median(path, axis=0), axis=1)
    return Lead(
        frames=leads[best],
        distance_m=distances[best],
        by_frames=tuple(distances),
        chained=chained,
        spread_m=float(np.median(spread)),
    )
