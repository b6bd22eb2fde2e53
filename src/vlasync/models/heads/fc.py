"""The FC head: an MLP on the frame itself, without memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from vlasync.models.heads.head import HeadConfig, HeadShape
from vlasync.models.heads.regression import RegressionHead


@dataclass(frozen=True, kw_only=True)
class FCHeadConfig(HeadConfig):
    """Size of the head.

    Attributes:
        hidden: width of its layers.
    """

    kind: str = field(default="fc", init=False)
    hidden: int = 256

    def build(self, shape: HeadShape) -> FCHead:
        """A new head."""
        return FCHead(self, shape)


class FCHead(RegressionHead):
    """Each frame of a window by itself; where demonstrations are a function of what is seen, nothing is lost."""

    def __init__(self, config: FCHeadConfig, shape: HeadShape) -> None:
        reader = nn.Sequential(nn.Linear(shape.frame_size, config.hidden), nn.GELU())
        super().__init__(shape, reader=reader, width=config.hidden, history=1)

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.reader(embeddings.flatten(2))
