"""Names of dimensions in LeRobot's `info.json`, beside what a SyncSpec calls them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vlasync.spec import Rotation, StateSlice, SyncSpec

_AXES: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("x", "y", "z"): ("tcp_position", "m"),
    ("roll", "pitch", "yaw"): ("tcp_euler", "rad"),
    ("rx", "ry", "rz", "rw"): ("tcp_quat_xyzw", "1"),  # so in LeRobot versions of Open X-Embodiment
    ("qx", "qy", "qz", "qw"): ("tcp_quat_xyzw", "1"),
}
"""Names that belong together -> name and unit of the state's slice."""

_ROTATION_NAMES: Mapping[Rotation, tuple[str, ...]] = {
    "euler_xyz_extrinsic": ("roll", "pitch", "yaw"),
    "euler_xyz_intrinsic": ("roll", "pitch", "yaw"),
    "quat_xyzw": ("qx", "qy", "qz", "qw"),
    "rotvec": ("rx", "ry", "rz"),
    "rot6d": tuple(f"r{number}" for number in range(6)),
}

_UNITS: Mapping[str, str] = {"arm_joints": "rad", "gripper_width": "m", "gripper_command": "command"}
"""Units of slices that are known by their name alone; others have none (`1`)."""


def state_names(spec: SyncSpec) -> list[str]:
    """A name for each number of the state `[S]`; `unnamed_3` where `state_layout` says nothing of number 3."""
    axes = {name: names for names, (name, _) in _AXES.items()}
    names = [f"unnamed_{number}" for number in range(spec.state_size)]
    for part in spec.state_layout:
        size = part.stop - part.start
        numbered = (part.name,) if size == 1 else tuple(f"{part.name}_{number}" for number in range(size))
        names[part.start : part.stop] = axes.get(part.name, numbered)
    return names


def action_names(spec: SyncSpec) -> list[str]:
    """A name for each number of an action `[n]`."""
    return ["x", "y", "z", *_ROTATION_NAMES[spec.rotation], "gripper"]


def layout_of(names: Sequence[str]) -> tuple[StateSlice, ...]:
    """The slices that the names of a state's dimensions tell, in order and without gaps.

    x, y, z and roll, pitch, yaw are the TCP's pose, joints and motors the arm, a `gripper` how far it is open. Names
    say nothing of units: metres and radians are taken for granted, and `vlasync check` finds other ones.
    """
    plain = [re.sub(r"^.*[./]", "", name.lower()) for name in names]
    slices: list[StateSlice] = []
    start = 0
    while start < len(plain):
        known = next((axes for axes in _AXES if tuple(plain[start : start + len(axes)]) == axes), None)
        if known:
            (name, unit), stop = _AXES[known], start + len(known)
        else:
            name, stop = _stem(plain[start]), start + 1
            while stop < len(plain) and _numbered(plain[stop]) and _stem(plain[stop]) == name:
                stop += 1
            unit = _UNITS.get(name, "1")
        slices.append(StateSlice(name=name, start=start, stop=stop, unit=unit))
        start = stop
    return tuple(slices)


def _numbered(name: str) -> bool:
    return re.search(r"\d+(\.pos|_pos)?$", name) is not None


def _stem(name: str) -> str:
    """What a name is without its number: `joint_3` and `motor_3` are `arm_joints`, `gripper` is `gripper_opening`."""
    stem = re.sub(r"_?\d+(\.pos|_pos)?$", "", name)
    if stem in ("joint", "joints", "motor", "arm_joint", "arm_joints"):
        return "arm_joints"
    return "gripper_opening" if stem in ("gripper", "gripper_position", "gripper_state") else stem
