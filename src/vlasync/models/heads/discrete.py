"""The Discrete head: a chunk as a sentence of numbers, written one bin at a time.

Each number of an action is one of 256 bins and the gripper one of two classes; a small decoder writes them in order,
each knowing all that are written, as RT-2 and OpenVLA (arXiv 2307.15818, 2406.09246) do with a VLM's own vocabulary.
With a decoder of its own the head leaves the VLM's vocabulary alone, and cross-entropy can hold two ways to solve a
task apart, where a regression would average them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

from vlasync.actions.tokens import RESERVED_IDS, ActionTokenizer
from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead
from vlasync.models.heads.regression import output_mlp
from vlasync.models.heads.transformer import CausalTransformer, WindowReader
from vlasync.models.losses import LossConfig, LossTerms, gripper_entropy, loss_terms


@dataclass(frozen=True, kw_only=True)
class DiscreteHeadConfig(HeadConfig):
    """Size of the head.

    Attributes:
        hidden: width of the transformer that reads the window and of the decoder that writes the chunk.
        layers: transformer layers of each.
        attention_heads: per layer.
        bins: that the numbers between `-bound` and `bound` fall into.
        bound: largest normalised number that can be written; larger ones are clipped to it.
    """

    kind: str = field(default="discrete", init=False)
    hidden: int = 256
    layers: int = 2
    attention_heads: int = 4
    bins: int = 256
    bound: float = 1.0

    def build(self, shape: HeadShape) -> DiscreteHead:
        """A new head."""
        return DiscreteHead(self, shape)


class DiscreteHead(PolicyHead):
    """Causal transformer over the window, and a decoder that writes a chunk's K * (P + 1) ids behind what was read.

    The ids of an action are its pose's bins, then its gripper, which an MLP decides from what was read and written. Ids
    from 0 are the bins, the next two a closed and an open gripper, and the last stands for an entry that is not real.
    """

    def __init__(self, config: DiscreteHeadConfig, shape: HeadShape) -> None:
        super().__init__(shape, history=shape.window_size)
        sizes = {"hidden": config.hidden, "layers": config.layers, "attention_heads": config.attention_heads}
        self.reader = WindowReader(shape.frame_size, **sizes)
        self.decoder = CausalTransformer(**sizes)
        # A vocabulary of bins alone: the ids are 0 to bins - 1.
        self._tokenizer = ActionTokenizer(config.bins + RESERVED_IDS, 0, config.bins, -config.bound, config.bound)
        self._closed, self._missing = config.bins, config.bins + 2
        self.words = nn.Embedding(config.bins + 3, config.hidden)
        self.places = nn.Embedding(shape.chunk_size * (shape.pose_size + 1), config.hidden)
        self.output = nn.Linear(config.hidden, config.bins)
        self.gripper = output_mlp(2 * config.hidden, 1)

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.reader(embeddings)

    def predict(self, context: torch.Tensor) -> ChunkPrediction:
        """Write the likeliest id at each place, given those before it, with the decoder's keys and values kept."""
        action_length = self.shape.pose_size + 1
        cache = self.decoder.new_cache()
        start = word = context.flatten(0, -2)  # [N, H]; what was read stands where a sentence has its first word
        bins, gripper = [], []
        for place, position in enumerate(self.places.weight):
            hidden = self.decoder((word + position).unsqueeze(1), cache).squeeze(1)
            if place % action_length < self.shape.pose_size:
                bins.append(self.output(hidden).argmax(-1))
                word = self.words(bins[-1])
            else:
                gripper.append(self.gripper(torch.cat([start, hidden], dim=-1)).squeeze(-1))
                word = self.words(self._closed + (gripper[-1] > 0).long())
        pose = self._tokenizer.decode(torch.stack(bins, dim=-1))  # [N, K * P]
        rows = context.shape[:-1]
        return ChunkPrediction(
            pose=pose.view(*rows, self.shape.chunk_size, self.shape.pose_size).to(context.dtype),
            gripper=torch.stack(gripper, dim=-1).view(*rows, self.shape.chunk_size),
        )

    def compare(self, context: torch.Tensor, target: ChunkTarget, config: LossConfig) -> LossTerms:
        """Cross-entropy of each id given those before it, as the mean over an action's bins and for its gripper."""
        ids = torch.cat(
            [self._tokenizer.encode(target.pose), (self._closed + target.gripper_open.long()).unsqueeze(-1)], dim=-1
        )  # [..., K, P + 1]
        written = ids.masked_fill(~target.mask.unsqueeze(-1), self._missing).flatten(-2).flatten(0, -2)
        words = torch.cat([context.flatten(0, -2).unsqueeze(1), self.words(written[:, :-1])], dim=1)
        hidden = self.decoder(words + self.places.weight).view(*ids.shape, -1)
        logits = self.output(hidden[..., :-1, :])
        pose = functional.cross_entropy(logits.flatten(0, -2), ids[..., :-1].flatten(), reduction="none")
        last = hidden[..., -1, :]
        gripper = self.gripper(torch.cat([context.unsqueeze(-2).expand_as(last), last], dim=-1)).squeeze(-1)
        return loss_terms(pose.view_as(target.pose).mean(-1), gripper_entropy(gripper, target), target.mask, config)
