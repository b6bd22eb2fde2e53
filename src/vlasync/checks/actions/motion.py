"""Does action[t] describe the change from state[t] to state[t + 1], in the convention that the SyncSpec declares?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.checks.actions.commands import ACHIEVED
from vlasync.checks.actions.conventions import candidates, expect
from vlasync.checks.actions.diagnosis import POSITION_FIELDS, ROTATION_FIELDS, diagnose
from vlasync.checks.actions.doubts import Doubts, note
from vlasync.checks.actions.tracks import Track, bound_told, wrong_frames
from vlasync.checks.alignment import aligned
from vlasync.checks.findings import Detector, Problem
from vlasync.types import Episode

BATCH_FRAMES = 2048
"""Frames that are compared at once: converting poses costs a millisecond, however few there are."""

MIN_FRAMES = 6
"""Frames below which nothing is concluded from an episode."""

MIN_ACTION = 7
"""Numbers of the shortest action: position, three for rotation, gripper."""

NEARLY_ALL = 0.9
"""Share of the episodes that must agree before a convention is inferred for the dataset."""

LOST_PATH = 0.4
"""Share of an episode's translation or rotation that clipping may cut off. Demonstrations that reach the bound now and
then lose less: over 8,160 episodes of the play table with bursts of perturbation at most 15 % of the translation and
35 % of the rotation, 1 and 18 % in ninety-nine of a hundred. Who imitates actions that lose two fifths stops that far
short."""


class MotionCheck(Detector):
    """Detector of everything that actions may say wrongly about the motion of the arm.

    An episode whose actions are exactly what the declaration calls for costs a subtraction. Any other is held against
    every convention, at every lag and scale, and the explanation nearest to the declaration among those as good as the
    best is named, part by part.
    """

    needs: ClassVar[tuple[str, ...]] = ("tcp_position", "tcp_euler")

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[Track] = []
        self._waiting_frames = 0
        self._doubts = Doubts()
        self._votes: dict[str, Counter[Any]] = {}
        self._leads: Counter[int] = Counter()
        self._lead_distance_m = 0.0
        self._clipped = 0
        self._compared = 0

    def look(self, episode: Episode) -> None:
        """Take one episode into account."""
        if len(episode) < MIN_FRAMES or episode.actions.shape[1] < MIN_ACTION:
            return
        if self._waiting and self._waiting[0].spec is not episode.spec:
            self._judge()
        self._waiting.append(Track.of(episode))
        self._waiting_frames += len(episode)
        if self._waiting_frames >= BATCH_FRAMES:
            self._judge()

    def merge(self, later: Self) -> None:
        """Take in what another detector gathered on the episodes after these."""
        self._judge()
        later._judge()
        super().merge(later)
        self._doubts.merge(later._doubts)
        for name, votes in later._votes.items():
            self._votes.setdefault(name, Counter()).update(votes)
        self._leads.update(later._leads)
        self._lead_distance_m += later._lead_distance_m
        self._clipped += later._clipped
        self._compared += later._compared

    def problems(self) -> list[Problem]:
        """What was found in all episodes so far."""
        self._judge()
        return super().problems() + self._doubts.problems()

    def inferred(self) -> dict[str, Any]:
        """The convention that the numbers call for, how far goals lead the path, and what clipping cost."""
        found: dict[str, Any] = self.convention()
        if self._leads:
            found["goal_lead_frames"] = self._leads.most_common(1)[0][0]
            found["goal_distance_m"] = self._lead_distance_m / self._leads.total()
        if self._compared:
            found["action_clipped_share"] = self._clipped / self._compared
        return found

    def convention(self) -> dict[str, Any]:
        """The SyncSpec fields on which nearly all episodes agree that tell them."""
        self._judge()
        agreed = {}
        for name, votes in self._votes.items():
            value, count = votes.most_common(1)[0]
            if count >= NEARLY_ALL * votes.total():
                agreed[name] = value
        return agreed

    def _judge(self) -> None:
        """Compare the episodes that wait, all of one spec, with what was declared."""
        waiting, self._waiting, self._waiting_frames = self._waiting, [], 0
        if not waiting:
            return
        spec = waiting[0].spec
        numbers = increments(*_steps(waiting), spec)
        doubtful = []
        for track, rows in zip(waiting, _rows(waiting), strict=True):
            expected = numbers[rows]
            same_size = track.actions.shape[1] == expected.shape[1]
            if spec.action_mode != "relative_to_target" and same_size and not len(wrong_frames(track, expected)):
                self._accept(track, expected)
            else:
                doubtful.append(track)
        for size in sorted({track.actions.shape[1] for track in doubtful}):
            self._find_out([track for track in doubtful if track.actions.shape[1] == size])

    def _accept(self, track: Track, expected: NDArray[np.float64]) -> None:
        """The episode's actions are what was declared."""
        told = {name: getattr(track.spec, name) for name in (*POSITION_FIELDS, *ROTATION_FIELDS)}
        clip = track.spec.action_clip
        self._compared += track.actions.size
        if clip is not None and np.abs(track.actions).max() >= clip * (1 - 1e-6):
            told |= bound_told(track, expected)
            self._weigh_clipping(track, expected, clip)
        self._vote(told)
        self._leads[ACHIEVED] += 1

    def _find_out(self, doubtful: Sequence[Track]) -> None:
        """Hold episodes, all of one spec and one length of actions, against every convention."""
        spec, size = doubtful[0].spec, doubtful[0].actions.shape[1]
        pose = np.concatenate([track.pose for track in doubtful])
        expectations = [expect(pose, candidate) for candidate in candidates(spec, size)]
        for track, rows in zip(doubtful, _rows(doubtful), strict=True):
            expected = [expectation.rows(rows) for expectation in expectations]
            diagnosis = diagnose(track, expected)
            self._vote(diagnosis.told)
            if diagnosis.lead is not None:
                self._leads[diagnosis.lead.frames] += 1
                self._lead_distance_m += diagnosis.lead.distance_m
            if diagnosis.findings and not diagnosis.sure:
                self._doubts.add(diagnosis.findings)
                continue
            for found in diagnosis.findings:
                note(self.findings, found)

    def _vote(self, told: dict[str, Any]) -> None:
        for name, value in told.items():
            self._votes.setdefault(name, Counter())[value] += 1

    def _weigh_clipping(self, track: Track, expected: NDArray[np.float64], clip: float) -> None:
        """Count what the declared bound cut off, and complain where an episode lost a good part of its path."""
        recorded, numbers = aligned(track.actions, expected, track.spec.action_index)
        _, steps = aligned(track.actions, track.steps, track.spec.action_index)
        cut = (np.abs(recorded) >= clip * (1 - 1e-6)) & (np.abs(numbers) > clip * (1 + 1e-6)) & steps[:, None]
        self._clipped += int(cut.sum())
        lost = np.where(cut, np.abs(numbers) - clip, 0.0)
        share = max(
            float(lost[:, part].sum() / max(np.abs(numbers[:, part]).sum(), 1e-12))
            for part in (slice(3), slice(3, None))
        )
        if share > LOST_PATH:
            self.findings.add(
                "action-clipped",
                track.name,
                f"the declared bound of {clip:g} cut off more than {LOST_PATH:.0%} of the motion",
                "record with larger scales (position_scale_m, rotation_scale_rad), so that the motion fits the bound",
                confidence=min(1.0, 0.5 + share),
            )


def motion_lag(episode: Episode) -> int:
    """The lag i at which `action[t + i]` is the motion of the arm; the declared one where nothing tells another."""
    spec = episode.spec
    size = episode.actions.shape[1] - 1
    if len(episode) < MIN_FRAMES or size < MIN_ACTION - 1:
        return spec.action_index
    track = Track.of(episode)
    expectations = [expect(track.pose, candidate) for candidate in candidates(spec, size)]
    return diagnose(track, expectations).told.get("action_index", spec.action_index)


def _steps(tracks: Sequence[Track]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The poses of all tracks one after another, each `[N - 1, 6]` before and after a step."""
    pose = np.concatenate([track.pose for track in tracks])
    return pose[:-1], pose[1:]


def _rows(tracks: Sequence[Track]) -> list[slice]:
    """Where the steps of each track lie among those of all; the step from one track to the next is left out."""
    stops = np.cumsum([len(track.pose) for track in tracks])
    return [slice(int(stop) - len(track.pose), int(stop) - 1) for stop, track in zip(stops, tracks, strict=True)]
