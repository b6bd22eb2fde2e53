"""A published recipe for actions in the TCP frame, kept only for models that were trained with it.

It reads the state's extrinsic Euler angles as intrinsic ones, shrinks an increment of them by a factor of 0.01 so that
angles add like vectors, and takes the inverse of the body rotation that this means: by its own reading the result
points the wrong way (cosine below -0.999). `rotation_composition="right"` is the exact convention.
"""

from __future__ import annotations

import torch

from vlasync.actions.rotations import euler, to_matrix

SHRINK = 0.01


def world_to_tcp(action: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """The recipe: world-frame increments `[..., 6]` in the units of the data, to numbers in the TCP frame.

    With R = XYZ(e), p_tcp = R^-1 p and o_tcp = XYZ^-1(XYZ(e + 0.01 o)^-1 R) / 0.01.

    Args:
        action: `[..., 6]` position and Euler-angle increment.
        angles: `[..., 3]` Euler angles e of the TCP before the action, rad.
    """
    old = to_matrix(angles, "euler_xyz_intrinsic")
    new = to_matrix(angles + SHRINK * action[..., 3:], "euler_xyz_intrinsic")
    position = (old.mT @ action[..., :3, None]).squeeze(-1)
    return torch.cat([position, euler(new.mT @ old, "euler_xyz_intrinsic") / SHRINK], dim=-1)


def tcp_to_world(action: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """The inverse of `world_to_tcp`, of the same shapes."""
    old = to_matrix(angles, "euler_xyz_intrinsic")
    new = old @ to_matrix(SHRINK * action[..., 3:], "euler_xyz_intrinsic").mT
    position = (old @ action[..., :3, None]).squeeze(-1)
    return torch.cat([position, (euler(new, "euler_xyz_intrinsic", near=angles) - angles) / SHRINK], dim=-1)
