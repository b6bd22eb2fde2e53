"""The loss of an action chunk: a term for the pose and one for the gripper, each a mean over real entries only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from vlasync.models.chunks import ChunkPrediction, ChunkTarget


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Which loss.

    Attributes:
        pose: distance between what a head predicts and what it should, of poses or (flow matching) of velocities;
            `huber` (delta 1) is what the public reference code has, `mse` is what its paper and guide say. A head that
            classifies bins has no distance, only cross-entropy.
        gripper_weight: lambda in `total = pose + lambda * gripper`; 0.01 in the guide.
    """

    pose: Literal["mse", "huber", "l1"] = "mse"
    gripper_weight: float = 0.01


@dataclass(frozen=True, kw_only=True)
class LossTerms:
    """Scalars: `total` is what is minimised, `pose` and `gripper` its terms before lambda."""

    total: torch.Tensor
    pose: torch.Tensor
    gripper: torch.Tensor


_DISTANCES: dict[str, Callable[..., torch.Tensor]] = {
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
    "l1": functional.l1_loss,
}


def distance(predicted: torch.Tensor, wanted: torch.Tensor, config: LossConfig) -> torch.Tensor:
    """The configured distance of each number from the one it should be, in the shape of both."""
    return _DISTANCES[config.pose](predicted, wanted, reduction="none")


def gripper_entropy(logits: torch.Tensor, target: ChunkTarget) -> torch.Tensor:
    """Binary cross-entropy `[..., K]` of gripper logits `[..., K]`, positive for open."""
    return functional.binary_cross_entropy_with_logits(logits, target.gripper_open.to(logits.dtype), reduction="none")


def loss_terms(pose: torch.Tensor, gripper: torch.Tensor, mask: torch.Tensor, config: LossConfig) -> LossTerms:
    """Means over the entries that the mask keeps.

    Args:
        pose: `[..., K]` loss of each action's pose.
        gripper: `[..., K]` loss of each action's gripper.
        mask: `[..., K]` bool.
        config: lambda.

    Returns:
        The terms. A mask that keeps nothing gives 0.
    """
    kept = mask.to(pose.dtype)
    count = kept.sum().clamp(min=1.0)
    pose_loss, gripper_loss = (pose * kept).sum() / count, (gripper * kept).sum() / count
    return LossTerms(total=pose_loss + config.gripper_weight * gripper_loss, pose=pose_loss, gripper=gripper_loss)


def chunk_loss(prediction: ChunkPrediction, target: ChunkTarget, config: LossConfig) -> LossTerms:
    """Regression on the pose and classification of the gripper, as in the guide.

    Args:
        prediction: pose `[..., K, P]` and gripper `[..., K]` logits.
        target: of the same shapes.
        config: which distance, and lambda.

    Returns:
        The terms. A mask that keeps nothing gives 0.
    """
    pose = distance(prediction.pose, target.pose, config).mean(-1)
    return loss_terms(pose, gripper_entropy(prediction.gripper, target), target.mask, config)
