"""All 34 tasks on a laptop: a small VLM that drives CALVIN's chains of five tasks.

The demo's sizes, with two differences that its tasks decided (`docs/heads.md`): the VLM itself looks back on the frames
of a window, which shares their text and is the fastest to train, and a head without memory reads each.
"""

from __future__ import annotations

from dataclasses import replace

from vlasync.models.heads.fc import FCHeadConfig
from vlasync.recipes.demo import demo
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig


def laptop() -> RunConfig:
    """SmolVLM's architecture, tiny and random, for images of 64 px; an hour on two CPU cores."""
    small = demo()
    return replace(
        small,
        vla=replace(small.vla, history="interleaved", head=FCHeadConfig(hidden=256)),
        training=replace(
            small.training,
            steps=18_000,
            optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=200, weight_decay=0.01),
            average_decay=0.999,
            log_every=50,
            checkpoint_every=1000,
            validate_every=1000,
        ),
    )
