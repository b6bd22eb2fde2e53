"""The guide's reference model, at full size and tiny: VLM + [LRN] + LSTM head, window 8, chunk 10, trained end to end.

Source of the numbers: the released CALVIN configuration of RoboVLMs (Kosmos-2, LSTM head of 1024, learning rate 2e-5,
no weight decay, window 8, chunk 10, lambda 0.01).
"""

from __future__ import annotations

from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import Family, TinySize
from vlasync.models.vla import VLAConfig
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.run import RunConfig, TinyVLM
from vlasync.training.trainer import TrainingConfig


def kosmos2_lstm() -> RunConfig:
    """Kosmos-2 (1.6 B) with an LSTM head, everything trains; the guide's configuration for CALVIN."""
    return RunConfig(
        vlm="microsoft/kosmos-2-patch14-224",
        vla=VLAConfig(window_size=8, chunk_size=10, use_state=False, head=LSTMHeadConfig(hidden=1024, layers=4)),
        training=TrainingConfig(
            steps=20_000,
            batch_size=4,
            optimizer=OptimizerConfig(learning_rate=2e-5, warmup_steps=500, weight_decay=0.0),
            checkpoint_every=1000,
            validate_every=1000,
        ),
        normalization="bounds",
    )


def _tiny(family: Family) -> RunConfig:
    """The same architecture at a size that a laptop trains in minutes, from random weights."""
    return RunConfig(
        vlm=TinyVLM(family=family, size=TinySize(image_size=64, patch_size=16)),
        vla=VLAConfig(window_size=8, chunk_size=10, use_state=False, head=LSTMHeadConfig(hidden=256, layers=2)),
        training=TrainingConfig(
            steps=500,
            batch_size=8,
            optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=50),
            log_every=10,
            checkpoint_every=100,
            validate_every=100,
        ),
    )


def tiny_kosmos2_lstm() -> RunConfig:
    """A tiny random Kosmos-2 with an LSTM head."""
    return _tiny("kosmos2")


def tiny_paligemma_lstm() -> RunConfig:
    """A tiny random PaliGemma with an LSTM head."""
    return _tiny("paligemma")


def tiny_smolvlm_lstm() -> RunConfig:
    """A tiny random SmolVLM with an LSTM head."""
    return _tiny("smolvlm")
