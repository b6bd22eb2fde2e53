"""Names of dimensions in LeRobot's `info.json`, beside what a SyncSpec calls them."""

from __future__ import annotations

from collections.abc import Mapping

from vlasync.spec import Rotation, SyncSpec

_STATE_NAMES: Mapping[str, tuple[str, ...]] = {
    "tcp_position": ("x", "y", "z"),
    "tcp_euler": ("roll", "pitch", "yaw"),
}
"""Slices of the state whose dimensions have names of their own; others are numbered."""

_ROTATION_NAMES: Mapping[Rotation, tuple[str, ...]] = {
    "euler_xyz_extrinsic": ("roll", "pitch", "yaw"),
    "euler_xyz_intrinsic": ("roll", "pitch", "yaw"),
    "quat_xyzw": ("qx", "qy", "qz", "qw"),
    "rotvec": ("rx", "ry", "rz"),
    "rot6d": tuple(f"r{number}" for number in range(6)),
}


def state_names(spec: SyncSpec) -> list[str]:
    """A name for each number of the state `[S]`; `unnamed_3` where `state_layout` says nothing of number 3."""
    names = [f"unnamed_{number}" for number in range(spec.state_size)]
    for part in spec.state_layout:
        size = part.stop - part.start
        numbered = (part.name,) if size == 1 else tuple(f"{part.name}_{number}" for number in range(size))
        names[part.start : part.stop] = _STATE_NAMES.get(part.name, numbered)
    return names


def action_names(spec: SyncSpec) -> list[str]:
    """A name for each number of an action `[n]`."""
    return ["x", "y", "z", *_ROTATION_NAMES[spec.rotation], "gripper"]
