"""Which simulator: the built-in play table, or the real CALVIN where the user has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vlasync.envs.calvin import CalvinEnv
from vlasync.envs.playtable import PlayTable
from vlasync.spec import Camera


def open_simulator(
    scene: str, cameras: Mapping[str, Camera], *, calvin_root: Path | None = None
) -> PlayTable | CalvinEnv:
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
