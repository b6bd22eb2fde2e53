"""From poses to relative actions and back, in the convention that a SyncSpec declares.

A pose is `[..., 6]`: position in metres and extrinsic xyz Euler angles in radians, both in world axes.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec

Array = TypeVar("Array", NDArray[Any], torch.Tensor)

_SUPPORTED: dict[str, tuple[str, ...]] = {
    "action_frame": ("world",),
    "action_mode": ("relative_to_measured", "relative_to_target"),
    "rotation": ("euler_xyz_extrinsic",),
    "rotation_composition": ("euler_difference",),
}


def increments(pose_now: Array, pose_next: Array, spec: SyncSpec) -> Array:
    """The relative action that leads from one pose to the next.

    `action = [(x' - x) / position_scale_m, wrap(e' - e) / rotation_scale_rad]`, where wrap maps to [-pi, pi): CALVIN's
    rule, which subtracts Euler angles one by one. Nothing is clipped, whatever `spec.action_clip` says.

    Args:
        pose_now: `[..., 6]` pose before the action.
        pose_next: `[..., 6]` pose after it.
        spec: declares scales and convention.

    Returns:
        `[..., 6]` in units of the spec's scales, of the type and device of the poses.

    Raises:
        VlasyncError: the spec declares a convention other than world-frame Euler differences.
    """
    _require_supported(spec)
    change: Any = pose_next - pose_now  # an array or a tensor; both take the slices below
    change[..., 3:] = _wrap(change[..., 3:])
    change[..., :3] /= spec.position_scale_m
    change[..., 3:] /= spec.rotation_scale_rad
    return change


def integrate(pose: Array, action: Array, spec: SyncSpec) -> Array:
    """The pose that an action leads to: the inverse of `increments`.

    Args:
        pose: `[..., 6]` pose before the action.
        action: `[..., 6]` in units of the spec's scales.
        spec: declares scales and convention.

    Returns:
        `[..., 6]` pose after the action, Euler angles in [-pi, pi).

    Raises:
        VlasyncError: the spec declares a convention other than world-frame Euler differences.
    """
    _require_supported(spec)
    change: Any = action * 1.0
    change[..., :3] *= spec.position_scale_m
    change[..., 3:] *= spec.rotation_scale_rad
    reached: Any = pose + change
    reached[..., 3:] = _wrap(reached[..., 3:])
    return reached


def _wrap(angle: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _require_supported(spec: SyncSpec) -> None:
    for field, values in _SUPPORTED.items():
        if (got := getattr(spec, field)) not in values:
            raise VlasyncError(f"SyncSpec.{field} is {got!r}; increments can be formed for {', '.join(values)}")
