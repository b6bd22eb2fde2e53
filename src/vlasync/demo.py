"""The pipeline in order: record, audit, train, evaluate, report. `make demo` runs this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlasync.checks.audit import audit
from vlasync.errors import DatasetError
from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.evaluation.summary import evaluate_run
from vlasync.files import write_text
from vlasync.recipes.demo import demo, demo_evaluation, demo_recording
from vlasync.recording import RecordingConfig, record
from vlasync.runs import timed
from vlasync.training.run import RunConfig, train


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
        DatasetError: the audit found a problem in the fresh recording; nothing is trained on it.
    """
    with timed(run, "record"):
        data = record(config.recording)
    with timed(run, "audit"):
        report = audit(data)
        write_text(run / "audit.json", report.to_json())
    if report.exit_code:
        raise DatasetError(f"{data}: the audit found {len(report.problems)} problems; see `vlasync check {data}`")
    with timed(run, "train"):
        train(config.training, data, run)
    return evaluate_run(run, config.evaluation, command="make demo")
