"""Rollouts over processes: every trial of a run once, each outcome on disk as soon as it is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vlasync.envs.playtable import PlayTable
from vlasync.evaluation.rollout import Outcome, Trial, rollout
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.files import write_bytes
from vlasync.policy import Policy
from vlasync.processes import results_of
from vlasync.progress import stage


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Which trials a run is judged by.

    Attributes:
        tasks: tasks of the play table.
        trials: starts per task for the trained policy.
        baseline_trials: starts per task for the untrained policy and for swapped instructions.
        curve_trials: starts per task for each milestone checkpoint.
        max_steps: control steps after which a trial counts as failed.
        seed: of starts and sentences; recordings use other seeds.
        workers: processes, each with its own simulator and policy.
        videos: rollouts shown in the report, failures first.
        execution: what of the predicted chunks is executed.
    """

    tasks: tuple[str, ...]
    trials: int = 20
    baseline_trials: int = 20
    curve_trials: int = 5
    max_steps: int = 120
    seed: int = 1_000_003
    workers: int = 2
    videos: int = 16
    execution: Execution = FIRST_ACTION


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial under one checkpoint; `group` names the condition it counts for."""

    group: str
    checkpoint: Path
    trial: Trial
    execution: Execution = FIRST_ACTION

    @property
    def name(self) -> str:
        """All that decides its outcome but the step limit, so that no outcome is taken for another's."""
        executed = "" if self.execution == FIRST_ACTION else f"-{self.execution.file_name}"
        return f"{self.group}-{self.trial.task}-as-{self.trial.instructed}-{self.trial.seed}{executed}"


def run_jobs(jobs: Sequence[Job], folder: Path, config: EvaluationConfig) -> dict[str, Outcome]:
    """Run every job whose outcome is not yet in `folder`; outcomes by job name.

    An exception in a rollout is an error of the evaluation, never a failed trial: it ends the run with its traceback.
    """
    open_jobs = [job for job in jobs if not outcome_file(folder, job, config.max_steps).exists()]
    solved = 0
    run_job = partial(_run_job, folder=folder, max_steps=config.max_steps)
    with stage("evaluate", len(jobs)) as bar:
        bar.advance(len(jobs) - len(open_jobs))
        for number, (group, success) in enumerate(results_of(run_job, open_jobs, workers=config.workers), start=1):
            solved += success
            bar.advance(status=f"{solved}/{number} solved, now {group}")
    return {job.name: read_outcome(outcome_file(folder, job, config.max_steps)) for job in jobs}


_policies: dict[Path, Policy] = {}
_environments: dict[str, PlayTable] = {}


def _run_job(job: Job, *, folder: Path, max_steps: int) -> tuple[str, bool]:
    """In a worker: run one trial and write its outcome; policies and simulators stay loaded between trials.

    Returns:
        The job's group, and whether the task was solved.
    """
    torch.set_num_threads(1)  # as many workers as processors: more threads would only wait for one another
    if job.checkpoint not in _policies:
        _policies.clear()
        _policies[job.checkpoint] = Policy.load(job.checkpoint, device="cpu")
    policy = _policies[job.checkpoint]
    key = repr(policy.spec.cameras)
    if key not in _environments:
        _environments[key] = PlayTable(cameras=policy.spec.cameras)
    outcome = rollout(policy, _environments[key], job.trial, max_steps=max_steps, execution=job.execution)
    buffer = io.BytesIO()
    np.savez(buffer, **asdict(outcome))
    write_bytes(outcome_file(folder, job, max_steps), buffer.getvalue())
    return job.group, outcome.success


def outcome_file(folder: Path, job: Job, max_steps: int) -> Path:
    """Where a job's outcome under a step limit lies; another limit is another outcome."""
    return folder / f"{job.name}-{max_steps}.npz"


def read_outcome(path: Path) -> Outcome:
    """An outcome as `run_jobs` wrote it."""
    with np.load(path) as arrays:
        return Outcome(
            success=bool(arrays["success"]),
            steps=int(arrays["steps"]),
            clipped=float(arrays["clipped"]),
            executed=arrays["executed"],
            predicted=arrays["predicted"],
        )
