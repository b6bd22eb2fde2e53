"""Action chunks as a policy head predicts them and as a demonstration gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class ChunkPrediction:
    """Predicted chunks.

    Attributes:
        pose: `[..., K, P]` normalised translation and rotation; P is 6, 7 with quaternions, 9 with `rot6d`.
        gripper: `[..., K]` scores, positive for open.
    """

    pose: torch.Tensor
    gripper: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ChunkTarget:
    """Demonstrated chunks.

    Attributes:
        pose: `[..., K, P]` normalised translation and rotation.
        gripper_open: `[..., K]` bool, True where the command is "open".
        mask: `[..., K]` bool, True where the entry is real; the others must not count in any loss.
    """

    pose: torch.Tensor
    gripper_open: torch.Tensor
    mask: torch.Tensor
