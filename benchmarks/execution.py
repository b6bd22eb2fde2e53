"""What of the predicted chunks to execute: success, steps and latency of each kind, on one trained run.

    python benchmarks/execution.py RUN [--trials 20] [--tasks open_drawer close_drawer] [--write]

The same starts and held-out sentences for every kind. Latency is the policy's time per control step, on one CPU thread
or on the GPU: the mean tells what a rollout costs, the slowest of twenty steps what a robot has to wait for. A policy
with a memory is shown every frame, so that an open loop saves it no time; one without is asked for new chunks only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from figures import keep
from sections import write_section
from vlasync.envs.playtable import PlayTable
from vlasync.evaluation.report import percent
from vlasync.evaluation.results import TaskResult
from vlasync.evaluation.rollout import Outcome, plan_trials, rollout
from vlasync.evaluation.summary import recorded_tasks
from vlasync.execution import Execution
from vlasync.policy import Policy
from vlasync.types import ActionChunk, Observation

KINDS = ("first", "open_loop:2", "open_loop:3", "open_loop:5", "ensemble", "ensemble:0.5")
SEED = 1_000_003
HEADINGS = ("execution", "solved", "steps", "ms per step", "slowest of 20, ms")
PAGE = Path(__file__).parents[1] / "docs" / "calvin.md"


class TimedPolicy:
    """A policy that notes how long it took, prediction by prediction."""

    def __init__(self, policy: Policy) -> None:
        self.spec, self.memory, self.reset = policy.spec, policy.memory, policy.reset
        self.seconds: list[float] = []
        self._policy = policy

    def predict(self, observation: Observation) -> ActionChunk:
        """As `Policy.predict`."""
        start = time.perf_counter()
        chunk = self._policy.predict(observation)
        self.seconds.append(time.perf_counter() - start)
        return chunk


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a kind of execution achieved.

    Attributes:
        execution: its name.
        solved: trials solved, with their interval.
        steps: mean control steps of the solved trials.
        mean_ms: the policy's time per control step.
        slow_ms: the 95th percentile of the time of a step in which it was asked.
    """

    execution: str
    solved: TaskResult
    steps: float
    mean_ms: float
    slow_ms: float

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        steps = f"{self.steps:.0f}" if self.solved.successes else "-"
        success = f"{self.solved.successes} of {self.solved.trials} ({percent(self.solved.rate)})"
        return self.execution, success, steps, f"{self.mean_ms:.1f}", f"{self.slow_ms:.1f}"


def measure(policy: Policy, env: PlayTable, execution: Execution, tasks: tuple[str, ...], trials: int) -> Row:
    """Run all trials under one kind of execution."""
    timed = TimedPolicy(policy)
    planned = plan_trials(tasks, trials, seed=SEED)
    outcomes: list[Outcome] = [rollout(timed, env, trial, max_steps=120, execution=execution) for trial in planned]
    solved = [outcome.steps for outcome in outcomes if outcome.success]
    return Row(
        execution=str(execution),
        solved=TaskResult("all", len(solved), len(outcomes)),
        steps=float(np.mean(solved)) if solved else 0.0,
        mean_ms=1e3 * sum(timed.seconds) / sum(outcome.steps for outcome in outcomes),
        slow_ms=1e3 * float(np.percentile(timed.seconds, 95)),
    )


def main(
    run: tyro.conf.Positional[Path],
    *,
    trials: int = 20,
    tasks: tuple[str, ...] = (),
    kinds: tuple[str, ...] = KINDS,
    write: bool = False,
) -> None:
    """Measure every kind on a run; `--write` puts the table into docs/calvin.md and a dated line into RESULTS.md."""
    torch.set_num_threads(1)
    policy = Policy.load(run)
    env = PlayTable(cameras=policy.spec.cameras)
    tasks = tasks or recorded_tasks(run)
    rows = [measure(policy, env, Execution.parse(kind), tasks, trials) for kind in kinds]
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row.cells())
    Console().print(table)
    if write:
        what = f"{len(tasks)} tasks, {trials} starts each, memory of {policy.memory} frames, one CPU thread"
        lines = (HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows))
        write_section(PAGE, "execution", f"{what}:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
        words = (f"{row.execution} {percent(row.solved.rate)}, {row.mean_ms:.1f} / {row.slow_ms:.1f}" for row in rows)
        keep("execution", f"success, ms per step / slowest of 20 ({what}): {'; '.join(words)}")


if __name__ == "__main__":
    tyro.cli(main)
