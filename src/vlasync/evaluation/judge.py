"""Judge a run: success per task beside its two baselines, the curve over training time, and rollouts to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlasync.actions.handover import hand_to_environment
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.errors import VlasyncError
from vlasync.evaluation.evaluate import EvaluationConfig, Job, run_jobs
from vlasync.evaluation.recordings import RolloutRecording
from vlasync.evaluation.results import CurvePoint, TaskResult
from vlasync.evaluation.rollout import Outcome, Trial, plan_trials, replay
from vlasync.policy import Policy
from vlasync.runs import checkpoint_folders, latest_checkpoint, minutes_of
from vlasync.spec import Camera

VIDEO_CAMERAS = {"static": Camera(height=200, width=200), "gripper": Camera(height=200, width=200, up="hand +x")}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the rollouts of a run say.

    Attributes:
        trained: per task, unseen starts and held-out sentences.
        untrained: the same trials before training; empty if the run kept no untrained policy.
        swapped: the trained policy under the sentence of another task, judged by the task of the start.
        curve: mean success of earlier checkpoints and of the last.
        recordings: rollouts to look at, failures first.
        conversions: what was converted between policy and environment.
    """

    trained: tuple[TaskResult, ...]
    untrained: tuple[TaskResult, ...]
    swapped: tuple[TaskResult, ...]
    curve: tuple[CurvePoint, ...]
    recordings: tuple[RolloutRecording, ...]
    conversions: tuple[str, ...]


def judge(run: Path, config: EvaluationConfig) -> Judgement:
    """Run all trials of `config` that are still missing, then sum them up."""
    if len(config.tasks) < 2:
        raise VlasyncError(f"tasks is {config.tasks}; swapped instructions need at least two tasks")
    for task in config.tasks:
        require_demonstrated(task)
    last = latest_checkpoint(run)
    groups = plan_groups(run, last, config)
    jobs = [job for group in groups.values() for job in group]
    outcomes = run_jobs(jobs, run / "evaluation", config)
    trained = f"trained@{last.name}"
    curve = [_curve_point(run, group, outcomes) for name, group in groups.items() if name.startswith("trained@")]
    spec = Policy.load(last, device="cpu").spec
    environment = PlayTable(cameras=spec.cameras).sync_spec
    return Judgement(
        trained=_per_task(config.tasks, groups[trained], outcomes),
        untrained=_per_task(config.tasks, groups.get("untrained", ()), outcomes),
        swapped=_per_task(config.tasks, groups[f"swapped@{last.name}"], outcomes),
        curve=tuple(curve),
        recordings=tuple(_recordings(groups[trained], outcomes, config.videos)),
        conversions=hand_to_environment(spec, environment).conversions,
    )


def plan_groups(run: Path, last: Path, config: EvaluationConfig) -> dict[str, list[Job]]:
    """The jobs of each condition: earlier checkpoints, the last one, swapped instructions, before training."""
    groups: dict[str, list[Job]] = {}

    def add(name: str, checkpoint: Path, trials: Sequence[Trial]) -> None:
        groups[name] = [
            Job(group=name, checkpoint=checkpoint, trial=trial, execution=config.execution) for trial in trials
        ]

    full = plan_trials(config.tasks, config.trials, seed=config.seed)
    for checkpoint in checkpoint_folders(run)[:-1]:
        few = plan_trials(config.tasks, config.curve_trials, seed=config.seed)
        add(f"trained@{checkpoint.name}", checkpoint, few)
    add(f"trained@{last.name}", last, full)
    baseline = plan_trials(config.tasks, config.baseline_trials, seed=config.seed, swapped=True)
    add(f"swapped@{last.name}", last, baseline)
    if (run / "untrained").is_dir():
        add("untrained", run / "untrained", plan_trials(config.tasks, config.baseline_trials, seed=config.seed))
    return groups


def _per_task(tasks: Sequence[str], jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> tuple[TaskResult, ...]:
    results = []
    for task in tasks:
        successes = [outcomes[job.name].success for job in jobs if job.trial.task == task]
        if successes:
            results.append(TaskResult(task, sum(successes), len(successes)))
    return tuple(results)


def _curve_point(run: Path, jobs: Sequence[Job], outcomes: Mapping[str, Outcome]) -> CurvePoint:
    successes = [outcomes[job.name].success for job in jobs]
    return CurvePoint(minutes_of(jobs[0].checkpoint), sum(successes) / len(successes), len(successes))


def _recordings(jobs: Sequence[Job], outcomes: Mapping[str, Outcome], count: int) -> list[RolloutRecording]:
    """Every failure first, then one success of each task, then more: `count` rollouts, replayed at a good size."""
    by_interest = sorted(jobs, key=lambda job: (outcomes[job.name].success, job.trial.index, job.trial.task))
    env = PlayTable(cameras=VIDEO_CAMERAS)
    recordings = []
    for job in by_interest[:count]:
        outcome = outcomes[job.name]
        recordings.append(
            RolloutRecording(
                task=job.trial.task,
                instruction=job.trial.sentence,
                success=outcome.success,
                frames=replay(env, job.trial, outcome.executed),
                predicted=outcome.predicted,
                executed=outcome.executed,
                seed=job.trial.seed,
            )
        )
    env.close()
    return recordings
