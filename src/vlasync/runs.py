"""Where things lie in a run folder.

run/recipe.json                 what was asked for
run/compute.json                how the VLM was computed
run/untrained/                  the VLA before its first step, for the baseline
run/checkpoints/<step>/         the policy after that many steps, and what a resume needs
run/metrics.jsonl               one line per logged step
run/evaluation/                 outcomes of rollouts, one line each
run/results.json, report.html   what came of it
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vlasync.errors import CheckpointError
from vlasync.files import write_text


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One logged optimiser step.

    Attributes:
        step: optimiser steps done.
        minutes: minutes of training so far, over all restarts.
        loss: mean of the total loss since the last line.
        pose: mean of the pose term.
        gripper: mean of the gripper term, before its weight.
        learning_rate: of this step.
        gradient_norm: global L2 norm before clipping.
        frames_per_second: frames (not windows) seen per second since the last line, over all processes.
        validation_loss: total loss of the averaged weights on held-out episodes, where it was measured.
        mfu: model FLOPs utilisation since the last line: the floating point operations that the steps need over those
            that a matrix product on the same device would have done in that time; None in runs of before it was logged.
    """

    step: int
    minutes: float
    loss: float
    pose: float
    gripper: float
    learning_rate: float
    gradient_norm: float
    frames_per_second: float
    validation_loss: float | None = None
    mfu: float | None = None


def checkpoint_folders(run: Path) -> list[Path]:
    """Whole checkpoints of a run, oldest first."""
    return sorted(folder for folder in (run / "checkpoints").glob("[0-9]*") if folder.is_dir())


def latest_checkpoint(run: Path) -> Path:
    """The newest whole checkpoint of a run, or `run` itself if it is a checkpoint."""
    if (run / "spec.json").is_file():
        return run
    folders = checkpoint_folders(run)
    if not folders:
        raise CheckpointError(f"{run}: no checkpoint there; expected a run folder that holds checkpoints/<step>/")
    return folders[-1]


def read_metrics(path: Path) -> list[LogLine]:
    """All whole lines of a `metrics.jsonl`; a last line torn by a crash is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [LogLine(**json.loads(line)) for line in lines if line.endswith("\n")]


def minutes_of(checkpoint: Path) -> float:
    """Minutes of training that a checkpoint had behind it; 0 for an untrained policy."""
    record = checkpoint / "training.json"
    return float(json.loads(record.read_text())["minutes"]) if record.is_file() else 0.0


@contextmanager
def timed(run: Path, stage: str) -> Iterator[None]:
    """Add the minutes that the block takes to `run/minutes.json`, over all restarts."""
    started = time.monotonic()
    try:
        yield
    finally:
        minutes = read_minutes(run)
        minutes[stage] = minutes.get(stage, 0.0) + (time.monotonic() - started) / 60.0
        write_text(run / "minutes.json", json.dumps(minutes, indent=2))


def read_minutes(run: Path) -> dict[str, float]:
    """Minutes per stage of a run so far, in the order in which the stages first ran."""
    record = run / "minutes.json"
    return json.loads(record.read_text()) if record.is_file() else {}
