"""Processes that share a run do what one does: the same losses, the same policy, and each goes on from the others'."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from together import train_together

from vlasync.errors import VlasyncError
from vlasync.models.folder import load_vla
from vlasync.models.tuning import Tuning
from vlasync.runs import checkpoint_folders, read_metrics
from vlasync.training.parallel import require_parallel, start_accelerator
from vlasync.training.run import RunConfig, train

STEPS = 20
FULL = Tuning()
LORA = Tuning(mode="lora", lora_rank=4, lora_dropout=0.0)


def still(recipe: RunConfig, *, tuning: Tuning = FULL, **training) -> RunConfig:
    """The recipe without anything random that would differ between processes: no shifts, no dropout."""
    shared = {"steps": STEPS, "checkpoint_every": STEPS // 2, "validate_every": 10, "milestones": (), **training}
    return replace(
        recipe,
        vla=replace(recipe.vla, shift_px={}, tuning=tuning),
        training=replace(recipe.training, **shared),
    )


def losses(run: Path) -> list[float]:
    return [line.loss for line in read_metrics(run / "metrics.jsonl")]


def validation_losses(run: Path) -> list[float]:
    lines = read_metrics(run / "metrics.jsonl")
    return [line.validation_loss for line in lines if line.validation_loss is not None]


@pytest.fixture(scope="module")
def alone(store: Path, tmp_path_factory: pytest.TempPathFactory, recipe: RunConfig) -> dict[str, Path]:
    """Runs of one process: everything trains, and low-rank updates."""
    runs = {name: tmp_path_factory.mktemp("alone") / name for name in ("full", "lora")}
    train(still(recipe), store, runs["full"])
    train(still(recipe, tuning=LORA), store, runs["lora"])
    return runs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parallel", "name"), [("ddp", "full"), ("fsdp", "full"), ("fsdp", "lora")], ids=lambda value: value
)
def test_two_processes_have_the_losses_and_the_policy_of_one(store, recipe, tmp_path, alone, parallel, name):
    halves = still(recipe, tuning=LORA if name == "lora" else FULL, batch_size=2)
    train_together(2, halves, store, tmp_path / "run", parallel=parallel)
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(alone[name]), atol=1e-5, rtol=0)
    assert np.isfinite(validation_losses(tmp_path / "run")).all()
    checkpoint = checkpoint_folders(tmp_path / "run")[-1]
    ours, theirs = (load_file(run / "model.safetensors") for run in (checkpoint, checkpoint_folders(alone[name])[-1]))
    assert ours.keys() == theirs.keys()
    for weight, value in ours.items():
        torch.testing.assert_close(value, theirs[weight], atol=1e-3, rtol=0, msg=weight)
    load_vla(checkpoint)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.suffix in {".distcp", ".metadata", ".pt"}]
    assert not list((tmp_path / "run").rglob(".*"))


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_with_one_and_with_four(store, recipe, tmp_path, alone):
    """The first half with two processes, the next quarter with one, the rest with two machines of two processes."""
    run, halves = tmp_path / "run", still(recipe, batch_size=2)
    half = replace(halves, training=replace(halves.training, checkpoint_every=5, keep_last=4))
    train_together(2, half, store, run, parallel="fsdp")
    _go_back(run, to=10)
    train(half, store, run)
    np.testing.assert_allclose(losses(run), losses(alone["full"]), atol=1e-5, rtol=0)
    _go_back(run, to=15)
    train_together(4, half, store, run, parallel="hsdp", per_machine=2)
    np.testing.assert_allclose(losses(run), losses(alone["full"]), atol=1e-5, rtol=0)
    last = [path.name for path in sorted(checkpoint_folders(run)[-1].glob("training-*.safetensors"))]
    assert last[0].startswith("training-00001-of-") and len(last) > 1


def _go_back(run: Path, *, to: int) -> None:
    for folder in checkpoint_folders(run):
        if int(folder.name) > to:
            shutil.rmtree(folder)
    assert int(checkpoint_folders(run)[-1].name) == to


@pytest.mark.slow
def test_accumulated_gradients_are_shared_once_per_step(store, recipe, tmp_path, alone):
    quarters = still(recipe, batch_size=1, gradient_accumulation=2)
    train_together(2, quarters, store, tmp_path / "run", parallel="fsdp")
    np.testing.assert_allclose(losses(tmp_path / "run"), losses(alone["full"]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("parallel", "processes", "tuning", "says"),
    [
        ("fsdp", 1, "full", "torchrun"),
        ("tensor", 2, "full", "ddp, fsdp, hsdp"),
        ("fsdp", 2, "qlora", "4 bits"),
        ("hsdp", 3, "full", "each machine"),
    ],
)
def test_what_cannot_be_shared_is_refused(monkeypatch, parallel, processes, tuning, says):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(VlasyncError, match=says):
        require_parallel(parallel, processes, tuning)


def test_a_step_keeps_its_windows_however_many_processes_share_it(recipe):
    training = replace(recipe.training, batch_size=4, gradient_accumulation=2)
    for processes in (1, 2, 3, 4, 6, 8, 12, 24):
        shared = training.shared_by(processes, windows_per_step=24)
        assert shared.windows_per_process * processes == 24 and shared.batch_size <= 4
    assert training.shared_by(3, windows_per_step=24) == training
    with pytest.raises(VlasyncError, match="divide 24"):
        training.shared_by(5, windows_per_step=24)


def test_processes_that_are_not_joined_do_not_train_into_one_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)  # one on which Accelerate joins nobody
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(VlasyncError, match=r"started 2 processes, .* joins 1"):
        start_accelerator("fp32", tmp_path)
