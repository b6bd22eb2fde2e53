"""Rollouts: the same trials for every condition, success by the task's condition, errors that stay errors."""

from pathlib import Path

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import HELD_OUT, TRAINING
from vlasync.errors import CheckpointError
from vlasync.evaluation.evaluate import EvaluationConfig, Job, outcome_file, read_outcome, run_jobs
from vlasync.evaluation.rollout import plan_trials, replay, rollout
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk, Observation

TASKS = ("open_drawer", "turn_on_led", "close_drawer")


class ExpertPolicy:
    """The expert behind a policy's interface: what a perfect policy would score."""

    def __init__(self, task: str) -> None:
        self.spec = SyncSpec.CALVIN.replace(cameras={})
        self._task = task

    def reset(self, instruction: str) -> None:
        self._expert = Expert(self._task)

    def predict(self, observation: Observation) -> ActionChunk:
        return ActionChunk(actions=self._expert.act(observation)[None].repeat(3, axis=0), spec=self.spec)


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


def test_trials_depend_on_the_seed_alone_and_take_held_out_sentences():
    trials = plan_trials(TASKS, 4, seed=1)
    assert trials == plan_trials(TASKS, 4, seed=1)
    assert trials != plan_trials(TASKS, 4, seed=2)
    assert len({trial.seed for trial in trials}) == len(trials)
    for trial in trials:
        assert trial.instructed == trial.task
        assert trial.sentence in HELD_OUT[trial.task]
        assert trial.sentence not in TRAINING[trial.task]


def test_swapped_trials_have_the_same_starts_and_another_tasks_sentence():
    plain, swapped = plan_trials(TASKS, 4, seed=1), plan_trials(TASKS, 4, seed=1, swapped=True)
    assert [trial.seed for trial in plain] == [trial.seed for trial in swapped]
    for trial in swapped:
        assert trial.instructed != trial.task
        assert trial.sentence in HELD_OUT[trial.instructed]


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_as_policy_succeeds(task, table):
    (trial,) = (trial for trial in plan_trials(TASKS, 1, seed=3) if trial.task == task)
    outcome = rollout(ExpertPolicy(task), table, trial, max_steps=100)
    assert outcome.success
    assert outcome.executed.shape == (outcome.steps, 7)
    assert outcome.predicted.shape == (outcome.steps, 3, 7)
    assert np.abs(outcome.executed).max() <= 1.0


def test_the_expert_for_another_task_fails_at_the_limit(table):
    trial = plan_trials(TASKS, 1, seed=3)[0]
    outcome = rollout(ExpertPolicy("turn_on_led"), table, trial, max_steps=30)
    assert not outcome.success
    assert outcome.steps == 30


def test_a_replay_shows_what_happened(table):
    trial = plan_trials(TASKS, 1, seed=3)[0]
    outcome = rollout(ExpertPolicy(trial.task), table, trial, max_steps=100)
    frames = replay(PlayTable(), trial, outcome.executed)
    assert frames["static"].shape == (outcome.steps, 200, 200, 3)
    assert np.abs(frames["static"][-1].astype(int) - frames["static"][0]).max() > 50


def test_no_outcome_is_taken_for_that_of_another_trial_or_step_limit(tmp_path: Path):
    trials = [
        *plan_trials(TASKS, 2, seed=1),
        *plan_trials(TASKS, 2, seed=2),
        *plan_trials(TASKS, 2, seed=1, swapped=True),
    ]
    jobs = [Job(group="trained@1", checkpoint=tmp_path, trial=trial) for trial in trials]
    files = {outcome_file(tmp_path, job, max_steps) for job in jobs for max_steps in (40, 80)}
    assert len(files) == 2 * len(jobs)


def test_a_checkpoint_that_does_not_load_ends_the_evaluation(tmp_path: Path):
    broken = tmp_path / "checkpoint"
    broken.mkdir()
    (broken / "spec.json").write_text("{}")
    job = Job(group="trained", checkpoint=broken, trial=plan_trials(TASKS, 1, seed=0)[0])
    with pytest.raises(CheckpointError):
        run_jobs([job], tmp_path / "evaluation", EvaluationConfig(tasks=TASKS, workers=1))
    assert not list((tmp_path / "evaluation").glob("*.npz"))
    with pytest.raises(FileNotFoundError):
        read_outcome(tmp_path / "evaluation" / f"{job.name}.npz")
