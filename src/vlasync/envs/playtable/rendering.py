"""Draws the play table's cameras without a screen, all of them in one OpenGL context."""

# MuJoCo's compiled modules ship without stubs.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import importlib
import weakref
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.backend import INSTALL, chosen_backend
from vlasync.errors import RenderingError
from vlasync.spec import Camera

# Geoms that a scene has room for; the play table has 60.
_MAX_GEOMS = 200


class CameraRenderer:
    """Draws the cameras of a play table; without cameras it needs no OpenGL at all.

    The cameras share a framebuffer of the largest size: going from one OpenGL context to another costs more than a
    small image.
    """

    def __init__(self, model: mujoco.MjModel, cameras: Mapping[str, Camera]) -> None:
        """Start OpenGL.

        Args:
            model: the play table; its offscreen buffer takes the size of the largest camera.
            cameras: sizes of the images, by the names of the model's cameras.

        Raises:
            RenderingError: there are cameras, and OpenGL does not start.
        """
        self._model = model
        self._areas = {name: mujoco.MjrRect(0, 0, size.width, size.height) for name, size in cameras.items()}
        self._views = {name: _fixed_camera(model, name) for name in cameras}
        if not cameras:
            return
        buffer = model.vis.global_
        buffer.offwidth = max(size.width for size in cameras.values())
        buffer.offheight = max(size.height for size in cameras.values())
        self._context, self._resources = _start_opengl(model)
        # MuJoCo's own clean-up would delete what another renderer has under the same number if that one is current.
        self._release = weakref.finalize(self, _release, self._context, self._resources)
        # At the end of the process the display is closed first, and its contexts with it.
        self._release.atexit = False
        self._option = mujoco.MjvOption()
        self._perturbation = mujoco.MjvPerturb()
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_HAZE):
            self._scene.flags[flag] = 0

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """A new image `[H, W', 3]` of one camera."""
        self._context.make_current()
        area = self._areas[camera]
        everything = mujoco.mjtCatBit.mjCAT_ALL
        view = self._views[camera]
        mujoco.mjv_updateScene(self._model, data, self._option, self._perturbation, view, everything, self._scene)
        mujoco.mjr_render(area, self._scene, self._resources)
        pixels = np.empty((area.height, area.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, area, self._resources)
        return pixels[::-1].copy()  # OpenGL's row 0 is the lowest

    def close(self) -> None:
        """Free the OpenGL context; nothing can be drawn afterwards."""
        if self._areas:
            self._release()


def _fixed_camera(model: mujoco.MjModel, name: str) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = model.camera(name).id
    return camera


def _start_opengl(model: mujoco.MjModel) -> tuple[Any, mujoco.MjrContext]:
    """A current OpenGL context (`make_current()`, `free()`), and the play table's meshes and textures in it.

    The context is made by the backend's own module and not by `mujoco.GLContext`, which a program that imported MuJoCo
    before vlasync has bound to a backend that needs a screen.
    """
    backend = chosen_backend()
    size = model.vis.global_
    try:
        context = importlib.import_module(f"mujoco.{backend.lower()}").GLContext(size.offwidth, size.offheight)
        context.make_current()
        resources = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
    except Exception as error:  # PyOpenGL and MuJoCo raise a dozen types here, some of them ImportError
        raise RenderingError(f"MUJOCO_GL={backend}: OpenGL does not start ({error}); {INSTALL}") from error
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, resources)
    return context, resources


def _release(context: Any, resources: mujoco.MjrContext) -> None:
    context.make_current()
    resources.free()
    context.free()
