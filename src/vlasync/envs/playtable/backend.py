"""Choose an OpenGL that works without a screen, before MuJoCo is imported: it reads `MUJOCO_GL` once, on import."""

from __future__ import annotations

import ctypes.util
import importlib
import os

from vlasync.errors import RenderingError

INSTALL = "install one: `apt-get install libegl1 libgl1-mesa-dri` for EGL, or `apt-get install libosmesa6` for OSMesa"

# The library that each of MuJoCo's headless backends loads, in the order of preference.
_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}


def choose_backend() -> None:
    """Set `MUJOCO_GL` to EGL if it is installed, else to OSMesa, and import MuJoCo; what the user has set stays.

    Raises:
        RenderingError: MuJoCo cannot be imported with the user's `MUJOCO_GL`.
    """
    # Mesa's software renderer draws our small images in one thread for 0.6 of the processor time that handing tiles to
    # several takes, and leaves the other cores to other simulations. A GPU's driver does not read this.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if backend := os.environ.get("MUJOCO_GL"):
        try:
            importlib.import_module("mujoco")
        except (RuntimeError, AttributeError) as error:  # an unknown name; a library that is not there
            raise RenderingError(
                f"MUJOCO_GL={backend}: MuJoCo does not start with it ({error}); unset it, or {INSTALL}"
            ) from error
        return
    for backend, library in _LIBRARIES.items():
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return


def chosen_backend() -> str:
    """The value of `MUJOCO_GL`.

    Raises:
        RenderingError: `choose_backend` found nothing; physics without images needs no OpenGL.
    """
    if backend := os.environ.get("MUJOCO_GL"):
        return backend
    raise RenderingError(f"no OpenGL that works without a screen was found; {INSTALL}")
