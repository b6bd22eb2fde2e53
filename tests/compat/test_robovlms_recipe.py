"""`vlasync train config.json`: what a RoboVLMs config says of training is what a run does."""

import json
from typing import Any

import numpy as np
import pytest

from vlasync.cli import main
from vlasync.compat.robovlms.heads import LSTMDecoderConfig
from vlasync.compat.robovlms.recipe import read_recipe
from vlasync.data.store import create_store, write_shard
from vlasync.models.folder import load_vla
from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.recipes.options import TrainOptions
from vlasync.recipes.registry import with_overrides
from vlasync.spec import Camera, SyncSpec
from vlasync.training.optimizer import OptimizerConfig, learning_rate_at
from vlasync.training.trainer import TrainingConfig
from vlasync.types import Episode, LanguageSpan

CONFIG: dict[str, Any] = {
    "robovlm_name": "RoboKosMos",
    "model": "kosmos",
    "model_url": "https://huggingface.co/somebody/kosmos",
    "image_size": 32,
    "window_size": 3,
    "fwd_pred_next_n": 2,
    "arm_gripper_loss_ratio": 0.05,
    "seed": 5,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "min_lr_scale": 0.1,
    "scheduler": "half-cosine",
    "weight_decay": 0,
    "warmup_epochs": 0.5,
    "warmup_steps": 1,
    "gradient_clip_val": 0.5,
    "use_hand_rgb": True,
    "use_obs_queries": True,
    "fwd_head": None,
    "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1, "latent": 2, "action_dim": 7},
    "train_setup": {"predict_action": True, "predict_forward": False, "predict_caption": False}
    | {"train_vision": False, "train_text_embedding": True, "freeze_backbone": False},
    "vlm": {"pretrained_model_name_or_path": "vlm"},
    "trainer": {"precision": "32", "max_epochs": 2, "accumulate_grad_batches": 2},
    "train_dataset": {"type": "DiskCalvinDataset", "rgb_pad": 2, "gripper_pad": 1},
    "norm_action": True,
    "norm_min": -0.65,
    "norm_max": 0.65,
}
SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=32, width=32), "gripper": Camera(height=32, width=32)})


@pytest.fixture
def write(tmp_path):
    def write_config(**changes):
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes))
        return tmp_path / "config.json"

    return write_config


def test_each_number_of_the_config_is_one_of_the_recipe(write):
    recipe = read_recipe(write())
    assert (recipe.normalization, recipe.bounds) == ("bounds", (-0.65, 0.65))
    vla = recipe.vla
    assert (vla.cameras, vla.window_size, vla.chunk_size, vla.latent) == (("gripper", "static"), 3, 2, 2)
    assert (vla.image_size, vla.shift_px, vla.use_state) == ((32, 32), {"static": 2, "gripper": 1}, False)
    assert (vla.loss.pose, vla.loss.gripper_weight, vla.history) == ("huber", 0.05, "policy_head")
    assert vla.head == LSTMDecoderConfig(hidden_size=16, num_layers=1)
    assert vla.tuning.parts == ("projector", "text_embedding", "decoder")
    training = recipe.training
    assert (training.epochs, training.batch_size, training.gradient_accumulation, training.seed) == (2, 4, 2, 5)
    assert (training.precision, training.average_decay) == ("fp32", 0.0)
    assert training.optimizer == OptimizerConfig(
        learning_rate=1e-3, schedule="cosine", final_fraction=0.1, warmup_steps=1, warmup_share=0.25, clip_norm=0.5,
        betas=(0.9, 0.999),
    )  # fmt: skip
    assert "use_obs_queries" in recipe.without_effect and "window_size" not in recipe.without_effect


@pytest.mark.parametrize(("shape", "ends_on"), [("constant", 1e-3), ("half-cosine", 1e-4), ("cosine", 0.0)])
def test_its_schedules_end_where_they_end_there(write, shape, ends_on):
    optimizer = read_recipe(write(scheduler=shape)).training.optimizer
    rates = [learning_rate_at(step, 40, optimizer) for step in range(41)]
    assert np.argmax(rates) == 10  # 0.5 of 2 epochs, and one step
    assert rates[-1] == pytest.approx(ends_on, abs=1e-12)


def test_without_their_keys_nothing_is_scaled_or_clipped(write):
    recipe = read_recipe(write(norm_action=False, gradient_clip_val=0))
    assert (recipe.normalization, recipe.bounds, recipe.training.optimizer.clip_norm) == ("identity", None, None)
    assert read_recipe(write(use_mu_law=True)).normalization == "mu_law"


def test_a_vlm_that_is_in_no_folder_has_its_name_on_hugging_face(write):
    assert read_recipe(write()).vlm == "somebody/kosmos"


def test_epochs_are_steps_once_the_windows_are_counted(write):
    config = TrainingConfig(epochs=2, batch_size=4, gradient_accumulation=2)
    assert config.in_steps(windows=47, processes=1).steps == 2 * 6  # 11 batches, in pairs
    assert config.in_steps(windows=47, processes=2).steps == 2 * 3
    chosen = with_overrides(read_recipe(write()), TrainOptions(steps=3)).training
    assert chosen.in_steps(windows=47, processes=1).steps == 3


def test_a_config_trains(write, tmp_path, capsys):
    rng = np.random.default_rng(0)
    frames = 12
    episode = Episode(
        name="made",
        spec=SPEC,
        images={name: rng.integers(0, 256, (frames, 32, 32, 3), dtype=np.uint8) for name in SPEC.cameras},
        state=rng.normal(size=(frames, 15)),
        actions=np.concatenate([rng.uniform(-1, 1, (frames, 6)), np.ones((frames, 1))], axis=1),
        scene=None,
        frame_index=np.arange(frames),
        language=(LanguageSpan(first=0, last=frames - 1, sentence="go to the left", task="go"),),
    )
    create_store(tmp_path / "data", SPEC)
    write_shard(tmp_path / "data", "00000", [episode])
    size = TinySize(image_size=32, patch_size=16, hidden=32, vision_layers=1, text_layers=1, heads=2)
    build_tiny_vlm("kosmos2", tmp_path / "vlm", corpus=["go to the left"], size=size, seed=0)
    run = tmp_path / "run"
    with pytest.raises(SystemExit, match="0"):
        main(["train", str(write()), "--data", str(tmp_path / "data"), "--run", str(run)])
    assert "use_obs_queries" in capsys.readouterr().out
    record = json.loads((run / "data.json").read_text())
    batches = record["windows"] // 4
    assert record["steps"] == 2 * -(-batches // 2) > 1
    assert "use_obs_queries" in json.loads((run / "recipe.json").read_text())["without_effect"]
    trained, untrained = load_vla(run / "checkpoints" / f"{record['steps']:07d}"), load_vla(run / "untrained")
    assert trained.spec.normalization is not None and trained.spec.normalization.high[:6] == (0.65,) * 6
    changed = {name.split(".")[2] for name, value in trained.state_dict().items()
               if name.startswith("vlm.") and not value.equal(untrained.state_dict()[name])}  # fmt: skip
    assert changed == {"text_model", "image_to_text_projection"}
