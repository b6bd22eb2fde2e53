"""Choose an OpenGL that works without a screen, before MuJoCo is imported: it reads `MUJOCO_GL` once, on import."""

from __future__ import annotations

import ctypes.util
import os

from vlasync.errors import RenderingError

INSTALL = "install one: `apt-get install libegl1 libgl1-mesa-dri` for EGL, or `apt-get install libosmesa6` for OSMesa"

# The library that each of MuJoCo's headless backends loads, in the order of preference.
_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}


def choose_backend() -> None:
    """Set `MUJOCO_GL` to EGL if it is installed, else to OSMesa; what the user has set stays."""
    if os.environ.get("MUJOCO_GL"):
        return
    for backend, library in _LIBRARIES.items():
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = backend
            return


def require_backend() -> None:
    """Raise `RenderingError` if `choose_backend` found nothing; physics without images needs no OpenGL."""
    if not os.environ.get("MUJOCO_GL"):
        raise RenderingError(f"no OpenGL that works without a screen was found; {INSTALL}")
