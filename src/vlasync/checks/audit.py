"""The audit: every detector over every episode, of one dataset or of its splits beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlasync.checks.detectors import AuditConfig
from vlasync.checks.findings import Findings
from vlasync.checks.leakage import LeakageCheck, compare
from vlasync.checks.report.audit_report import AuditReport, PartReport
from vlasync.checks.survey import Part, Survey, chosen, note, survey
from vlasync.data.open import SPLITS, open_dataset, split_folders
from vlasync.errors import DatasetError, VlasyncError
from vlasync.progress import stage
from vlasync.types import Episode


def audit(data: Path | str | Sequence[Episode], config: AuditConfig | None = None) -> AuditReport:
    """Check whether image, text, state and action of a dataset are in step and mean what they claim.

    Episodes are read one at a time. An episode that cannot be read becomes a problem of its own and the audit goes on.

    Args:
        data: a training store or CALVIN split, a folder with two of them named `training` and `validation`, or
            episodes that are already open.
        config: what to look at; everything by default.

    Returns:
        What was found; never raises for what is wrong with the data.

    Raises:
        VlasyncError: a setting makes no sense.
    """
    config = config or AuditConfig()
    _require_sense(config)
    unopened = Findings()
    parts = _open(data, unopened)
    problems, reports, marks = unopened.problems(), [], {part.name: LeakageCheck() for part in parts}
    with stage("audit", sum(len(chosen(len(part.episodes), config.sample)) for part in parts)) as progress:
        for part in parts:
            found = survey(part, config, [marks[part.name]] if len(parts) > 1 else [], progress)
            problems += found.problems()
            reports.append(_report(part, found))
    if len(parts) > 1:
        problems += compare(*(marks[name] for name in SPLITS)).problems()
    sampled = config.sample is not None and any(config.sample < len(part.episodes) for part in parts)
    return AuditReport(problems=tuple(problems), parts=tuple(reports), sampled=sampled)


def _require_sense(config: AuditConfig) -> None:
    for name, value in (("sample", config.sample), ("workers", config.workers), ("window_size", config.window_size)):
        if value is not None and value < 1:
            raise VlasyncError(f"{name} is {value}, expected at least 1")


def _open(data: Path | str | Sequence[Episode], findings: Findings) -> list[Part]:
    """The parts of `data`; a finding for each that cannot be opened at all."""
    if not isinstance(data, Path | str):
        return [Part(name="", path=None, episodes=data)]
    parts = []
    for name, path in split_folders(Path(data)).items():
        try:
            parts.append(Part(name=name, path=path, episodes=open_dataset(path)))
        except DatasetError as error:
            note(error, findings)
    return parts


def _report(part: Part, found: Survey) -> PartReport:
    return PartReport(
        name=part.name,
        path=part.path,
        episodes=len(part.episodes),
        summary=found.tally.summary(),
        inferred=found.inferred(),
        convention=found.convention(),
    )
