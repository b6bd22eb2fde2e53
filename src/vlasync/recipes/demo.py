"""The demo: a small VLM that becomes a VLA on two CPU cores in minutes.

The architecture is the guide's (VLM + [LRN] + LSTM head over a window, action chunks, MSE + BCE, everything trains);
the sizes are what learns fastest there. `docs/demo.md` holds the measurements behind each choice.
"""

from __future__ import annotations

from pathlib import Path

from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.losses import LossConfig
from vlasync.models.tiny import TinySize
from vlasync.models.vla import VLAConfig
from vlasync.recording import Perturbation, RecordingConfig, calvin_cameras
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


# How often each task is demonstrated, relative to the others. Pushing and lifting ask for the block's place to a
# centimetre, which takes more demonstrations than a handle that stands where it always stands.
SHARES = {"move_slider_left": 2, "move_slider_right": 2, "push_blue_block_right": 4, "lift_blue_block_table": 4}


def demo_recording(out: Path, *, workers: int) -> RecordingConfig:
    """Demonstrations at the size that the demo's VLM sees, so that no pixel is rendered in vain."""
    return RecordingConfig(
        out=out,
        tasks=tuple(task for task in DEMO_TASKS for _ in range(SHARES.get(task, 1))),
        episodes=75,
        cameras=calvin_cameras(64, 64),
        perturbation=Perturbation(share=0.9, probability=0.05, steps=(4, 16), strength=1.0),
        workers=workers,
        seed=0,
    )


def demo_evaluation(*, workers: int) -> EvaluationConfig:
    """20 unseen starts with held-out sentences per task, 10 of them for each baseline."""
    return EvaluationConfig(
        tasks=DEMO_TASKS, trials=20, baseline_trials=10, curve_trials=5, max_steps=80, workers=workers
    )


def demo() -> RunConfig:
    """SmolVLM's architecture, tiny and random, with state token, [LRN] and LSTM head."""
    return RunConfig(
        vlm=TinyVLM(family="smolvlm", size=TinySize(image_size=64, patch_size=16, pixel_shuffle=2, hidden=128)),
        vla=VLAConfig(
            window_size=4,
            chunk_size=10,
            use_state=True,
            shift_px={"static": 1, "gripper": 1},
            head=LSTMHeadConfig(hidden=256, layers=1),
            loss=LossConfig(pose="mse", gripper_weight=0.01),
        ),
        training=TrainingConfig(
            steps=2700,
            batch_size=32,
            optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=100, weight_decay=0.01),
            average_decay=0.995,
            milestones=(0.25, 0.5, 0.75),
            checkpoint_every=300,
            validate_every=300,
        ),
    )
