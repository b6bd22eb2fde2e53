"""Draws the play table's cameras without a screen; one OpenGL context per image size."""

from __future__ import annotations

import os
from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.backend import INSTALL, require_backend
from vlasync.errors import RenderingError
from vlasync.spec import Camera


class CameraRenderer:
    """Draws the cameras of a play table; without cameras it needs no OpenGL at all."""

    def __init__(self, model: mujoco.MjModel, cameras: Mapping[str, Camera]) -> None:
        self._renderers: dict[str, mujoco.Renderer] = {}
        self._sizes: dict[tuple[int, int], mujoco.Renderer] = {}
        if not cameras:
            return
        require_backend()
        for name, camera in cameras.items():
            size = (camera.height, camera.width)
            if size not in self._sizes:
                self._sizes[size] = _new_renderer(model, *size)
            self._renderers[name] = self._sizes[size]

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """A new image `[H, W', 3]` of one camera."""
        renderer = self._renderers[camera]
        renderer.update_scene(data, camera)
        return renderer.render()

    def close(self) -> None:
        """Free the OpenGL contexts."""
        for renderer in self._sizes.values():
            renderer.close()
        self._sizes.clear()
        self._renderers.clear()


def _new_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    backend = os.environ.get("MUJOCO_GL")
    try:
        renderer = mujoco.Renderer(model, height, width)
    except Exception as error:  # PyOpenGL and MuJoCo raise a dozen types here, some of them ImportError
        raise RenderingError(f"MUJOCO_GL={backend}: OpenGL does not start ({error}); {INSTALL}") from error
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_HAZE):
        renderer.scene.flags[flag] = 0
    return renderer
