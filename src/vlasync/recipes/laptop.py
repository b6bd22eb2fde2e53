"""All 34 tasks on a laptop: a small VLM that drives CALVIN's chains of five tasks.

The demo's sizes, with two differences that its tasks decided. A batch is 96 frames from anywhere, each a window of its
own: neighbouring frames of a demonstration are much alike, and blocks, which may lie anywhere, are only found by a
policy that has seen them at many places. So the head needs no memory. And the loss is L1, whose smallest errors pull as
strongly as its largest, which alone changed little; the gripper's weight grows with it. Figures: `docs/calvin.md`.
"""

from __future__ import annotations

from dataclasses import replace

from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.losses import LossConfig
from vlasync.recipes.demo import demo
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig


def laptop() -> RunConfig:
    """SmolVLM's architecture, tiny and random, for images of 64 px; half an hour on one CPU core."""
    small = demo()
    return replace(
        small,
        vla=replace(
            small.vla,
            window_size=1,
            history="one_step",
            head=FCHeadConfig(hidden=256),
            loss=LossConfig(pose="l1", gripper_weight=0.05),
        ),
        training=replace(
            small.training,
            steps=11_000,
            batch_size=96,
            optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=200, weight_decay=0.01),
            average_decay=0.999,
            log_every=50,
            checkpoint_every=1000,
            validate_every=1000,
        ),
    )
