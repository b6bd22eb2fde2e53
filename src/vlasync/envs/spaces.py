"""What every environment of CALVIN's robot takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from vlasync.errors import VlasyncError
from vlasync.spec import Camera, SyncSpec


class ActionSpace(spaces.Box):
    """Relative actions `[7]` between -1 and +1 whose gripper command is exactly one of these two."""

    def __init__(self) -> None:
        super().__init__(-1.0, 1.0, (7,), np.float64)

    def sample(self, mask: None = None, probability: None = None) -> NDArray[Any]:
        """A random action `[7]`."""
        action = super().sample(mask, probability)
        action[6] = 1.0 if action[6] > 0 else -1.0
        return action

    def contains(self, x: Any) -> bool:
        """Whether `step` takes `x`, and no part of it lies beyond the recorded actions' range."""
        return super().contains(x) and abs(x[6]) == 1.0


def observation_space(cameras: Mapping[str, Camera]) -> spaces.Dict:
    """Images by camera, `state` `[15]` and `scene` `[24]`."""
    images: dict[str, spaces.Space[Any]] = {
        name: spaces.Box(0, 255, (size.height, size.width, 3), np.uint8) for name, size in cameras.items()
    }
    return spaces.Dict(
        {
            "images": spaces.Dict(images),
            "state": spaces.Box(-np.inf, np.inf, (15,), np.float64),
            "scene": spaces.Box(-np.inf, np.inf, (24,), np.float64),
        }
    )


def require_cameras(cameras: Mapping[str, Camera], *, where: str) -> None:
    """Require that CALVIN's robot has these cameras.

    Raises:
        VlasyncError: there is no such camera; `where` names the environment.
    """
    if unknown := sorted(set(cameras) - set(SyncSpec.CALVIN.cameras)):
        raise VlasyncError(f"{where}: no camera {unknown[0]!r}; there are {', '.join(SyncSpec.CALVIN.cameras)}")


def require_vector(values: Any, name: str, size: int) -> NDArray[np.float64]:
    """`values` as float64 `[size]`.

    Raises:
        VlasyncError: there are not as many, or they are not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,) or not np.isfinite(array).all():
        raise VlasyncError(
            f"{name}: got shape {array.shape}, finite: {np.isfinite(array).all()}; expected {size} finite"
        )
    return array


def require_action(action: Any, spec: SyncSpec) -> NDArray[np.float64]:
    """An action as float64 `[7]`.

    Raises:
        VlasyncError: the action is not 7 finite numbers, or the gripper command is neither open nor closed.
    """
    action = require_vector(action, "action", 7)
    if action[6] not in (spec.gripper_open, spec.gripper_closed):
        raise VlasyncError(f"action[6] is {action[6]}; the gripper command is exactly -1 (close) or +1 (open)")
    return action
