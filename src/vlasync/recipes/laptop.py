"""All 34 tasks on a laptop: a small VLM that drives CALVIN's chains of five tasks.

The demo's sizes, with two differences that its tasks decided (`docs/heads.md`): the VLM itself looks back on the frames
of a window, which shares their text and is the fastest to train, and a head without memory reads each.
"""

from __future__ import annotations

from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.losses import LossConfig
from vlasync.models.tiny import TinySize
from vlasync.models.vla import VLAConfig
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig, TinyVLM
from vlasync.training.trainer import TrainingConfig


def laptop() -> RunConfig:
    """SmolVLM's architecture, tiny and random, for images of 64 px; an hour on two CPU cores."""
    return RunConfig(
        vlm=TinyVLM(family="smolvlm", size=TinySize(image_size=64, patch_size=16, pixel_shuffle=2, hidden=128)),
        vla=VLAConfig(
            window_size=4,
            chunk_size=10,
            use_state=True,
            shift_px={"static": 1, "gripper": 1},
            history="interleaved",
            head=FCHeadConfig(hidden=256),
            loss=LossConfig(pose="mse", gripper_weight=0.01),
        ),
        training=TrainingConfig(
            steps=18_000,
            batch_size=32,
            optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=200, weight_decay=0.01),
            average_decay=0.999,
            milestones=(0.25, 0.5, 0.75),
            log_every=50,
            checkpoint_every=1000,
            validate_every=1000,
        ),
    )
