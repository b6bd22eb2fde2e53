"""A small store and a tiny recipe that trains in seconds."""

from pathlib import Path

import numpy as np
import pytest

from vlasync.data.store import create_store, write_shard
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize
from vlasync.models.vla import VLAConfig
from vlasync.spec import Camera, SyncSpec
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig, TinyVLM
from vlasync.training.trainer import TrainingConfig
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=32, width=32), "gripper": Camera(height=32, width=32)})


def make_episode(number: int, frames: int = 12) -> Episode:
    """An episode whose actions can be read off the brightness of its images."""
    rng = np.random.default_rng(number)
    goal = rng.uniform(-1.0, 1.0)
    pixels = np.full((frames, 32, 32, 3), 128 + 100 * goal).astype(np.uint8)
    actions = np.zeros((frames, 7))
    actions[:, :3] = goal
    actions[:, 6] = 1.0 if goal > 0 else -1.0
    return Episode(
        name=f"made-{number}",
        spec=SPEC,
        images={name: pixels for name in SPEC.cameras},
        state=rng.normal(scale=0.1, size=(frames, 15)),
        actions=actions,
        scene=None,
        frame_index=np.arange(frames) + 100 * number,
        language=(LanguageSpan(first=0, last=frames - 1, sentence=f"go to place {number % 3}", task="go"),),
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "store"
    create_store(folder, SPEC)
    write_shard(folder, "00000", [make_episode(number) for number in range(12)])
    return folder


def small_recipe() -> RunConfig:
    """One that exercises everything: validation, milestones, several checkpoints."""
    return RunConfig(
        vlm=TinyVLM(
            family="smolvlm",
            size=TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=1, heads=2),
        ),
        vla=VLAConfig(window_size=4, chunk_size=3, shift_px={"static": 2}, head=LSTMHeadConfig(hidden=32, layers=1)),
        training=TrainingConfig(
            steps=12,
            batch_size=4,
            optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
            precision="fp32",
            log_every=1,
            validate_every=6,
            validation_batches=1,
            checkpoint_every=4,
            milestones=(0.34,),
        ),
        validation_every=6,
    )


@pytest.fixture(scope="session")
def recipe() -> RunConfig:
    return small_recipe()
