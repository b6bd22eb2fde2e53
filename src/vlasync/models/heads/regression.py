"""What heads that regress share: one small MLP for the pose and one for the gripper, as in the guide's architecture."""

from __future__ import annotations

import torch
from torch import nn

from vlasync.models.chunks import ChunkPrediction
from vlasync.models.heads.head import HeadShape, PolicyHead


class RegressionHead(PolicyHead):
    """A reader of frames, and two MLPs that turn what it read into poses and gripper logits."""

    def __init__(self, shape: HeadShape, *, reader: nn.Module, width: int, history: int) -> None:
        """Build the MLPs behind a reader.

        Args:
            shape: what goes in and out.
            reader: what `read` uses.
            width: H, of what it reads.
            history: see `PolicyHead`.
        """
        super().__init__(shape, history=history)
        self.reader = reader
        self.pose = output_mlp(width, shape.chunk_size * shape.pose_size)
        self.gripper = output_mlp(width, shape.chunk_size)

    def predict(self, context: torch.Tensor) -> ChunkPrediction:
        """See `PolicyHead.predict`."""
        pose = self.pose(context).unflatten(-1, (self.shape.chunk_size, self.shape.pose_size))
        return ChunkPrediction(pose=pose, gripper=self.gripper(context))


def output_mlp(width: int, outputs: int) -> nn.Sequential:
    """From what was read, `[..., width]`, to what is predicted, `[..., outputs]`."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))
