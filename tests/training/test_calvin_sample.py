"""The guide's model, tiny, on a recording made in the real CALVIN simulator."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vlasync.cli import main
from vlasync.models.vla import VLA
from vlasync.recipes.registry import get_recipe
from vlasync.runs import read_metrics
from vlasync.training.run import open_windows, prepare_vla, train
from vlasync.types import Batch

RECIPE = "tiny-kosmos2-lstm"


def test_the_recipe_is_the_guides():
    config = get_recipe(RECIPE)
    assert (config.vla.window_size, config.vla.chunk_size) == (8, 10)
    assert config.vla.tuning.mode == "full"
    assert config.vla.loss.pose == "mse"
    assert config.vla.loss.gripper_weight == 0.01


def test_the_loss_falls_from_the_command_line(shared_data: Path, tmp_path: Path):
    arguments = ["train", RECIPE, "--data", str(shared_data / "calvin_sample"), "--run", str(tmp_path), "--steps", "40"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert lines[-1].loss < 0.7 * lines[0].loss
    assert lines[-1].validation_loss is not None


@pytest.fixture(scope="module")
def prepared(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[VLA, Batch]:
    config = get_recipe(RECIPE)
    run = tmp_path_factory.mktemp("run")
    windows, _ = open_windows(config, shared_data / "calvin_sample" / "training", run)
    still = replace(config, vla=replace(config.vla, shift_px={}))
    batch = windows.batch(list(range(0, len(windows), len(windows) // 4))[:4])
    return prepare_vla(still, windows, run), batch


def test_every_part_receives_gradient(prepared: tuple[VLA, Batch]):
    vla, batch = prepared
    vla.zero_grad()
    vla.loss(batch).total.backward()
    parts = {
        "vision": vla.vlm.model.vision_model,
        "projector": vla.vlm.model.image_to_text_projection,
        "text embedding": vla.vlm.token_embedding,
        "decoder": vla.vlm.model.text_model,
        "[LRN]": vla.tokens,
        "head": vla.head,
    }
    for name, part in parts.items():
        gradients = [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
        assert gradients and max(float(gradient.abs().max()) for gradient in gradients) > 0, name


def test_a_batch_can_be_overfitted(prepared: tuple[VLA, Batch]):
    vla, batch = prepared
    optimizer = torch.optim.AdamW(vla.parameters(), lr=2e-3)
    first = vla.loss(batch).total.item()
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / 400)
        loss = vla.loss(batch).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vla.parameters(), 1.0)
        optimizer.step()
        if loss.item() < 0.01 * first:
            break
    assert loss.item() < 0.01 * first


def test_an_import_is_made_once(shared_data: Path, tmp_path: Path):
    config = get_recipe(RECIPE)
    short = replace(config, training=replace(config.training, steps=1, batch_size=2, validation_batches=1))
    train(short, shared_data / "calvin_sample" / "training", tmp_path)
    shards = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npy")}
    train(short, shared_data / "calvin_sample" / "training", tmp_path)
    assert shards == {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*.npy")}
