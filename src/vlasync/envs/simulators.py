"""Which simulator: the built-in play table, or the real CALVIN where the user has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from vlasync.envs.calvin import CalvinEnv
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.tasks import Snapshot
from vlasync.spec import Camera, SyncSpec


class Simulator(Protocol):
    """What the play table and CALVIN have in common: CALVIN's robot and table, driven by relative actions.

    Attributes:
        sync_spec: what observations and actions mean.
        layout: where things stand in this scene.
    """

    sync_spec: SyncSpec
    layout: Layout

    @property
    def target_pose(self) -> NDArray[Any]:
        """`[6]` pose that the arm is sent to, position and extrinsic xyz Euler angles in world axes."""
        ...

    def reset(self, *, robot_obs: NDArray[Any], scene_obs: NDArray[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Put robot `[15]` and scene `[24]` into a state; the observation, and an empty info."""
        ...

    def step(self, action: NDArray[Any], /) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Execute an action `[7]` in the representation of `sync_spec`; the observation comes first."""
        ...

    def snapshot(self) -> Snapshot:
        """The state that tasks are judged by."""
        ...

    def close(self) -> None:
        """Free what the simulator holds."""
        ...


def open_simulator(scene: str, cameras: Mapping[str, Camera], *, calvin_root: Path | None = None) -> Simulator:
    """The play table, or CALVIN in the checkout at `calvin_root`, in one scene with these cameras.

    Raises:
        VlasyncError: there is no such scene or camera, or the checkout or a package is missing.
    """
    if calvin_root is None:
        return PlayTable(scene=scene, cameras=cameras)
    return CalvinEnv(calvin_root, scene=scene, cameras=cameras)


def simulator_name(calvin_root: Path | None) -> str:
    """What reports call it."""
    return "play table" if calvin_root is None else "CALVIN simulator"
