"""What `vlasync train` is told beside the recipe's name: settings that take the place of the recipe's.

The records stand apart from the registry, so that the help does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlasync.actions.representations import Representation


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """What trains of a VLM.

    Attributes:
        tuning: its weights, low-rank updates of them (qlora: over weights in 4 bits), or nothing; [LRN] and head always
            train.
        parts: parts that are tuned; all of them by default.
        decoder_layers: of the decoder only the last so many layers are tuned.
        lora_rank: rank of the updates, where the tuning is lora or qlora.
    """

    tuning: Literal["full", "lora", "qlora", "frozen"] | None = None
    parts: tuple[Literal["vision", "projector", "text_embedding", "decoder"], ...] | None = None
    decoder_layers: int | None = None
    lora_rank: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TuningOptions):
    """Settings instead of the recipe's.

    Attributes:
        steps: optimiser steps.
        batch_size: windows per process.
        seed: of weights, order, shifts and dropout.
        actions: representation that the model learns; demonstrations are converted to it, and evaluation converts back
            to what the robot wants.
        head: policy head: fc, lstm, gpt, discrete, flow, or one that an installed package brings.
    """

    steps: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    actions: Representation | None = None
    head: str | None = None
