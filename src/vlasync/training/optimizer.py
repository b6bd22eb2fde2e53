"""AdamW with linear warm-up, then a constant rate or cosine decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101) and its schedule.

    Attributes:
        learning_rate: peak, reached after `warmup_steps`.
        schedule: what follows the warm-up: `constant` stays at the peak, `cosine` goes down half a cosine.
        final_fraction: share of the peak that the cosine ends on.
        warmup_steps: optimiser steps of linear warm-up from 0.
        warmup_share: share of all steps that the warm-up takes beyond `warmup_steps`.
        weight_decay: applied to matrices only; biases, norms and embeddings of one vector are left alone.
        betas: decay of the first and second moment.
        clip_norm: the gradient's largest global L2 norm; None for any.
    """

    learning_rate: float = 2e-5
    schedule: Literal["constant", "cosine"] = "cosine"
    final_fraction: float = 0.0
    warmup_steps: int = 100
    warmup_share: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    clip_norm: float | None = 1.0


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that train, matrices with weight decay and the rest without."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def learning_rate_at(step: int, total_steps: int, config: OptimizerConfig) -> float:
    """Learning rate of optimiser step `step` (0-based): linear warm-up, then what `schedule` says."""
    warmup = config.warmup_steps + round(config.warmup_share * total_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    progress = (step - warmup) / max(1, total_steps - warmup)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return config.learning_rate * (config.final_fraction + (1.0 - config.final_fraction) * cosine)
