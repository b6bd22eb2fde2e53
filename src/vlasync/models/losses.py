"""The loss of an action chunk: regression on the pose and classification of the gripper, over real entries only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from vlasync.models.heads.lstm import ChunkPrediction


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Which loss.

    Attributes:
        pose: distance between predicted and demonstrated pose; `huber` (delta 1) is what the public reference code
            has, `mse` is what its paper and guide say.
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


def chunk_loss(
    prediction: ChunkPrediction,
    *,
    pose: torch.Tensor,
    gripper_open: torch.Tensor,
    mask: torch.Tensor,
    config: LossConfig,
) -> LossTerms:
    """Means over the entries that the mask keeps.

    Args:
        prediction: pose `[..., K, P]` and gripper `[..., K]`.
        pose: `[..., K, P]` normalised target.
        gripper_open: `[..., K]` bool, True where the demonstrated command is "open".
        mask: `[..., K]` bool.
        config: which distance, and lambda.

    Returns:
        The terms. A mask that keeps nothing gives 0.
    """
    kept = mask.to(prediction.pose.dtype)
    count = kept.sum().clamp(min=1.0)
    distance = _DISTANCES[config.pose](prediction.pose, pose, reduction="none").mean(-1)
    entropy = functional.binary_cross_entropy_with_logits(
        prediction.gripper, gripper_open.to(prediction.gripper.dtype), reduction="none"
    )
    pose_loss, gripper_loss = (distance * kept).sum() / count, (entropy * kept).sum() / count
    return LossTerms(total=pose_loss + config.gripper_weight * gripper_loss, pose=pose_loss, gripper=gripper_loss)
