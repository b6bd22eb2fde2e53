"""What a policy head is: it reads the action embeddings of a window and predicts a chunk of actions for each frame.

A head does so in two parts, which is all that a new head has to write:

    read      [B, T, n, D] embeddings of T frames -> [B, T, H], what frame t knows of the frames up to t
    predict   [..., H] -> a chunk of K actions

and, if it does not learn by regression, `compare`, the loss of what was read. Windowed and streaming use follow from
these and cannot differ: a step reads the last frames again, as many as a window has, and predicts for the newest.
The network then meets exactly the histories that it met in training, which a state carried on for ever would not give.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import nn

from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.losses import LossConfig, LossTerms, chunk_loss


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """What a head is given and what it must give, as the VLA decides it.

    Attributes:
        embedding_size: D, width of an action embedding.
        latent: n, action embeddings per frame.
        window_size: W, frames that a prediction may look back on, its own included.
        chunk_size: K, actions predicted per frame.
        pose_size: P, numbers of an action that are not the gripper's.
    """

    embedding_size: int
    latent: int
    window_size: int
    chunk_size: int
    pose_size: int = 6

    @property
    def frame_size(self) -> int:
        """Numbers that describe one frame: its action embeddings side by side, n * D."""
        return self.latent * self.embedding_size


@dataclass(frozen=True, kw_only=True)
class HeadConfig(ABC):
    """Which head, and its size: a frozen dataclass of plain numbers and words, so that it goes through JSON.

    Attributes:
        kind: the name under which a saved VLA finds the class again; a subclass gives it as a default.
    """

    kind: str

    @abstractmethod
    def build(self, shape: HeadShape) -> PolicyHead:
        """A new head of random weights; its randomness comes from torch's global generator alone."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What a rollout remembers between frames.

    Attributes:
        embeddings: `[B, T, n, D]` action embeddings of the last T frames, T from 0 to the window size.
    """

    embeddings: torch.Tensor


class PolicyHead(nn.Module, ABC):
    """Action embeddings in, action chunks out: a window at once, or frame by frame with the state in the open.

    A head works in float32 whatever the VLM works in: bfloat16 loses the small steps of a regression, and a head is too
    small to be slow.
    """

    def __init__(self, shape: HeadShape, *, history: int) -> None:
        """Remember the sizes.

        Args:
            shape: what goes in and out.
            history: frames that a step reads, the newest included: the window size, or 1 for a head without memory.
        """
        super().__init__()
        self.shape = shape
        self.history = history

    @abstractmethod
    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """What each frame knows of itself and the frames before it, never of later ones.

        Args:
            embeddings: `[B, T, n, D]` float32; T up to W.

        Returns:
            `[B, T, H]`, of any width H.
        """

    @abstractmethod
    def predict(self, context: torch.Tensor) -> ChunkPrediction:
        """Chunks from what was read, `[..., H]` -> pose `[..., K, P]`, gripper `[..., K]`; the same at each call."""

    def compare(self, context: torch.Tensor, target: ChunkTarget, config: LossConfig) -> LossTerms:
        """The loss of what was read, `[..., H]`; by default regression on what is predicted from it."""
        return chunk_loss(self.predict(context), target, config)

    def forward(self, embeddings: torch.Tensor) -> ChunkPrediction:
        """Chunks for each frame of a window.

        Args:
            embeddings: `[B, W, n, D]`.

        Returns:
            pose `[B, W, K, P]` and gripper `[B, W, K]`, float32.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.predict(self._read_window(embeddings.float()))

    def loss(self, embeddings: torch.Tensor, target: ChunkTarget, config: LossConfig) -> LossTerms:
        """The loss of a window; random draws, where a head needs them, come from torch's global generator.

        Args:
            embeddings: `[B, W, n, D]`.
            target: pose `[B, W, K, P]`, gripper and mask `[B, W, K]`.
            config: distance and lambda.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.compare(self._read_window(embeddings.float()), target, config)

    def init_stream(self, batch: int) -> Stream:
        """An empty history for `batch` rollouts."""
        device = next(self.parameters()).device
        return Stream(embeddings=torch.zeros(batch, 0, self.shape.latent, self.shape.embedding_size, device=device))

    def step(self, stream: Stream, embedding: torch.Tensor) -> tuple[Stream, ChunkPrediction]:
        """Take in one frame; equal to the last frame of `forward` on the frames that the new stream holds.

        Args:
            stream: history so far.
            embedding: `[B, n, D]`.

        Returns:
            The new stream, and pose `[B, K, P]` with gripper `[B, K]` for this frame.
        """
        frames = torch.cat([stream.embeddings, embedding.float().unsqueeze(1)], dim=1)[:, -self.history :]
        with torch.autocast(embedding.device.type, enabled=False):
            return Stream(embeddings=frames), self.predict(self.read(frames)[:, -1])

    def _read_window(self, embeddings: torch.Tensor) -> torch.Tensor:
        """`read` of all frames; where a step reads one frame, each frame is read as a window of its own."""
        if self.history > 1:
            return self.read(embeddings)
        return self.read(embeddings.flatten(0, 1).unsqueeze(1)).unflatten(0, embeddings.shape[:2]).squeeze(2)
