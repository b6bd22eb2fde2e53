"""The GPT head: a small causal transformer reads the frames of a window."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from vlasync.models.heads.head import HeadConfig, HeadShape
from vlasync.models.heads.regression import RegressionHead
from vlasync.models.heads.transformer import WindowReader


@dataclass(frozen=True, kw_only=True)
class GPTHeadConfig(HeadConfig):
    """Size of the head.

    Attributes:
        hidden: width of the transformer and of the MLPs behind it.
        layers: transformer layers.
        attention_heads: per layer.
    """

    kind: str = field(default="gpt", init=False)
    hidden: int = 256
    layers: int = 2
    attention_heads: int = 4

    def build(self, shape: HeadShape) -> GPTHead:
        """A new head."""
        return GPTHead(self, shape)


class GPTHead(RegressionHead):
    """Causal transformer over the window, then one MLP for the pose and one for the gripper.

    Streaming reads the window again at each step: keys and values kept from earlier steps would carry frames that have
    left the window, layer by layer, and so a history that training never showed.
    """

    def __init__(self, config: GPTHeadConfig, shape: HeadShape) -> None:
        reader = WindowReader(
            shape.frame_size,
            hidden=config.hidden,
            layers=config.layers,
            attention_heads=config.attention_heads,
        )
        super().__init__(shape, reader=reader, width=config.hidden, history=shape.window_size)

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.reader(embeddings)
