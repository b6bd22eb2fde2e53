"""What a run achieved, as records and as `results.json`: success with intervals, baselines, timings, provenance.

The report page, the terminal table and every later comparison are made from the one record `EvaluationResults`.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from scipy.stats import binomtest

from vlasync.evaluation.saved import SavedRecord
from vlasync.spec import SyncSpec

VERSIONED_PACKAGES = ("vlasync", "torch", "transformers", "mujoco")


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a success rate, which stays inside [0, 1] and keeps its coverage near 0 % and 100 %.

    Args:
        successes: number of successful trials.
        trials: number of trials, at least 1.
        confidence: probability that the interval covers the true rate.

    Returns:
        Lower and upper bound, as fractions.

    Raises:
        ValueError: if there are no trials or more successes than trials.
    """
    interval = binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class TaskResult:
    """How often one task succeeded."""

    task: str
    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials < 1:
            raise ValueError(f"{self.task}: {self.successes} successes in {self.trials} trials cannot be")

    @property
    def rate(self) -> float:
        """Share of successful trials, 0 to 1."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the rate."""
        return wilson_interval(self.successes, self.trials)

    def to_dict(self) -> dict[str, float]:
        """Counts and interval, as result files show them under the task's name."""
        low, high = self.interval
        return {"successes": self.successes, "trials": self.trials, "low": low, "high": high}


@dataclass(frozen=True)
class CurvePoint:
    """Mean success over all tasks after a training time, over `trials` rollouts in all."""

    train_minutes: float
    mean_success: float
    trials: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the mean, its rollouts pooled."""
        return wilson_interval(round(self.mean_success * self.trials), self.trials)


@dataclass(frozen=True, kw_only=True)
class TrainablePart:
    """How many parameters of one part of the model train, and how many it has."""

    part: str
    trainable: int
    total: int


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """One logged step: the loss, its two terms before weighting, and the validation loss where it was measured."""

    step: int
    minutes: float
    loss: float
    pose: float
    gripper: float
    validation_loss: float | None = None


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in VERSIONED_PACKAGES
    }


_VECTORS = {"amx_tile": "AMX", "avx512_f": "AVX-512", "avx2": "AVX2"}
"""Names of what a processor multiplies with, the fastest first. One core trains the laptop recipe on 636 frames a
second where it has AVX-512, and on 190 where AVX2 is all it has."""


def describe_machine() -> str:
    """GPU, cores and what they multiply with: what a timing cannot be read without."""
    capabilities = torch.cpu.get_capabilities()
    vectors = [name for flag, name in _VECTORS.items() if capabilities.get(flag)][:1]
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    return ", ".join([*gpu, f"{os.cpu_count()} CPU cores", platform.machine(), *vectors])


@dataclass(frozen=True, kw_only=True)
class EvaluationResults(SavedRecord):
    """Everything that a run's report says.

    Attributes:
        tasks: the trained policy on unseen starts and held-out sentences, per task.
        untrained: the same rollouts with the policy before training; empty where it was not run.
        swapped_instruction: the trained policy given the sentence of another task; a success here is the task of the
            start solved although it was not asked for.
        curve: mean success against training time.
        stage_minutes: wall time per stage, in the order in which the stages ran.
        seeds: seed per purpose.
        spec: SyncSpec of the policy.
        audit: the audit of the demonstrations, as `vlasync check --json` writes it.
        trainable: parameters by part.
        training_log: the logged steps, oldest first.
        conversions: conversions between SyncSpecs made on the way, one sentence each.
        versions: package -> version.
        machine: where it ran.
        command: what makes these results again.
    """

    kind = "the results of a run"
    remedy = "evaluate the run again"

    tasks: tuple[TaskResult, ...]
    untrained: tuple[TaskResult, ...]
    swapped_instruction: tuple[TaskResult, ...]
    curve: tuple[CurvePoint, ...]
    stage_minutes: Mapping[str, float]
    seeds: Mapping[str, int]
    spec: SyncSpec
    audit: Mapping[str, Any]
    trainable: tuple[TrainablePart, ...]
    training_log: tuple[TrainingRow, ...]
    conversions: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    machine: str = field(default_factory=describe_machine)
    command: str = "vlasync demo"

    def __post_init__(self) -> None:
        names = [result.task for result in self.tasks]
        if not names:
            raise ValueError("results of no task at all: evaluate at least one")
        for label in ("untrained", "swapped_instruction"):
            others = [result.task for result in getattr(self, label)]
            if others and others != names:
                raise ValueError(f"{label}: tasks {others}, expected those of the trained policy {names}")

    @property
    def mean_success(self) -> float:
        """Mean over tasks of the trained policy's success rate."""
        return float(np.mean([result.rate for result in self.tasks]))

    @property
    def untrained_mean_success(self) -> float | None:
        """Mean over tasks before training, or None where it was not run."""
        return _mean(self.untrained)

    @property
    def swapped_instruction_mean_success(self) -> float | None:
        """Mean over tasks under another task's sentence, or None where it was not run."""
        return _mean(self.swapped_instruction)

    @property
    def weakest(self) -> TaskResult:
        """The task with the lowest success rate."""
        return min(self.tasks, key=lambda result: result.rate)

    def to_json(self) -> str:
        """JSON text; derived figures (means, intervals) are written for readers and recomputed on the way back."""
        baselines = {"untrained": self.untrained, "swapped": self.swapped_instruction}
        tasks = {
            result.task: result.to_dict()
            | {label: others[row].to_dict() for label, others in baselines.items() if others}
            for row, result in enumerate(self.tasks)
        }
        return json.dumps(
            {
                "mean_success": self.mean_success,
                "untrained_mean_success": self.untrained_mean_success,
                "swapped_instruction_mean_success": self.swapped_instruction_mean_success,
                "tasks": tasks,
                "curve": [dataclasses.asdict(point) for point in self.curve],
                "minutes": dict(self.stage_minutes),
                "seeds": dict(self.seeds),
                "versions": dict(self.versions),
                "machine": self.machine,
                "command": self.command,
                "trainable": [dataclasses.asdict(part) for part in self.trainable],
                "conversions": list(self.conversions),
                "audit": dict(self.audit),
                "spec": json.loads(self.spec.to_json()),
                "training_log": [dataclasses.asdict(row) for row in self.training_log],
            },
            indent=2,
        )

    @classmethod
    def from_plain(cls, raw: dict[str, Any]) -> Self:
        """See `SavedRecord`."""
        return cls(**_fields(raw))


def _mean(results: Sequence[TaskResult]) -> float | None:
    return float(np.mean([result.rate for result in results])) if results else None


DERIVED = ("mean_success", "untrained_mean_success", "swapped_instruction_mean_success")


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `EvaluationResults` from the parsed JSON; consumes `raw`, so that what is left is unknown."""
    tasks = raw.pop("tasks")
    for name in DERIVED:
        raw.pop(name)
    arguments = {
        "tasks": _task_results(tasks),
        "untrained": _task_results({task: row["untrained"] for task, row in tasks.items() if "untrained" in row}),
        "swapped_instruction": _task_results({task: row["swapped"] for task, row in tasks.items() if "swapped" in row}),
        "curve": tuple(CurvePoint(**point) for point in raw.pop("curve")),
        "stage_minutes": raw.pop("minutes"),
        "spec": SyncSpec.from_json(json.dumps(raw.pop("spec"))),
        "trainable": tuple(TrainablePart(**part) for part in raw.pop("trainable")),
        "training_log": tuple(TrainingRow(**row) for row in raw.pop("training_log")),
        "conversions": tuple(raw.pop("conversions")),
    }
    # The rest goes in under its own name: the constructor refuses what it does not know.
    return arguments | {name: raw.pop(name) for name in ("seeds", "versions", "machine", "command", "audit")} | raw


def _task_results(rows: Mapping[str, Any]) -> tuple[TaskResult, ...]:
    return tuple(TaskResult(task, row["successes"], row["trials"]) for task, row in rows.items())
