"""The pipeline in order: record, audit, train, evaluate, report. `make demo` runs this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlasync.checks.audit import audit
from vlasync.checks.findings import ALL_EPISODES
from vlasync.checks.report.audit_report import AuditReport
from vlasync.errors import DatasetError
from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.evaluation.summary import evaluate_run
from vlasync.files import write_text
from vlasync.progress import console
from vlasync.recipes.demo import demo, demo_evaluation, demo_recording
from vlasync.recording import RecordingConfig, record
from vlasync.runs import timed
from vlasync.training.run import RunConfig, train

_ODD_SHARE = 0.01
"""Share of the episodes that the audit may name before nothing is trained on a recording: twice what it names."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What each stage of the pipeline is told."""

    recording: RecordingConfig
    training: RunConfig
    evaluation: EvaluationConfig


def demo_config(run: Path, *, workers: int = 2) -> DemoConfig:
    """The demo that `make demo` shows, with its data in `run/data`."""
    return DemoConfig(
        recording=demo_recording(run / "data", workers=workers),
        training=demo(),
        evaluation=demo_evaluation(workers=workers),
    )


def run_demo(config: DemoConfig, run: Path) -> Path:
    """Run every stage that is not finished yet; returns the report's path.

    Args:
        config: what each stage is told.
        run: folder for everything that the demo makes.

    Raises:
        DatasetError: the audit found more than single odd episodes in the fresh recording; nothing is trained on it.
    """
    with timed(run, "record"):
        data = record(config.recording)
    with timed(run, "audit"):
        report = audit(data)
        write_text(run / "audit.json", report.to_json())
    found = f"{data}: the audit found {len(report.problems)} problems in {report.episodes:,} episodes"
    if not is_sound(report):
        raise DatasetError(f"{found}; see `vlasync check {data}`")
    if report.problems:
        console.print(f"{found}, each in a few of them: trains nevertheless; see vlasync check {data}")
    with timed(run, "train"):
        train(config.training, data, run)
    return evaluate_run(run, config.evaluation, command="make demo")


def is_sound(report: AuditReport) -> bool:
    """Whether a recording is as it should be, but for single odd episodes.

    Bursts push the hand wherever they like: out of a camera's view, where its images stand still while it moves, or
    against a block that then falls over. Some of 1,200 demonstrations look wrong therefore.
    """
    odd = sum(problem.count for problem in report.problems)
    common = any(problem.where.startswith(ALL_EPISODES) for problem in report.problems)
    return report.exit_code < 2 and not common and odd <= _ODD_SHARE * report.episodes  # 2: unreadable
