"""What `vlasync train` is told beside the recipe's name: settings that take the place of the recipe's.

The record stands apart from the registry, so that the help does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlasync.actions.representations import Representation


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Settings instead of the recipe's.

    Attributes:
        steps: optimiser steps.
        batch_size: windows per process.
        seed: of weights, order, shifts and dropout.
        actions: representation that the model learns; demonstrations are converted to it, and evaluation converts back
            to what the robot wants.
        head: policy head: fc, lstm, gpt, discrete, flow, or one that an installed package brings.
        tuning: what trains of the VLM: all of it, low-rank updates, or nothing; [LRN] and head always train.
        lora_rank: rank of the updates, where the tuning is lora.
    """

    steps: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    actions: Representation | None = None
    head: str | None = None
    tuning: Literal["full", "lora", "frozen"] | None = None
    lora_rank: int | None = None
