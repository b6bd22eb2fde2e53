"""The representations of actions that a model can be trained in, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec

Representation = Literal["recorded", "world_relative", "tcp_relative", "world_absolute"]

_INCREMENT = {
    "action_mode": "relative_to_measured",
    "position_scale_m": SyncSpec.CALVIN.position_scale_m,
    "rotation_scale_rad": SyncSpec.CALVIN.rotation_scale_rad,
}

REPRESENTATIONS: Mapping[Representation, Mapping[str, Any]] = MappingProxyType(
    {
        "recorded": {},
        "world_relative": _INCREMENT
        | {
            "action_frame": "world",
            "rotation": "euler_xyz_extrinsic",
            "rotation_composition": "euler_difference",
        },
        "tcp_relative": _INCREMENT
        | {
            "action_frame": "tcp",
            "rotation": "rotvec",
            "rotation_composition": "right",
        },
        "world_absolute": {
            "action_mode": "absolute",
            "action_frame": "world",
            "rotation": "euler_xyz_extrinsic",
            "rotation_composition": "euler_difference",
            "position_scale_m": 1.0,
            "rotation_scale_rad": 1.0,
        },
    }
)
"""Name -> the SyncSpec fields that it sets; increments are in CALVIN's units, poses in metres and radians.

Increments on the commanded pose stay what they are: written as increments on the measured pose they would hold the
controller's lag as well, and an environment that adds them to its target would run ahead.
"""


def represent(spec: SyncSpec, name: Representation) -> SyncSpec:
    """The SyncSpec of the same demonstrations with their actions in another representation.

    Args:
        spec: of the demonstrations.
        name: one of `REPRESENTATIONS`.

    Returns:
        `spec` itself where its actions are in that representation already. Otherwise without `action_clip`: a box
        around the recorded numbers is no box around the converted ones.

    Raises:
        VlasyncError: there is no representation of that name.
    """
    if name not in REPRESENTATIONS:
        raise VlasyncError(f"unknown representation of actions {name!r}; there are {', '.join(REPRESENTATIONS)}")
    changes = dict(REPRESENTATIONS[name])
    if (spec.action_mode, changes.get("action_mode")) == ("relative_to_target", "relative_to_measured"):
        del changes["action_mode"]
    changed = spec.replace(**changes)
    return spec if changed == spec else changed.replace(action_clip=None)
