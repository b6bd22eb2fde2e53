"""What the audit found, as a table for people and as JSON for scripts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlasync.checks.findings import Problem
from vlasync.checks.replay.replay_report import ReplayReport
from vlasync.checks.report.summary import Summary

UNREADABLE = frozenset({"unreadable", "unsafe-file"})
"""Codes of problems that kept the audit from seeing the data."""


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """What was learnt about a dataset, or about one of its splits.

    Attributes:
        name: of the split; empty for a dataset in one part.
        path: its folder; None for episodes that were already open.
        episodes: number of episodes there, those that could not be read or were not asked for included.
        summary: what was looked at.
        inferred: what the numbers say about their own convention: lag, residual at each lag, gripper polarity.
        convention: SyncSpec fields that the numbers call for, whatever is declared.
        replay: what replaying the recorded actions came to, where that was asked for.
    """

    name: str
    path: Path | None
    episodes: int
    summary: Summary
    inferred: Mapping[str, Any]
    convention: Mapping[str, Any]
    replay: ReplayReport | None = None


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome of an audit.

    Attributes:
        problems: what is wrong, unreadable files first.
        parts: the dataset, or its splits; none where nothing could be opened.
        sampled: not all episodes were asked for.
    """

    problems: tuple[Problem, ...]
    parts: tuple[PartReport, ...]
    sampled: bool = False

    @property
    def exit_code(self) -> int:
        """0 nothing found, 1 problems, 2 data that cannot be read."""
        if any(problem.code in UNREADABLE for problem in self.problems):
            return 2
        return 1 if self.problems else 0

    @property
    def frames(self) -> int:
        """Number of frames that were checked."""
        return sum(part.summary.frames for part in self.parts)

    @property
    def episodes(self) -> int:
        """Number of episodes, those that could not be read included."""
        return sum(part.episodes for part in self.parts)

    @property
    def inferred(self) -> Mapping[str, Any]:
        """What the numbers say about themselves; by split where there are several."""
        return self._of_parts("inferred")

    @property
    def convention(self) -> Mapping[str, Any]:
        """The SyncSpec fields that the numbers call for; by split where there are several."""
        return self._of_parts("convention")

    def to_json(self) -> str:
        """JSON: `problems` (`code`, `where`, `count`, `confidence`, `message`, `advice`), `frames` and so on.

        Evidence is for the eye and stays out; `replay` is there where there was one.
        """
        record = {name: getattr(self, name) for name in ("frames", "episodes", "sampled", "inferred", "convention")}
        if any(part.replay for part in self.parts):
            record["replay"] = self._of_parts("replay")
        problems = [_fields(problem, leave_out="evidence") for problem in self.problems]
        return json.dumps({"problems": problems, **record}, indent=2, default=_plain)

    def _of_parts(self, field: str) -> Any:
        if len(self.parts) == 1:
            return getattr(self.parts[0], field)
        return {part.name: getattr(part, field) for part in self.parts}


def print_report(report: AuditReport, console: Console) -> None:
    """Print a table of problems, what was inferred, and one line that says how it stands."""
    if report.problems:
        console.print(_table(report.problems))
    for part in report.parts:
        for name, value in part.inferred.items():
            label = f"{part.name} {name}".lstrip()
            console.print(Text(f"{label}: {readable(value)}", style="dim"))
    console.print(verdict(report))


def verdict(report: AuditReport) -> Text:
    """How it stands, in one line."""
    count = len(report.problems)
    text = Text(f"{count or 'no'} problem{'' if count == 1 else 's'}", style="bold red" if count else "bold green")
    return text.append(f" in {looked_at(report)}", style="not bold default")


def looked_at(report: AuditReport) -> str:
    """`480 frames of 12 episodes`, and out of how many where it was a sample."""
    checked = sum(part.summary.episodes for part in report.parts)
    if report.sampled:
        return f"{report.frames:,} frames of {checked:,} episodes, spread over {report.episodes:,}"
    return f"{report.frames:,} frames of {report.episodes:,} episodes"


def readable(value: Any) -> str:
    """A number with few digits, a mapping or a list on one line; in brackets where it stands within another."""

    def within(item: Any) -> str:
        return f"({readable(item)})" if isinstance(item, Mapping | list | tuple) else readable(item)

    match value:
        case None:
            return "not told"
        case float():
            return f"{value:.3g}"
        case Mapping():
            return ", ".join(f"{name}: {within(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(map(within, value))
    return str(value)


def _table(problems: Sequence[Problem]) -> Table:
    """One row for each problem; codes are never cut, so that they can be searched for."""
    table = Table(show_lines=True, expand=True)
    table.add_column("problem", no_wrap=True)
    table.add_column("what is wrong, where, and what to do", ratio=1)
    for problem in problems:
        places = f"{problem.count:,} place{'' if problem.count == 1 else 's'}"
        code = Text(problem.code, style="bold red").append(
            f"\n{places}\n{problem.confidence:.0%} sure", style="not bold dim"
        )
        what = (
            Text(problem.message).append(f"\n{problem.where}", style="cyan").append(f"\n{problem.advice}", style="dim")
        )
        table.add_row(code, what)
    return table


def _fields(record: Any, *, leave_out: str) -> dict[str, Any]:
    """A record's fields, but one."""
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record) if field.name != leave_out}


def _plain(value: Any) -> Any:
    """What JSON has no word for: records, mappings and numbers of numpy."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return np.asarray(value).tolist()
