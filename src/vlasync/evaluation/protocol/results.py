"""What an evaluation by chains achieved: average length, success at 1 to 5, success per task, all with intervals."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from vlasync.envs.playtable.tasks import TASKS
from vlasync.envs.simulators import simulator_name
from vlasync.evaluation.chains import CHAIN_LENGTH
from vlasync.evaluation.protocol.outcomes import ChainOutcome
from vlasync.evaluation.results import TaskResult, describe_machine, installed_versions
from vlasync.evaluation.saved import SavedRecord

RESAMPLES = 10_000
"""Resamples of the bootstrap."""


@dataclass(frozen=True, kw_only=True)
class ChainResults(SavedRecord):
    """All outcomes of an evaluation, and how they came about.

    Attributes:
        outcomes: one per chain, in order of their numbers.
        driver: who drove, see `vlasync.evaluation.protocol.actors.Driver`.
        checkpoint: name of the checkpoint; empty for the expert.
        scene: of the simulator's four.
        simulator: which one, as reports call it.
        execution: what of the predicted chunks was executed.
        max_steps: control steps per task.
        versions: package -> version.
        machine: where the last chain ran.
        command: what makes these results again.
    """

    kind = "the results of chains"
    remedy = "run the evaluation again, its finished chains are kept"

    outcomes: tuple[ChainOutcome, ...]
    driver: str
    checkpoint: str
    scene: str
    simulator: str = simulator_name(None)
    execution: str
    max_steps: int
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    machine: str = field(default_factory=describe_machine)
    command: str

    def __post_init__(self) -> None:
        numbers = [outcome.index for outcome in self.outcomes]
        if not numbers or numbers != sorted(set(numbers)):
            raise ValueError(f"outcomes: expected at least one, each chain once and in order; got numbers {numbers}")

    @property
    def lengths(self) -> list[int]:
        """Tasks solved in a row, per chain."""
        return [outcome.solved for outcome in self.outcomes]

    @property
    def average_length(self) -> float:
        """Mean number of tasks solved in a row, 0 to 5: CALVIN's headline number."""
        return float(np.mean(self.lengths))

    @property
    def average_length_interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the average length over chains (percentiles of `RESAMPLES` resamples, seed 0)."""
        # A resample of n chains is a multinomial draw of how many of them have each length.
        counts = np.bincount(self.lengths, minlength=CHAIN_LENGTH + 1)
        resampled = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), RESAMPLES)
        low, high = np.percentile(resampled @ np.arange(len(counts)) / counts.sum(), [2.5, 97.5])
        return float(low), float(high)

    @property
    def success_at(self) -> tuple[TaskResult, ...]:
        """Chains with at least 1, 2, ... 5 tasks solved, among all."""
        return tuple(
            TaskResult(str(least), sum(length >= least for length in self.lengths), len(self.lengths))
            for least in range(1, CHAIN_LENGTH + 1)
        )

    @property
    def tasks(self) -> tuple[TaskResult, ...]:
        """Success of each task among the chains that got to it, in the order of CALVIN's task ids."""
        begun = Counter(task for outcome in self.outcomes for task in outcome.tasks[: len(outcome.steps)])
        solved = Counter(task for outcome in self.outcomes for task in outcome.tasks[: outcome.solved])
        return tuple(TaskResult(task, solved[task], begun[task]) for task in TASKS if begun[task])

    def to_json(self) -> str:
        """The results as JSON; what follows from the outcomes is written too, for readers of the file."""
        summary = {
            "average_length": self.average_length,
            "average_length_interval": self.average_length_interval,
            "success_at": [result.to_dict() for result in self.success_at],
            "tasks": {result.task: result.to_dict() for result in self.tasks},
        }
        return json.dumps({"summary": summary} | dataclasses.asdict(self), indent=1)

    @classmethod
    def from_plain(cls, raw: dict[str, Any]) -> Self:
        """See `SavedRecord`."""
        del raw["summary"]
        outcomes = tuple(ChainOutcome.from_plain(outcome) for outcome in raw.pop("outcomes"))
        return cls(outcomes=outcomes, **raw)
