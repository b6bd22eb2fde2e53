"""The pipeline in order: record, audit, train, evaluate, report. `make demo` runs this."""

from __future__ import annotations

from pathlib import Path

from vlasync.checks.audit import audit
from vlasync.errors import DatasetError
from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.evaluation.summary import evaluate_run
from vlasync.files import write_text
from vlasync.recipes.demo import DEMO_TASKS, demo, demo_recording
from vlasync.recording import record
from vlasync.runs import timed
from vlasync.training.run import train


def run_demo(run: Path, *, workers: int = 2) -> Path:
    """Run every stage that is not finished yet; returns the report's path.

    Args:
        run: folder for everything that the demo makes.
        workers: processes for recording and evaluation.

    Raises:
        DatasetError: the audit found a problem in the fresh recording; nothing is trained on it.
    """
    data = run / "data"
    with timed(run, "record"):
        record(demo_recording(data, workers=workers))
    with timed(run, "audit"):
        report = audit(data)
        write_text(run / "audit.json", report.to_json())
    if report.exit_code:
        raise DatasetError(f"{data}: the audit found {len(report.problems)} problems; see `vlasync check {data}`")
    with timed(run, "train"):
        train(demo(), data, run)
    config = EvaluationConfig(tasks=DEMO_TASKS, workers=workers)
    return evaluate_run(run, config, command="make demo")
