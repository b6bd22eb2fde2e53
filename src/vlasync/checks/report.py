"""What the audit found, as a table for people and as JSON for scripts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlasync.checks.findings import Problem

UNREADABLE = frozenset({"unreadable", "unsafe-file"})
"""Codes of problems that kept the audit from seeing the data."""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome of an audit.

    Attributes:
        problems: what is wrong, unreadable files first.
        frames: number of frames that were checked.
        episodes: number of episodes, those that could not be read included.
        inferred: what the numbers say about their own convention: lag, residual at each lag, gripper polarity.
    """

    problems: tuple[Problem, ...]
    frames: int
    episodes: int
    inferred: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 nothing found, 1 problems, 2 data that cannot be read."""
        if any(problem.code in UNREADABLE for problem in self.problems):
            return 2
        return 1 if self.problems else 0

    def to_json(self) -> str:
        """JSON: `problems` (`code`, `where`, `count`, `confidence`, `message`, `advice`), `frames` and so on.

        Evidence is for the eye and stays out.
        """
        record = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return json.dumps(record | {"problems": [_without_evidence(problem) for problem in self.problems]}, indent=2)


def _without_evidence(problem: Problem) -> dict[str, Any]:
    return {
        field.name: getattr(problem, field.name) for field in dataclasses.fields(problem) if field.name != "evidence"
    }


def print_report(report: AuditReport, console: Console) -> None:
    """Print a table of problems, what was inferred, and one line that says how it stands."""
    if report.problems:
        table = Table("problem", "where", "what is wrong, and what to do", "confidence", show_lines=True)
        for problem in report.problems:
            what = Text(problem.message).append(f"\n{problem.advice}", style="dim")
            table.add_row(Text(problem.code, style="bold red"), Text(problem.where), what, f"{problem.confidence:.2f}")
        console.print(table)
    for name, value in report.inferred.items():
        console.print(Text(f"{name}: {_readable(value)}", style="dim"))
    count = len(report.problems)
    verdict = Text(f"{count or 'no'} problem{'' if count == 1 else 's'}", style="bold red" if count else "bold green")
    console.print(
        verdict.append(f" in {report.frames:,} frames of {report.episodes:,} episodes", style="not bold default")
    )


def _readable(value: Any) -> str:
    """A number with few digits, a mapping on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_readable(item)}" for name, item in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)
