"""Training as a user meets it: it learns, it stops and goes on, it refuses what does not fit."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.tuning import Tuning
from vlasync.policy import Policy
from vlasync.runs import checkpoint_folders, read_metrics
from vlasync.training.run import RunConfig, train
from vlasync.types import Observation


def losses(run: Path) -> list[float]:
    return [line.loss for line in read_metrics(run / "metrics.jsonl")]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint_folders(run)[-1] / "model.safetensors")


def assert_same_weights(run: Path, other: Path) -> None:
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory, store: Path, recipe: RunConfig) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(recipe, store, run)
    return run


def test_the_loss_falls(store: Path, recipe: RunConfig, tmp_path: Path):
    longer = replace(recipe, training=replace(recipe.training, steps=80, log_every=10))
    train(longer, store, tmp_path / "run")
    falling = losses(tmp_path / "run")
    assert falling[-1] < 0.5 * falling[0]


def test_a_run_folder_holds_what_it_promises(whole_run: Path, recipe: RunConfig):
    assert [folder.name for folder in checkpoint_folders(whole_run)] == ["0000004", "0000008", "0000012"]
    lines = read_metrics(whole_run / "metrics.jsonl")
    assert [line.step for line in lines] == list(range(1, recipe.training.steps + 1))
    assert [line.step for line in lines if line.validation_loss is not None] == [6, 12]
    assert list((whole_run / "tensorboard").glob("**/events*"))
    assert (whole_run / "untrained" / "model.safetensors").is_file()
    assert not list(whole_run.glob("**/.*tmp*"))
    assert not [path for path in whole_run.glob("**/*") if path.suffix in {".pt", ".pth", ".bin", ".pkl"}]


def test_the_same_seed_gives_the_same_weights(whole_run: Path, store: Path, recipe: RunConfig, tmp_path: Path):
    train(recipe, store, tmp_path / "again")
    assert losses(tmp_path / "again") == losses(whole_run)
    assert_same_weights(tmp_path / "again", whole_run)


def test_another_seed_gives_other_losses(whole_run: Path, store: Path, recipe: RunConfig, tmp_path: Path):
    other = replace(recipe, training=replace(recipe.training, steps=4, seed=1))
    train(other, store, tmp_path / "other")
    assert losses(tmp_path / "other") != losses(whole_run)[:4]


def _train_slowly(recipe: RunConfig, store: Path, run: Path) -> None:
    from vlasync.training import trainer

    original = trainer.Trainer._optimizer_step

    def slow_step(self, step, batches):
        time.sleep(0.1)
        return original(self, step, batches)

    trainer.Trainer._optimizer_step = slow_step
    train(recipe, store, run)


def test_killed_and_resumed_equals_uninterrupted(whole_run: Path, store: Path, recipe: RunConfig, tmp_path: Path):
    run = tmp_path / "killed"
    process = multiprocessing.get_context("spawn").Process(target=_train_slowly, args=(recipe, store, run))
    process.start()
    deadline = time.monotonic() + 120
    while len(read_metrics(run / "metrics.jsonl")) < 6:
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(losses(run)) < recipe.training.steps
    train(recipe, store, run)
    assert losses(run) == losses(whole_run)
    assert_same_weights(run, whole_run)


def test_gradient_accumulation_sees_the_same_frames(store: Path, recipe: RunConfig, tmp_path: Path):
    """Two micro-batches of 2 are one batch of 4: equal up to rounding where nothing random differs between them."""
    still = replace(recipe, vla=replace(recipe.vla, shift_px={}), training=replace(recipe.training, steps=3))
    halves = replace(still, training=replace(still.training, batch_size=2, gradient_accumulation=2))
    train(still, store, tmp_path / "whole")
    train(halves, store, tmp_path / "halves")
    np.testing.assert_allclose(losses(tmp_path / "halves"), losses(tmp_path / "whole"), rtol=1e-4)


def test_lora_trains_adapters_and_saves_all_that_acts(store: Path, recipe: RunConfig, tmp_path: Path):
    lora = replace(recipe, vla=replace(recipe.vla, tuning=Tuning(mode="lora", lora_rank=4)))
    train(lora, store, tmp_path / "run")
    before, after = load_file(tmp_path / "run" / "untrained" / "model.safetensors"), weights(tmp_path / "run")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    vlm_changed = {name for name in changed if name.startswith("vlm.")}
    assert vlm_changed and all("lora_" in name for name in vlm_changed)


def test_another_recipe_in_the_same_folder_is_refused(whole_run: Path, store: Path, recipe: RunConfig):
    other = replace(recipe, training=replace(recipe.training, batch_size=2))
    with pytest.raises(CheckpointError, match=r"training\.batch_size: 4 there, 2 asked for"):
        train(other, store, whole_run)


def test_a_loss_that_is_not_a_number_stops_the_run(store: Path, recipe: RunConfig, tmp_path: Path):
    hot = replace(recipe.training, optimizer=replace(recipe.training.optimizer, learning_rate=1e30, warmup_steps=1))
    with pytest.raises(VlasyncError, match="lower the learning rate"):
        train(replace(recipe, training=hot), store, tmp_path / "run")


def test_a_window_longer_than_every_sentence_is_refused(store: Path, recipe: RunConfig, tmp_path: Path):
    long = replace(recipe, vla=replace(recipe.vla, window_size=13))
    with pytest.raises(VlasyncError, match="longest language span has 12 frames"):
        train(long, store, tmp_path / "run")


def test_the_policy_of_a_run_acts_and_streams(whole_run: Path):
    policy = Policy.load(whole_run)
    image = np.zeros((32, 32, 3), np.uint8)
    observation = Observation(images={"static": image, "gripper": image}, state=np.zeros(15))
    with pytest.raises(VlasyncError, match="reset"):
        policy.act(observation)
    policy.reset("go to place 1")
    first = policy.act(observation)
    assert first.shape == (7,)
    assert first[6] in (-1.0, 1.0)
    policy.act(observation)
    policy.reset("go to place 1")
    np.testing.assert_array_equal(policy.act(observation), first)


def test_the_policy_refuses_what_it_was_not_trained_on(whole_run: Path):
    policy = Policy.load(whole_run)
    policy.reset("go to place 1")
    image = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(VlasyncError, match=r"images\['gripper'\]: got nothing"):
        policy.act(Observation(images={"static": image}, state=np.zeros(15)))
    with pytest.raises(VlasyncError, match="15 finite numbers"):
        policy.act(Observation(images={"static": image, "gripper": image}, state=np.full(15, np.nan)))
    with pytest.raises(VlasyncError, match="instruction is empty"):
        policy.reset(" ")


def test_a_folder_without_a_run_is_one_clear_error(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        Policy.load(tmp_path)
