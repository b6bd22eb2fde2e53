"""The demo: a small VLM that becomes a VLA on two CPU cores in minutes.

The architecture is the guide's (VLM + [LRN] + LSTM head over a window, action chunks, MSE + BCE, everything trains);
the sizes are what learns fastest there. `docs/demo.md` holds the measurements behind each choice.
"""

from __future__ import annotations

from pathlib import Path

from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.losses import LossConfig
from vlasync.models.tiny import TinySize
from vlasync.models.vla import VLAConfig
from vlasync.recording import RecordingConfig, calvin_cameras
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig, TinyVLM
from vlasync.training.trainer import TrainingConfig

DEMO_TASKS = (
    "open_drawer",
    "close_drawer",
    "move_slider_left",
    "move_slider_right",
    "turn_on_led",
    "turn_on_lightbulb",
    "push_blue_block_right",
    "lift_blue_block_table",
)


def demo_recording(out: Path, *, workers: int) -> RecordingConfig:
    """Demonstrations at the size that the demo's VLM sees, so that no pixel is rendered in vain."""
    return RecordingConfig(
        out=out,
        tasks=DEMO_TASKS,
        episodes_per_task=75,
        cameras=calvin_cameras(64, 64),
        workers=workers,
        seed=0,
    )


def demo() -> RunConfig:
    """SmolVLM's architecture, tiny and random, with state token, [LRN] and LSTM head."""
    return RunConfig(
        vlm=TinyVLM(family="smolvlm", size=TinySize(image_size=64, patch_size=8, hidden=128)),
        vla=VLAConfig(
            window_size=8,
            chunk_size=10,
            use_state=True,
            shift_px={"static": 2, "gripper": 2},
            head=LSTMHeadConfig(hidden=256, layers=1),
            loss=LossConfig(pose="mse", gripper_weight=0.01),
        ),
        training=TrainingConfig(
            steps=2000,
            batch_size=16,
            optimizer=OptimizerConfig(learning_rate=1.5e-3, warmup_steps=100, weight_decay=0.01),
            average_decay=0.995,
            milestones=(0.25, 0.5, 0.75),
            checkpoint_every=250,
            validate_every=200,
        ),
    )
