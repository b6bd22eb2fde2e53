"""Writes down what the numbers say where a dataset declares something else."""

from __future__ import annotations

from vlasync.checks.report.audit_report import AuditReport, PartReport
from vlasync.data.declaration import declare
from vlasync.spec import Difference, SyncSpec


def fix_spec(report: AuditReport) -> list[str]:
    """Replace what a dataset declares by the convention that all its evidence agrees on.

    Fields on which the numbers do not tell, or tell different things in different episodes, are left as they are. The
    numbers themselves are never changed.

    Args:
        report: an audit of a dataset on disk.

    Returns:
        One line for each field that was changed, or one that says that none was.

    Raises:
        DatasetError: the declaration cannot be written.
    """
    lines = []
    for part in report.parts:
        spec = part.summary.spec
        if part.path is None or spec is None or not (changes := corrections(part)):
            continue
        file = declare(part.path, spec.replace(**{change.field: change.theirs for change in changes}))
        lines += [f"{file}: {change.field}: {change.ours!r} -> {change.theirs!r}" for change in changes]
    return lines or ["the SyncSpec stays as it is: the numbers call for nothing else"]


def corrections(part: PartReport) -> list[Difference]:
    """Fields whose declaration (`ours`) is not what the numbers call for (`theirs`)."""
    spec: SyncSpec | None = part.summary.spec
    return [] if spec is None else spec.difference(spec.replace(**part.convention))
