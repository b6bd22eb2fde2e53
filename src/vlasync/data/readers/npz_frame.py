"""One frame of CALVIN's layout: an npz file, read array by array without numpy's cost of opening each as a file.

A dataset has a million such files with the same few array headers, so that headers are parsed once.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.errors import DatasetError, NotFiniteError
from vlasync.spec import Camera, SyncSpec

_PREAMBLE = 10
"""Bytes of an `.npy` file (version 1) before its header: magic, version, and the header's length in the last two."""


class NpzFrame:
    """An open frame; every failure to read it names file and key."""

    def __init__(self, file: Path) -> None:
        """Open `file` and read its table of contents.

        Raises:
            DatasetError: it is missing, cut short or no npz file.
        """
        self.file = file
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
        except FileNotFoundError as error:
            raise DatasetError(f"{file}: not found, though ep_start_end_ids.npy counts this frame") from error
        except (OSError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{file}: cut short or no npz file ({error}); copy or record it again") from error

    def vector(self, key: str, length: int) -> NDArray[np.float64]:
        """The finite vector stored as `key`, of this length."""
        array = self._array(key)
        if array.shape != (length,) or array.dtype.kind not in "fiu":
            raise DatasetError(f"{self.file}: `{key}` is {array.dtype} {array.shape}, expected numbers ({length},)")
        if not np.isfinite(array).all():
            raise NotFiniteError(f"{self.file}: `{key}` has NaN or infinite numbers; leave this episode out")
        return array.astype(np.float64)

    def image(self, name: str, camera: Camera) -> NDArray[np.uint8]:
        """The image of a camera, `[H, W', 3]`, read-only."""
        image = self._array(f"rgb_{name}")
        self._require_size(name, camera, image.shape, image.dtype)
        return image

    def require_image(self, name: str, camera: Camera) -> None:
        """The image has the size of the dataset's first frame; reads its header only."""
        self._require_size(name, camera, *self._image_header(name))

    def cameras(self) -> dict[str, Camera]:
        """Every colour camera of this frame with its size; tactile images have six channels and are left out."""
        found = {}
        for name in (key.removeprefix("rgb_") for key in self._keys() if key.startswith("rgb_")):
            shape, _ = self._image_header(name)
            if len(shape) == 3 and shape[2] == 3:
                up = SyncSpec.CALVIN.cameras[name].up if name in SyncSpec.CALVIN.cameras else "world +z"
                found[name] = Camera(height=shape[0], width=shape[1], up=up)
        return found

    def _array(self, key: str) -> NDArray[Any]:
        """The array stored as `key`, read-only."""
        content = self._content(key)
        try:
            shape, column_major, dtype, start = _header(content)
            if dtype.hasobject:
                raise ValueError("it holds pickled objects")
            flat = np.frombuffer(content, dtype, math.prod(shape), start)
        except ValueError as error:
            raise self._unreadable(key, error) from error
        return flat.reshape(shape[::-1]).T if column_major else flat.reshape(shape)

    def _image_header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        key = f"rgb_{name}"
        try:
            shape, _, dtype, _ = _header(self._content(key, 256))
        except ValueError as error:
            raise self._unreadable(key, error) from error
        return shape, dtype

    def _require_size(self, name: str, camera: Camera, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        expected = (camera.height, camera.width, 3)
        if dtype != np.uint8:
            raise DatasetError(f"{self.file}: `rgb_{name}` is {dtype}, expected uint8")
        if shape != expected:
            raise DatasetError(
                f"{self.file}: `rgb_{name}` has shape {shape}, expected {expected} as in the first frame"
            )

    def _content(self, key: str, size: int = -1) -> bytes:
        """The first bytes of the `.npy` file stored as `key`, or all of them."""
        try:
            with self._archive.open(f"{key}.npy") as stream:
                return stream.read(size)
        except KeyError as error:
            raise DatasetError(f"{self.file}: has no key `{key}`; it has {self._keys()}") from error
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._unreadable(key, error) from error

    def _unreadable(self, key: str, error: Exception) -> DatasetError:
        return DatasetError(f"{self.file}: key `{key}` cannot be read ({error}); copy or record it again")

    def _keys(self) -> list[str]:
        return [name.removesuffix(".npy") for name in self._archive.namelist()]


def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, column-major order, type, and where the numbers start; ValueError where this is no `.npy` file."""
    start = _PREAMBLE + int.from_bytes(content[_PREAMBLE - 2 : _PREAMBLE], "little")
    return *_parsed(content[:start]), start


@lru_cache(maxsize=256)
def _parsed(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    stream = io.BytesIO(header)
    if (version := np.lib.format.read_magic(stream)) != (1, 0):
        raise ValueError(f"version {version} of numpy's format, expected (1, 0)")
    return np.lib.format.read_array_header_1_0(stream)
