"""The Flow head: a chunk grows out of noise along a velocity that the network has learnt.

Flow matching (Lipman et al., arXiv 2210.02747) on the straight paths of rectified flow (Liu et al., arXiv 2209.03003):
between noise e ~ N(0, I) at time 0 and the demonstrated chunk a at time 1 lie the points x = (1 - t) e + t a, and the
network learns their velocity a - e, given x, t and what was read. Acting follows the velocity in a few Euler steps. The
chunk is one draw from the distribution of what demonstrators do, where a regression would give its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import nn

from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead
from vlasync.models.heads.regression import output_mlp
from vlasync.models.heads.transformer import WindowReader
from vlasync.models.losses import LossConfig, LossTerms, distance, gripper_entropy, loss_terms

_PERIODS = (4e-3, 4.0)  # shortest and longest sine of the time, as in pi0 (arXiv 2410.24164)
_LATEST = 0.999  # no training time above it; ten Euler steps evaluate none either
_EARLY = 1.5  # 1 - t / _LATEST ~ Beta(1.5, 1): more weight on early times, where the noise still hides most (pi0)


@dataclass(frozen=True, kw_only=True)
class FlowHeadConfig(HeadConfig):
    """Size of the head.

    Attributes:
        hidden: width of the transformer that reads the window and of the velocity network.
        layers: transformer layers.
        attention_heads: per layer.
        blocks: residual blocks of the velocity network.
        steps: Euler steps from noise to chunk; 10 in pi0.
        draws: of noise and time for each chunk in training. The network is small beside the VLM that read the frame, so
            more draws make the gradient steadier almost for free (4 in arXiv 2406.11838).
    """

    kind: str = field(default="flow", init=False)
    hidden: int = 256
    layers: int = 2
    attention_heads: int = 4
    blocks: int = 3
    steps: int = 10
    draws: int = 4

    def build(self, shape: HeadShape) -> FlowHead:
        """A new head."""
        return FlowHead(self, shape)


class FlowHead(PolicyHead):
    """Causal transformer over the window, a velocity field on the poses of a chunk, and an MLP for its gripper.

    The gripper has two states and needs no flow. Its MLP sees the poses, too, so that it closes where they arrive.

    A policy should answer equal observations with equal actions, so `forward` and `step` start from one fixed draw of
    noise, which the weights include; `sample` takes any other.
    """

    noise: torch.Tensor

    def __init__(self, config: FlowHeadConfig, shape: HeadShape) -> None:
        super().__init__(shape, history=shape.window_size)
        self._steps, self._draws = config.steps, config.draws
        self.reader = WindowReader(
            shape.frame_size, hidden=config.hidden, layers=config.layers, attention_heads=config.attention_heads
        )
        size = shape.chunk_size * shape.pose_size
        self.velocity = _Velocity(size, config.hidden, config.blocks)
        self.gripper = output_mlp(config.hidden + size, shape.chunk_size)
        self.register_buffer("noise", torch.randn(shape.chunk_size, shape.pose_size))

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.reader(embeddings)

    def predict(self, context: torch.Tensor) -> ChunkPrediction:
        """The chunks that grow out of the fixed noise."""
        return self.sample(context, self.noise.expand(*context.shape[:-1], -1, -1))

    def sample(self, context: torch.Tensor, noise: torch.Tensor) -> ChunkPrediction:
        """The chunks that grow out of given noise.

        Args:
            context: `[..., H]` what was read.
            noise: `[..., K, P]`, from a standard normal distribution.

        Returns:
            pose `[..., K, P]` and gripper logits `[..., K]`.
        """
        poses = noise.flatten(-2)
        for step in range(self._steps):
            time = poses.new_full(poses.shape[:-1], step / self._steps)
            poses = poses + self.velocity(poses, time, context) / self._steps
        gripper = self.gripper(torch.cat([context, poses], dim=-1))
        return ChunkPrediction(pose=poses.view_as(noise), gripper=gripper)

    def compare(self, context: torch.Tensor, target: ChunkTarget, config: LossConfig) -> LossTerms:
        """Distance of the velocity at random points from the one to the demonstrated poses; BCE for the gripper.

        Poses that are not real become 0, so that what fills them cannot leak into the others.
        """
        real = target.pose * target.mask.unsqueeze(-1)
        poses = real.expand(self._draws, *real.shape)  # [R, ..., K, P], R draws for each chunk
        noise = torch.randn_like(poses)
        time = _LATEST * (1.0 - torch.rand(poses.shape[:-2], device=poses.device) ** (1.0 / _EARLY))
        points = torch.lerp(noise, poses, time[..., None, None])
        velocity = self.velocity(points.flatten(-2), time, context.expand(self._draws, *context.shape)).view_as(poses)
        error = distance(velocity, poses - noise, config).mean((0, -1))
        gripper = self.gripper(torch.cat([context, real.flatten(-2)], dim=-1))
        return loss_terms(error, gripper_entropy(gripper, target), target.mask, config)


class _Velocity(nn.Module):
    """Chunk `[..., C]`, time `[...]` and context `[..., H]` -> velocity `[..., C]`.

    Residual MLPs whose normalised inputs are scaled and shifted by time and context, as in DiT (arXiv 2212.09748).
    """

    frequencies: torch.Tensor

    def __init__(self, size: int, hidden: int, blocks: int) -> None:
        super().__init__()
        shortest, longest = (math.log(period) for period in _PERIODS)
        periods = torch.exp(torch.linspace(shortest, longest, hidden // 2))
        self.register_buffer("frequencies", 2.0 * math.pi / periods, persistent=False)
        self.time = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.context = nn.Linear(hidden, hidden)
        self.project = nn.Linear(size, hidden)
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(blocks))
        self.output = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, size))

    def forward(self, chunk: torch.Tensor, time: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        phase = time.unsqueeze(-1) * self.frequencies
        condition = self.time(torch.cat([phase.sin(), phase.cos()], dim=-1)) + self.context(context)
        hidden = self.project(chunk)
        for block in self.blocks:
            hidden = block(hidden, condition)
        return self.output(hidden)


class _Block(nn.Module):
    """One residual MLP under a condition, both `[..., H]`."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(hidden, 3 * hidden))
        self.mlp = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden))

    def forward(self, hidden: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        shift, scale, gate = self.modulation(condition).chunk(3, dim=-1)
        return hidden + (1.0 + gate) * self.mlp(self.norm(hidden) * (1.0 + scale) + shift)
