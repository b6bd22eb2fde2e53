"""The LSTM policy head: the action embeddings of a window -> a chunk of future actions for each of its frames.

An LSTM reads the frames in order and two small MLPs turn its output into poses and gripper logits, as in the guide's
architecture. Streaming keeps the last W embeddings as its whole state and reads them again from a zero LSTM state at
each step: the network then meets exactly the histories that it met in training, which a running LSTM state would not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class LSTMHeadConfig:
    """Size of the head.

    Attributes:
        hidden: width of the LSTM and of the MLPs behind it.
        layers: layers of the LSTM.
    """

    hidden: int = 256
    layers: int = 2


@dataclass(frozen=True, kw_only=True)
class ChunkPrediction:
    """Predicted chunks.

    Attributes:
        pose: `[..., K, P]` normalised translation and rotation; P is 6, 7 with quaternions, 9 with `rot6d`.
        gripper: `[..., K]` logits, positive for open.
    """

    pose: torch.Tensor
    gripper: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What a rollout remembers between frames.

    Attributes:
        embeddings: `[B, T, n, D]` action embeddings of the last T frames, T from 0 to `window_size`.
    """

    embeddings: torch.Tensor


class LSTMHead(nn.Module):
    """LSTM over the window, then one MLP for the pose and one for the gripper."""

    def __init__(
        self,
        config: LSTMHeadConfig,
        *,
        embedding_size: int,
        latent: int,
        window_size: int,
        chunk_size: int,
        pose_size: int = 6,
    ) -> None:
        """Build the layers.

        Args:
            config: widths.
            embedding_size: D, width of an action embedding.
            latent: n, action embeddings per frame; they are laid side by side.
            window_size: W, frames that a step looks back on, itself included.
            chunk_size: K, actions predicted per frame.
            pose_size: P, numbers of an action that are not the gripper's.
        """
        super().__init__()
        self._embedding_shape = (latent, embedding_size)
        self._window_size = window_size
        self._chunk_size = chunk_size
        self.lstm = nn.LSTM(latent * embedding_size, config.hidden, config.layers, batch_first=True)
        self.pose = _mlp(config.hidden, pose_size * chunk_size)
        self.gripper = _mlp(config.hidden, chunk_size)

    def forward(self, embeddings: torch.Tensor) -> ChunkPrediction:
        """Chunks for each frame of a window.

        Args:
            embeddings: `[B, W, n, D]`.

        Returns:
            pose `[B, W, K, P]` and gripper `[B, W, K]`, in float32: an LSTM in bfloat16 loses the small steps of a
            regression and is not faster.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            hidden, _ = self.lstm(embeddings.flatten(2).float())  # [B, W, hidden]
            pose = self.pose(hidden).unflatten(-1, (self._chunk_size, -1))
            return ChunkPrediction(pose=pose, gripper=self.gripper(hidden))

    def init_stream(self, batch: int) -> Stream:
        """An empty history for `batch` rollouts."""
        device = next(self.lstm.parameters()).device
        return Stream(embeddings=torch.zeros(batch, 0, *self._embedding_shape, device=device))

    def step(self, stream: Stream, embedding: torch.Tensor) -> tuple[Stream, ChunkPrediction]:
        """Take in one frame; equal to the last frame of `forward` on the frames that the stream holds.

        Args:
            stream: history so far.
            embedding: `[B, n, D]`.

        Returns:
            The new stream, and pose `[B, K, P]` with gripper `[B, K]` for this frame.
        """
        history = torch.cat([stream.embeddings, embedding.float().unsqueeze(1)], dim=1)[:, -self._window_size :]
        window = self(history)
        return Stream(embeddings=history), ChunkPrediction(pose=window.pose[:, -1], gripper=window.gripper[:, -1])


def _mlp(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))
