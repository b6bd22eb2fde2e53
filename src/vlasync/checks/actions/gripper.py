"""Does the gripper do what the command says: does its width grow under `open` and shrink under `closed`, at once?"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.actions.motion import MIN_FRAMES, NEARLY_ALL, motion_lag
from vlasync.checks.alignment import LAGS, aligned
from vlasync.checks.findings import Curves, Detector, Findings, Problem, name_frames
from vlasync.checks.units import unit_size
from vlasync.types import Episode

MOVING_M = 1e-3
"""Change of width per frame that counts as motion; contact makes a closed gripper tremble by less."""

DECISIVE_TRAVEL_M = 0.02
"""Travel of the fingers below which nothing is concluded (a quarter of a full stroke in CALVIN)."""

CONTRADICTION = -0.5
"""Polarity below which command and width contradict one another."""

STROKE_FRAMES = 10
"""Frames after a new command whose motion is taken for its effect; later motion may be forced by what is touched."""

SAME_NUMBER = 1e-5
"""Commands this close to a declared number are that number, rounded."""

CLEAR_GAIN = 1.2
"""Another lag must explain this many times the travel: fingers in contact move a little without a command."""


_SIGNS = (1, -1, 0)
"""How commands agree with the state's record of them: equal, the opposite, unclear or not recorded."""


class GripperCheck(Detector):
    """Detector of `gripper-polarity`, `gripper-values` and `gripper-lag`.

    Polarity is the travel of the fingers in the commanded direction minus the travel against it, over all travel: +1
    where the gripper always obeys, -1 where the two numbers are the wrong way round. Fingers that move before their
    command show that it is late. Fingers may well move after it, so that an early command is told only where the state
    keeps the last command. That record also tells single episodes that are flipped while their fingers rest; and those
    in which it agrees alike with the commands are judged together, for in a single one the fingers may be forced.
    """

    needs: ClassVar[tuple[str, ...]] = ("gripper_width",)

    def __init__(self) -> None:
        super().__init__()
        self._travel = {sign: np.zeros(2) for sign in _SIGNS}
        self._values: Counter[tuple[float, float]] = Counter()
        self._lags: Counter[int] = Counter()
        self._agreement: Counter[int] = Counter()
        self._disobeyed = {sign: Findings() for sign in _SIGNS}
        self._contradicted = {sign: Findings() for sign in _SIGNS if sign}

    def look(self, episode: Episode) -> None:
        """Compare one episode's gripper commands with the width that follows, and with the state's record of them."""
        if len(episode) < MIN_FRAMES:
            return
        spec, command = episode.spec, episode.actions[:, -1]
        change = _changes(episode)
        middle = (spec.gripper_open + spec.gripper_closed) / 2
        unknown = np.abs(np.abs(command - middle) - abs(spec.gripper_open - middle)) > SAME_NUMBER
        self._vote_values(command, change, spec.action_index)
        if unknown.any():
            self.findings.add(
                "gripper-values",
                f"{episode.name}, {name_frames(np.flatnonzero(unknown).tolist())}",
                f"gripper commands are neither {spec.gripper_open:g} (open) nor {spec.gripper_closed:g} (closed)",
                "declare the real numbers as gripper_open and gripper_closed, or convert the commands",
            )
            return
        opening = np.sign((command - middle) * (spec.gripper_open - spec.gripper_closed))
        record = _record(episode)
        lag = self._judge_lag(episode, opening, change, record)
        travel = _travel(opening, change, lag)
        sign = 0 if record is None else _agreement(opening, record, lag)
        self._travel[sign] += travel
        if _disobeys(travel):
            self._add_disobeyed(episode, sign, -_polarity(travel))
        elif sign:
            self._add_contradicted(episode, sign)
        self._agreement[sign] += 1

    def merge(self, later: Self) -> None:
        """Take in what another detector gathered on the episodes after these."""
        super().merge(later)
        self._travel = {sign: travel + later._travel[sign] for sign, travel in self._travel.items()}
        self._values.update(later._values)
        self._lags.update(later._lags)
        self._agreement.update(later._agreement)
        for sign, findings in later._disobeyed.items():
            self._disobeyed[sign].merge(findings)
        for sign, findings in later._contradicted.items():
            self._contradicted[sign].merge(findings)

    def problems(self) -> list[Problem]:
        """What was found, and the few episodes whose commands contradict the state's record unlike all others."""
        found = super().problems() + self._disobeyed[0].problems()
        recorded = self._agreement[1] + self._agreement[-1]
        for sign, findings in self._contradicted.items():
            few = self._agreement[sign] < (1 - NEARLY_ALL) * recorded + 1 < self._agreement[-sign]
            if few or _disobeys(self._travel[sign]):
                found += self._disobeyed[sign].problems()
            if few:
                found += findings.problems()
        return found

    def inferred(self) -> dict[str, Any]:
        """Polarity over all episodes, the travel in metres that it was measured on, and the lag of most commands."""
        each = sum(self._travel.values(), np.zeros(2))
        travel = float(each.sum())
        polarity = _polarity(each) if travel > DECISIVE_TRAVEL_M else None
        lag = self._lags.most_common(1)[0][0] if self._lags else None
        return {"gripper_polarity": polarity, "gripper_travel_m": travel, "gripper_lag_frames": lag}

    def convention(self) -> dict[str, Any]:
        """The numbers for open and closed, where nearly all episodes that have both agree."""
        if not self._values:
            return {}
        (opened, closed), count = self._values.most_common(1)[0]
        agreed = count >= NEARLY_ALL * self._values.total()
        return {"gripper_open": opened, "gripper_closed": closed} if agreed else {}

    def _vote_values(self, command: NDArray[np.float64], change: NDArray[np.float64], lag: int) -> None:
        """Note under which of two numbers the fingers open, whatever is declared."""
        low, high = float(command.min()), float(command.max())
        side = np.sign(command - (low + high) / 2)
        if low == high or (np.abs(command - np.where(side > 0, high, low)) > SAME_NUMBER).any():
            return
        travel = _travel(side, change, lag)
        if travel.sum() > DECISIVE_TRAVEL_M and abs(_polarity(travel)) > -CONTRADICTION:
            low, high = round(low, 5), round(high, 5)
            self._values[(high, low) if _polarity(travel) > 0 else (low, high)] += 1

    def _judge_lag(
        self,
        episode: Episode,
        opening: NDArray[np.float64],
        change: NDArray[np.float64],
        record: NDArray[np.float64] | None,
    ) -> int:
        """The lag of an episode's gripper commands; one that the arm's actions do not share is a finding."""
        declared = episode.spec.action_index
        lag = _recorded_lag(opening, record, declared) if record is not None else None
        if lag is None:
            lag = _late_lag(opening, change, declared)
        self._lags[lag] += 1
        if lag == declared or lag == motion_lag(episode):
            return lag
        late = lag - declared
        self.findings.add(
            "gripper-lag",
            episode.name,
            f"gripper commands come {abs(late)} frame(s) {'late' if late > 0 else 'early'} against the fingers, "
            "unlike the arm's actions",
            f"shift the gripper's commands by {-late:+d} frame(s)",
            confidence=0.9,
            evidence=_evidence(episode),
        )
        return lag

    def _add_disobeyed(self, episode: Episode, sign: int, confidence: float) -> None:
        """Note an episode whose fingers went the other way; judged when all are known, unless the `sign` is 0."""
        spec = episode.spec
        self._disobeyed[sign].add(
            "gripper-polarity",
            episode.name,
            f"the gripper closes under {spec.gripper_open:g}, declared as open, and opens under "
            f"{spec.gripper_closed:g}, declared as closed",
            "flip the sign of the gripper command, or swap gripper_open and gripper_closed in the SyncSpec",
            confidence=confidence,
            evidence=_evidence(episode),
        )

    def _add_contradicted(self, episode: Episode, sign: int) -> None:
        """Note how an episode's commands and the state's record of them agree; judged when all episodes are known."""
        self._contradicted[sign].add(
            "gripper-polarity",
            episode.name,
            "gripper commands are the opposite of the `gripper_command` in the state, unlike in most episodes",
            "flip the sign of these episodes' gripper commands",
            confidence=0.9,
        )


def _changes(episode: Episode) -> NDArray[np.float64]:
    """`[T - 1]` change of width in metres, 0 where the fingers do not really move and where frames are missing."""
    part = next(part for part in episode.spec.state_layout if part.name == "gripper_width")
    change = np.diff(episode.state[:, part.start]) * unit_size(episode.state, part)
    change[(np.abs(change) <= MOVING_M) | (np.diff(episode.frame_index) != 1)] = 0.0
    return change


def _record(episode: Episode) -> NDArray[np.float64] | None:
    """`[T - 1]` +-1, the last command as the state after each frame keeps it; 0 where the next frame is missing.

    None where the state keeps no such record.
    """
    spec = episode.spec
    part = next((part for part in spec.state_layout if part.name == "gripper_command"), None)
    if part is None:
        return None
    kept = episode.state[1:, part.start]
    middle = (spec.gripper_open + spec.gripper_closed) / 2
    known = np.diff(episode.frame_index) == 1
    return np.sign((kept - middle) * (spec.gripper_open - spec.gripper_closed)) * known


def _agreement(command: NDArray[np.float64], record: NDArray[np.float64], lag: int) -> int:
    """Whether commands equal the state's record of them (1) or its opposite (-1); 0 where neither is clear."""
    mean = float(np.mean(np.multiply(*aligned(command, record, lag))))
    return int(np.sign(mean)) if abs(mean) >= -CONTRADICTION else 0


def _recorded_lag(command: NDArray[np.float64], record: NDArray[np.float64], declared: int) -> int | None:
    """The lag at which commands and the state's record of them switch together; None where no lag explains them."""
    for lag in sorted({*LAGS, declared}, key=lambda lag: abs(lag - declared)):
        product = np.multiply(*aligned(command, record, lag))
        product = product[product != 0]
        if len(product) and (product == product[0]).all():
            return lag
    return None


def _late_lag(command: NDArray[np.float64], change: NDArray[np.float64], declared: int) -> int:
    """The lag by which fingers move before their command."""
    obeyed = abs(float(np.subtract(*_travel(command, change, declared))))
    if np.abs(change).sum() < max(CLEAR_GAIN * obeyed, obeyed + DECISIVE_TRAVEL_M / 2):
        return declared
    net = {lag: abs(float(np.subtract(*_travel(command, change, lag)))) for lag in LAGS if lag > declared}
    best = max(net, key=net.__getitem__)
    return best if net[best] > max(CLEAR_GAIN * obeyed, obeyed + DECISIVE_TRAVEL_M / 2) else declared


def _travel(command: NDArray[np.float64], change: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Travel of the fingers with and against the command at a lag: two numbers in metres."""
    switched = np.flatnonzero(np.diff(command, prepend=np.nan) != 0)  # the first frame counts as a new command
    frames = np.arange(len(command))
    since = frames - switched[np.searchsorted(switched, frames, side="right") - 1]
    obeyed = np.multiply(*aligned(np.where(since < STROKE_FRAMES, command, 0.0), change, lag))
    return np.array([obeyed.clip(min=0).sum(), -obeyed.clip(max=0).sum()])


def _disobeys(travel: NDArray[np.float64]) -> bool:
    """Whether fingers that moved by this travel clearly went against their commands."""
    return bool(travel.sum() > DECISIVE_TRAVEL_M and _polarity(travel) < CONTRADICTION)


def _polarity(travel: NDArray[np.float64]) -> float:
    """Polarity of a travel with and against the command; 0 where the fingers did not move."""
    return float((travel[0] - travel[1]) / max(travel.sum(), MOVING_M))


def _evidence(episode: Episode) -> Curves:
    """Command and width around the largest motion of the fingers."""
    width = episode.state[:, episode.spec.state_slice("gripper_width")][:, 0]
    middle = int(np.abs(np.diff(width)).argmax())
    shown = slice(max(0, middle - 15), middle + 16)
    return Curves(
        title="Gripper command and width of the fingers",
        x_label="frame",
        y_label="command, and width relative to the widest",
        x=list(range(len(width)))[shown],
        series={
            "command": episode.actions[shown, -1].tolist(),
            "width": (width[shown] / max(float(width.max()), 1e-9)).tolist(),
        },
    )
