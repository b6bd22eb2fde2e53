"""Rotations between matrices and every form that a SyncSpec can declare; the arithmetic is roma's."""

from __future__ import annotations

import math

import roma
import torch

from vlasync.spec import Rotation

IN_RADIANS = frozenset({"euler_xyz_extrinsic", "euler_xyz_intrinsic", "rotvec"})
"""Forms whose numbers are angles, so that a scale applies to them."""


def to_matrix(numbers: torch.Tensor, form: Rotation) -> torch.Tensor:
    """Rotation matrices `[..., 3, 3]` of rotations `[..., n]` written in `form`, angles in radians.

    Quaternions need not have unit length, nor the two columns of `rot6d` be orthonormal (Zhou et al., "On the
    Continuity of Rotation Representations in Neural Networks", 2019), so that what a network predicts can be read.
    """
    match form:
        case "euler_xyz_extrinsic":
            return roma.euler_to_rotmat("xyz", numbers)
        case "euler_xyz_intrinsic":
            return roma.euler_to_rotmat("XYZ", numbers)
        case "quat_xyzw":
            return roma.unitquat_to_rotmat(roma.quat_normalize(numbers))
        case "rotvec":
            return roma.rotvec_to_rotmat(numbers)
        case "rot6d":
            return roma.special_gramschmidt(numbers.unflatten(-1, (2, 3)).mT)


def from_matrix(matrix: torch.Tensor, form: Rotation) -> torch.Tensor:
    """Rotations `[..., n]` in `form`, angles in radians: the inverse of `to_matrix`.

    Quaternions have w >= 0, rotation vectors a length of at most pi, Euler angles a second angle within +-pi/2.
    """
    match form:
        case "euler_xyz_extrinsic" | "euler_xyz_intrinsic":
            return euler(matrix, form)
        case "quat_xyzw":
            quaternion = roma.rotmat_to_unitquat(matrix)
            return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)
        case "rotvec":
            return roma.rotmat_to_rotvec(matrix)
        case "rot6d":
            return matrix[..., :2].mT.flatten(-2)


def euler(matrix: torch.Tensor, form: Rotation, *, near: torch.Tensor | None = None) -> torch.Tensor:
    """Euler angles `[..., 3]` whose rotation equals `matrix` to rounding, at gimbal lock too.

    With R = Rz(c) Ry(b) Rx(a), c comes from the first column, b from it and R[2, 0], and a from R once c is undone
    (K. Shoemake, "Euler Angle Conversion", Graphics Gems IV, 1994); where the lock leaves c open, whatever c is taken,
    a makes up for it. Intrinsic angles are the negative extrinsic ones of the inverse rotation.

    Args:
        matrix: `[..., 3, 3]`.
        form: `euler_xyz_extrinsic` or `euler_xyz_intrinsic`.
        near: `[..., 3]` angles; of the two triples that give the rotation the one nearest to these is returned, without
            jumps of 2 pi. By default the one whose second angle lies within +-pi/2.
    """
    if form == "euler_xyz_intrinsic":
        return -euler(matrix.mT, "euler_xyz_extrinsic", near=None if near is None else -near)
    cosine = (matrix[..., 0, 0].square() + matrix[..., 1, 0].square()).clamp_min(torch.finfo(matrix.dtype).tiny).sqrt()
    locked = cosine < 8 * torch.finfo(matrix.dtype).eps
    free = torch.zeros_like(cosine) if near is None else near[..., 2].expand_as(cosine)
    # Where locked, atan2 gets (0, 1): its gradient stays finite, and its value is not used.
    c = torch.atan2(matrix[..., 1, 0].masked_fill(locked, 0.0), matrix[..., 0, 0].masked_fill(locked, 1.0))
    c = torch.where(locked, free, c)
    b = torch.atan2(-matrix[..., 2, 0], cosine)
    sin, cos = torch.sin(c), torch.cos(c)
    a = torch.atan2(
        sin * matrix[..., 0, 2] - cos * matrix[..., 1, 2], cos * matrix[..., 1, 1] - sin * matrix[..., 0, 1]
    )
    angles = torch.stack([a, b, c], dim=-1)
    if near is None:
        return angles
    other = torch.stack([a + math.pi, math.pi - b, c + math.pi], dim=-1)
    steps, other_steps = wrap(angles - near), wrap(other - near)
    closer = other_steps.square().sum(-1, keepdim=True) < steps.square().sum(-1, keepdim=True)
    return near + torch.where(closer, other_steps, steps)


def wrap(angle: torch.Tensor) -> torch.Tensor:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
