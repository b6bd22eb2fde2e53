"""What a single action means: from an action and the pose it refers to, to the pose it aims at, and back.

With reference pose (p, R), goal (p', R') and F the axes of `action_frame` in the world:

    relative    position F^T (p' - p); rotation `euler_difference`: e' - e, angle by angle, wrapped to [-pi, pi)
                                                `left`: F^T R' R^T F      `right`: R^T R'
    absolute    the goal in the axes and from the origin of `action_frame`, which is `world` or `base`

then positions are divided by `position_scale_m` and angles by `rotation_scale_rad`. In the TCP frame F is R, and
(F^T (p' - p), R^T R') is the body increment T^-1 T' of SE(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from vlasync.actions.compat import tcp_to_world, world_to_tcp
from vlasync.actions.rotations import IN_RADIANS, euler, from_matrix, to_matrix, wrap
from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec

WORLD_ANGLES = "euler_xyz_extrinsic"
"""How a pose of six numbers, and the state's `tcp_euler`, write orientation."""


@dataclass(frozen=True)
class Pose:
    """Poses in the world.

    Angles are kept where they are known, because a difference of angles depends on which triple writes the rotation.

    Attributes:
        position: `[..., 3]` m.
        matrix: `[..., 3, 3]` orientation.
        angles: `[..., 3]` the same as extrinsic xyz angles, rad, or None where no triple was chosen yet.
    """

    position: torch.Tensor
    matrix: torch.Tensor
    angles: torch.Tensor | None = None

    @classmethod
    def of(cls, position: torch.Tensor, angles: torch.Tensor) -> Self:
        """From metres `[..., 3]` and extrinsic xyz angles `[..., 3]`."""
        return cls(position, to_matrix(angles, WORLD_ANGLES), angles)

    def world_angles(self, *, near: torch.Tensor | None = None) -> torch.Tensor:
        """Extrinsic xyz angles `[..., 3]`: the known ones, else the triple nearest to `near`."""
        return euler(self.matrix, WORLD_ANGLES, near=near) if self.angles is None else self.angles

    def row(self, index: int) -> Self:
        """One row of the time axis, kept as an axis of length 1: axis -2 of `position`."""
        at = slice(index, index + 1)
        angles = None if self.angles is None else self.angles[..., at, :]
        return type(self)(self.position[..., at, :], self.matrix[..., at, :, :], angles)


def require_meaning(spec: SyncSpec) -> None:
    """Raise `VlasyncError` where frame, mode, rotation and composition do not go together."""
    composition, frame, problem = spec.rotation_composition, spec.action_frame, None
    if spec.action_mode == "absolute":
        problem = "absolute poses are written in `world` or `base`" if frame == "tcp" else None
    elif composition == "euler_difference" and (frame == "tcp" or not spec.rotation.startswith("euler")):
        problem = "`euler_difference` needs Euler angles in `world` or `base`"
    elif composition == "left" and frame == "tcp":
        problem = "in the TCP frame rotations are composed on the `right`"
    elif composition == "inverted_pseudo_infinitesimal" and (
        (frame, spec.rotation, spec.action_mode) != ("tcp", "euler_xyz_intrinsic", "relative_to_measured")
    ):
        problem = "this recipe goes with `tcp`, `euler_xyz_intrinsic` and `relative_to_measured`"
    elif spec.gripper_open == spec.gripper_closed:
        problem = "`gripper_open` and `gripper_closed` must be two different numbers"
    if problem:
        raise VlasyncError(
            f"SyncSpec: action_frame={frame!r}, action_mode={spec.action_mode!r}, rotation={spec.rotation!r} and "
            f"rotation_composition={composition!r} mean nothing together; {problem}"
        )


def decode(numbers: torch.Tensor, reference: Pose, spec: SyncSpec) -> Pose:
    """The goals of actions `[..., n - 1]`, gripper left out, that refer to `reference`."""
    if spec.rotation_composition == "inverted_pseudo_infinitesimal" and spec.action_mode != "absolute":
        return decode(tcp_to_world(numbers, reference.world_angles()), reference, _before_recipe(spec))
    rotation = numbers[..., 3:] * spec.rotation_scale_rad if spec.rotation in IN_RADIANS else numbers[..., 3:]
    axes, origin = _frame(reference, spec)
    start = origin if spec.action_mode == "absolute" else reference.position
    position = start + _turn(axes, numbers[..., :3] * spec.position_scale_m)
    if spec.action_mode == "absolute":
        angles = rotation if _in_world_angles(spec) else None
        return Pose(position, axes @ to_matrix(rotation, spec.rotation), angles)
    if spec.rotation_composition == "euler_difference":
        angles = _angles(reference, axes, spec) + rotation
        return Pose(position, axes @ to_matrix(angles, spec.rotation), angles if _in_world_angles(spec) else None)
    change = to_matrix(rotation, spec.rotation)
    if spec.rotation_composition == "left":
        return Pose(position, axes @ change @ axes.mT @ reference.matrix)
    return Pose(position, reference.matrix @ change)


def encode(goal: Pose, reference: Pose, spec: SyncSpec) -> torch.Tensor:
    """The actions `[..., n - 1]`, gripper left out, that refer to `reference` and aim at `goal`."""
    if spec.rotation_composition == "inverted_pseudo_infinitesimal" and spec.action_mode != "absolute":
        return world_to_tcp(encode(goal, reference, _before_recipe(spec)), reference.world_angles())
    axes, origin = _frame(reference, spec)
    start = origin if spec.action_mode == "absolute" else reference.position
    position = _turn(axes.mT, goal.position - start) / spec.position_scale_m
    if spec.action_mode == "absolute":
        rotation = (
            wrap(goal.world_angles()) if _in_world_angles(spec) else from_matrix(axes.mT @ goal.matrix, spec.rotation)
        )
    elif spec.rotation_composition == "euler_difference":
        before = _angles(reference, axes, spec)
        rotation = wrap(_angles(goal, axes, spec, near=before) - before)
    elif spec.rotation_composition == "left":
        rotation = from_matrix(axes.mT @ goal.matrix @ reference.matrix.mT @ axes, spec.rotation)
    else:
        rotation = from_matrix(reference.matrix.mT @ goal.matrix, spec.rotation)
    if spec.rotation in IN_RADIANS:
        rotation = rotation / spec.rotation_scale_rad
    return torch.cat([position, rotation], dim=-1)


def _frame(reference: Pose, spec: SyncSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Axes `[..., 3, 3]` and origin `[..., 3]` of the spec's action frame, in the world."""
    if spec.action_frame == "tcp":
        return reference.matrix, reference.position
    like = reference.position
    if spec.action_frame == "base":
        base = torch.tensor(spec.base_in_world, dtype=like.dtype, device=like.device)
        return to_matrix(base[3:], "quat_xyzw"), base[:3]
    return torch.eye(3, dtype=like.dtype, device=like.device), like.new_zeros(3)


def _angles(pose: Pose, axes: torch.Tensor, spec: SyncSpec, *, near: torch.Tensor | None = None) -> torch.Tensor:
    """Euler angles `[..., 3]` of a pose, seen from `axes`, in the spec's order; world ones that are known stay."""
    if _in_world_angles(spec):
        return pose.world_angles(near=near)
    return euler(axes.mT @ pose.matrix, spec.rotation, near=near)


def _in_world_angles(spec: SyncSpec) -> bool:
    """The spec writes orientation as the world angles that a pose carries along."""
    return spec.action_frame == "world" and spec.rotation == WORLD_ANGLES


def _before_recipe(spec: SyncSpec) -> SyncSpec:
    """The convention that the recipe of `compat.py` starts from: increments as CALVIN writes them."""
    return spec.replace(action_frame="world", rotation=WORLD_ANGLES, rotation_composition="euler_difference")


def _turn(axes: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Vectors `[..., 3]` turned by matrices `[..., 3, 3]`."""
    return (axes @ vector.unsqueeze(-1)).squeeze(-1)
