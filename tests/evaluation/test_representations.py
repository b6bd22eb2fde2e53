"""A policy that learnt one representation drives an environment that wants another, through the declared conversion."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlasync.actions.frames import convert
from vlasync.actions.representations import Representation, represent
from vlasync.data.store import create_store, write_shard
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.errors import SpecMismatchError
from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.evaluation.results import EvaluationResults
from vlasync.evaluation.rollout import plan_trials, rollout
from vlasync.evaluation.summary import evaluate_run
from vlasync.models.folder import load_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize
from vlasync.models.vla import VLAConfig
from vlasync.policy import Policy
from vlasync.recording.demonstration import demonstrate
from vlasync.recording.perturbation import Perturbation
from vlasync.runs import latest_checkpoint
from vlasync.spec import Camera, SyncSpec
from vlasync.training.run import RunConfig, TinyVLM, train
from vlasync.training.trainer import TrainingConfig
from vlasync.types import ActionChunk, Episode, Observation

TASKS = ("open_drawer", "turn_on_led")
CAMERAS = {"static": Camera(height=32, width=32), "gripper": Camera(height=32, width=32, up="hand +x")}
SPEC = SyncSpec.CALVIN.replace(cameras={})


class ExpertIn:
    """The expert, who speaks of its intentions in the representation of `spec`."""

    def __init__(self, task: str, spec: SyncSpec) -> None:
        self.spec = spec
        self._task = task

    def reset(self, instruction: str) -> None:
        self._expert = Expert(self._task)

    def predict(self, observation: Observation) -> ActionChunk:
        action = self._expert.act(observation)[None].repeat(3, axis=0)
        return ActionChunk(actions=convert(action, observation.state, SPEC, self.spec), spec=self.spec)


class ExpertPoses(ExpertIn):
    """The expert, who names the pose that its target is to take: the world's pose of the play table's own command."""

    def __init__(self, task: str, table: PlayTable) -> None:
        super().__init__(task, represent(SPEC, "world_absolute"))
        self._table = table

    def predict(self, observation: Observation) -> ActionChunk:
        action = self._expert.act(observation)[None].repeat(3, axis=0)
        commands = SPEC.replace(action_mode="relative_to_target")
        poses = convert(action, observation.state, commands, self.spec, commanded=self._table.target_pose)
        return ActionChunk(actions=poses, spec=self.spec)


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_in_another_representation_does_the_same(task):
    table = PlayTable(cameras={})
    (trial,) = (trial for trial in plan_trials(TASKS, 1, seed=3) if trial.task == task)
    plain = rollout(ExpertIn(task, SPEC), table, trial, max_steps=100)
    assert plain.success
    chunks = represent(SPEC, "tcp_relative").replace(chunk_frame="first_step", rotation="quat_xyzw")
    in_tcp = ExpertIn(task, represent(SPEC, "tcp_relative"))
    for policy in (in_tcp, ExpertIn(task, chunks), ExpertPoses(task, table)):
        outcome = rollout(policy, table, trial, max_steps=100)
        assert outcome.success
        assert outcome.steps == plain.steps
        np.testing.assert_allclose(outcome.executed, plain.executed, atol=1e-6)
        np.testing.assert_allclose(outcome.predicted, plain.predicted, atol=1e-6)


def test_a_policy_of_another_rate_is_refused():
    table = PlayTable(cameras={})
    slow = ExpertIn(TASKS[0], SPEC.replace(rate_hz=10.0))
    with pytest.raises(SpecMismatchError, match=r"policy -> environment[^\n]*\n.*rate_hz: 10\.0 here, 30\.0 there"):
        rollout(slow, table, plan_trials(TASKS, 1, seed=3)[0], max_steps=5)


@pytest.fixture(scope="module")
def demonstrations() -> list[Episode]:
    table = PlayTable(cameras=CAMERAS)
    recorded = [
        demonstrate(
            table,
            task,
            np.random.default_rng(number),
            name=f"{task}-{number}",
            first_frame=0,
            perturbation=Perturbation(share=0.0),
            max_steps=120,
        )
        for number, task in enumerate(TASKS)
    ]
    table.close()
    return [episode for episode in recorded if episode is not None]


def two_steps(actions: Representation) -> RunConfig:
    return RunConfig(
        vlm=TinyVLM(
            family="smolvlm",
            size=TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=1, heads=2),
        ),
        vla=VLAConfig(window_size=4, chunk_size=3, shift_px={}, head=LSTMHeadConfig(hidden=16, layers=1)),
        training=TrainingConfig(steps=2, batch_size=4, precision="fp32", checkpoint_every=2, validate_every=2),
        actions=actions,
    )


def trained(demonstrations: list[Episode], spec: SyncSpec, actions: Representation, folder: Path) -> Path:
    """A run folder after two steps on a store in `spec`."""
    create_store(folder / "store", spec)
    write_shard(folder / "store", "0", demonstrations)
    train(two_steps(actions), folder / "store", folder / "run")
    return folder / "run"


def test_a_run_in_the_tcp_frame_is_evaluated_and_its_conversions_stand_in_the_report(demonstrations, tmp_path: Path):
    run = trained(demonstrations, demonstrations[0].spec, "tcp_relative", tmp_path)
    spec = Policy.load(run).spec
    assert spec.action_frame == "tcp"
    assert spec.normalization is not None
    assert spec.normalization.fitted_on == spec.representation()
    evaluation = EvaluationConfig(tasks=TASKS, trials=1, baseline_trials=1, max_steps=4, workers=1, videos=1)
    page = evaluate_run(run, evaluation, command="test")
    results = EvaluationResults.load(run / "results.json")
    there, back = "action_frame 'world' becomes 'tcp'", "action_frame 'tcp' becomes 'world'"
    assert f"demonstrations -> windows: {there}" in results.conversions
    assert f"policy -> environment: {back}" in results.conversions
    assert f"demonstrations -> windows: {there}" in json.loads((run / "data.json").read_text())["conversions"]
    assert "policy -&gt; environment: action_frame" in page.read_text()


@pytest.mark.parametrize(("rotation", "actions", "size"), [("rot6d", "recorded", 10), ("rotvec", "world_absolute", 7)])
def test_other_rotations_and_poses_train_and_drive(rotation, actions, size, demonstrations, tmp_path: Path):
    spec = represent(demonstrations[0].spec, "tcp_relative").replace(rotation=rotation)
    policy = Policy.load(trained(demonstrations, spec, actions, tmp_path))
    table = PlayTable(cameras=CAMERAS)
    seen, _ = table.reset(seed=0)
    policy.reset("open the drawer")
    assert policy.predict(Observation(**seen)).actions.shape == (3, size)
    outcome = rollout(policy, table, plan_trials(TASKS, 1, seed=0)[0], max_steps=3)
    assert outcome.executed.shape == (3, 7)
    assert outcome.predicted.shape == (3, 3, 7)


def test_a_checkpoint_whose_statistics_describe_other_actions_is_refused(demonstrations, tmp_path: Path):
    run = trained(demonstrations, demonstrations[0].spec, "recorded", tmp_path)
    file = latest_checkpoint(run) / "spec.json"
    spec = SyncSpec.from_json(file.read_text())
    file.write_text(replace(spec, action_frame="base").to_json())
    with pytest.raises(SpecMismatchError, match=r"spec\.json: .*fitted on other actions"):
        load_vla(latest_checkpoint(run))
