"""What replays of a dataset came to: how far each representation strays, and the tasks it solves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation


@dataclass
class Strays:
    """Distances between two series of TCP poses, as sums, so that many series add up.

    Attributes:
        count: number of poses compared.
        millimetres: sum of distances.
        degrees: sum of angles.
        max_millimetres: largest distance.
        max_degrees: largest angle.
    """

    count: int = 0
    millimetres: float = 0.0
    degrees: float = 0.0
    max_millimetres: float = 0.0
    max_degrees: float = 0.0

    @classmethod
    def between(cls, poses: NDArray[np.float64], others: NDArray[np.float64]) -> Self:
        """Of poses `[T, 6]`: metres and extrinsic xyz Euler angles in radians, world axes."""
        if not len(poses):
            return cls()
        apart = 1000.0 * np.linalg.norm(poses[:, :3] - others[:, :3], axis=1)
        turn = Rotation.from_euler("xyz", poses[:, 3:]) * Rotation.from_euler("xyz", others[:, 3:]).inv()
        turned = np.degrees(turn.magnitude())
        return cls(len(poses), float(apart.sum()), float(turned.sum()), float(apart.max()), float(turned.max()))

    def merge(self, other: Strays) -> None:
        """Take in the distances of another series."""
        self.count += other.count
        self.millimetres += other.millimetres
        self.degrees += other.degrees
        self.max_millimetres = max(self.max_millimetres, other.max_millimetres)
        self.max_degrees = max(self.max_degrees, other.max_degrees)

    def deviation(self) -> Deviation:
        """Means and maxima."""
        count = max(self.count, 1)
        return Deviation(
            mean_mm=self.millimetres / count,
            max_mm=self.max_millimetres,
            mean_degrees=self.degrees / count,
            max_degrees=self.max_degrees,
        )


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How far the TCP was from where it was compared to be, over all steps."""

    mean_mm: float
    max_mm: float
    mean_degrees: float
    max_degrees: float


@dataclass(frozen=True, kw_only=True)
class ReplayRow:
    """What one representation came to.

    Attributes:
        representation: how the actions were written.
        solved: spans whose task was achieved.
        from_recording: deviation from the recorded poses.
        from_replay: deviation from the replay of `same_as`: what the way of writing alone changes.
        same_as: the representation whose replay this one should repeat.
    """

    representation: str
    same_as: str
    solved: int
    from_recording: Deviation
    from_replay: Deviation


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What the replays of a dataset came to.

    Attributes:
        environment: where the actions were replayed.
        spans: annotated spans that were replayed.
        judged: those whose task the environment can judge.
        rows: one for each representation, the recorded one first.
    """

    environment: str
    spans: int
    judged: int
    rows: tuple[ReplayRow, ...]


@dataclass
class _Counts:
    """One representation's sums."""

    solved: int = 0
    judged: int = 0
    recording: Strays = field(default_factory=Strays)
    replay: Strays = field(default_factory=Strays)


class Tally:
    """Counts replays; of constant size, and its parts can be merged."""

    def __init__(self) -> None:
        self.spans = 0
        self._counts: dict[tuple[str, str], _Counts] = {}

    def add(self, names: tuple[str, str], *, judged: bool, solved: bool, recording: Strays, replay: Strays) -> None:
        """Count the replay of one span; `names` are the representation and the one that it should repeat."""
        self._join(names, _Counts(solved=int(solved), judged=int(judged), recording=recording, replay=replay))

    def merge(self, other: Tally) -> None:
        """Take in what another tally counted."""
        self.spans += other.spans
        for names, counts in other._counts.items():
            self._join(names, counts)

    def status(self) -> str:
        """How the recorded actions fare so far, for a progress bar."""
        counts = next(iter(self._counts.values()), _Counts())
        return f"{counts.solved}/{counts.judged} solved as recorded"

    def report(self, *, environment: str) -> ReplayReport:
        """What it all came to."""
        return ReplayReport(
            environment=environment,
            spans=self.spans,
            judged=max((counts.judged for counts in self._counts.values()), default=0),
            rows=tuple(
                ReplayRow(
                    representation=name,
                    same_as=same_as,
                    solved=counts.solved,
                    from_recording=counts.recording.deviation(),
                    from_replay=counts.replay.deviation(),
                )
                for (name, same_as), counts in self._counts.items()
            ),
        )

    def _join(self, names: tuple[str, str], other: _Counts) -> None:
        counts = self._counts.setdefault(names, _Counts())
        counts.solved += other.solved
        counts.judged += other.judged
        counts.recording.merge(other.recording)
        counts.replay.merge(other.replay)


HEADINGS = ("actions written as", "solved", "recording mm", "recording °", "replay mm", "replay °")
"""Of `replay_rows`; `legend` says what they mean."""


def replayed(report: ReplayReport) -> str:
    """What was replayed, in a few words."""
    spans = "span" if report.spans == 1 else "spans"
    return f"{report.spans:,} annotated {spans} replayed on the {report.environment}"


def legend(report: ReplayReport) -> str:
    """What stands under `HEADINGS`."""
    first = report.rows[0].representation
    others = "".join(
        f", for `{row.representation}` from `{row.same_as}`" for row in report.rows if row.same_as != first
    )
    return (
        f"how far the TCP is from the recording, and from the replay `{first}`{others}: mean (largest) over all steps"
    )


def replay_rows(report: ReplayReport) -> list[tuple[str, ...]]:
    """One row of readable text under `HEADINGS` for each representation."""
    return [
        (
            row.representation,
            f"{row.solved:,}/{report.judged:,}",
            *_readable(row.from_recording),
            *(("", "") if row.same_as == row.representation else _readable(row.from_replay)),
        )
        for row in report.rows
    ]


def print_replay(report: ReplayReport, console: Console, *, of: str = "") -> None:
    """Print a table, `of` a split by its name: tasks solved, and mean and largest deviation of the TCP."""
    title = f"{replayed(report)}{f', {of}' if of else ''}"
    table = Table(title=title, caption=legend(report), box=None, header_style="dim", pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == HEADINGS[0] else "right")
    for row in replay_rows(report):
        table.add_row(*row)
    console.print(table)


def _readable(found: Deviation) -> tuple[str, str]:
    """Millimetres and degrees, each as mean and maximum."""
    return f"{found.mean_mm:.2f} ({found.max_mm:.1f})", f"{found.mean_degrees:.2f} ({found.max_degrees:.1f})"
