"""Rollouts over processes: every trial of a run once, each outcome on disk as soon as it is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from vlasync.envs.playtable import PlayTable
from vlasync.evaluation.rollout import Outcome, Trial, rollout
from vlasync.files import write_bytes
from vlasync.policy import Policy
from vlasync.processes import worker_pool
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
    """

    tasks: tuple[str, ...]
    trials: int = 20
    baseline_trials: int = 20
    curve_trials: int = 5
    max_steps: int = 120
    seed: int = 1_000_003
    workers: int = 2
    videos: int = 16


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial under one checkpoint; `group` names the condition it counts for."""

    group: str
    checkpoint: Path
    trial: Trial

    @property
    def name(self) -> str:
        """All that decides its outcome but the step limit, so that no outcome is taken for another's."""
        return f"{self.group}-{self.trial.task}-as-{self.trial.instructed}-{self.trial.seed}"


def run_jobs(jobs: Sequence[Job], folder: Path, config: EvaluationConfig) -> dict[str, Outcome]:
    """Run every job whose outcome is not yet in `folder`; outcomes by job name.

    An exception in a rollout is an error of the evaluation, never a failed trial: it ends the run with its traceback.
    """
    open_jobs = [job for job in jobs if not outcome_file(folder, job, config.max_steps).exists()]
    solved = 0
    with stage("evaluate", len(jobs)) as bar, worker_pool(min(config.workers, len(open_jobs))) as pool:
        bar.advance(len(jobs) - len(open_jobs))
        pending = {pool.submit(_run_job, job, folder, config.max_steps): job for job in open_jobs}
        for number, future in enumerate(as_completed(pending), start=1):
            solved += future.result()
            bar.advance(status=f"{solved}/{number} solved, now {pending[future].group}")
    return {job.name: read_outcome(outcome_file(folder, job, config.max_steps)) for job in jobs}


_policies: dict[Path, Policy] = {}
_environments: dict[str, PlayTable] = {}


def _run_job(job: Job, folder: Path, max_steps: int) -> bool:
    """In a worker: run one trial and write its outcome; policies and simulators stay loaded between trials."""
    torch.set_num_threads(1)  # as many workers as processors: more threads would only wait for one another
    if job.checkpoint not in _policies:
        _policies.clear()
        _policies[job.checkpoint] = Policy.load(job.checkpoint, device="cpu")
    policy = _policies[job.checkpoint]
    key = repr(policy.spec.cameras)
    if key not in _environments:
        _environments[key] = PlayTable(cameras=policy.spec.cameras)
    outcome = rollout(policy, _environments[key], job.trial, max_steps=max_steps)
    buffer = io.BytesIO()
    np.savez(buffer, **asdict(outcome))
    write_bytes(outcome_file(folder, job, max_steps), buffer.getvalue())
    return outcome.success


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
