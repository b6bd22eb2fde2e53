"""The LSTM head: a recurrent network reads the frames of a window in order, as in the guide's architecture."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from vlasync.models.heads.head import HeadConfig, HeadShape
from vlasync.models.heads.regression import RegressionHead


@dataclass(frozen=True, kw_only=True)
class LSTMHeadConfig(HeadConfig):
    """Size of the head.

    Attributes:
        hidden: width of the LSTM and of the MLPs behind it.
        layers: layers of the LSTM.
    """

    kind: str = field(default="lstm", init=False)
    hidden: int = 256
    layers: int = 2

    def build(self, shape: HeadShape) -> LSTMHead:
        """A new head."""
        return LSTMHead(self, shape)


class LSTMHead(RegressionHead):
    """LSTM over the window, from a zero state, then one MLP for the pose and one for the gripper."""

    def __init__(self, config: LSTMHeadConfig, shape: HeadShape) -> None:
        super().__init__(
            shape,
            reader=nn.LSTM(shape.frame_size, config.hidden, config.layers, batch_first=True),
            width=config.hidden,
            history=shape.window_size,
        )

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        hidden, _ = self.reader(embeddings.flatten(2))
        return hidden
