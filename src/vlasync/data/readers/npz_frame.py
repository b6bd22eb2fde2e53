"""One frame of CALVIN's layout: an npz file, read array by array without numpy's cost of opening each as a file.

A dataset has a million such files with the same few array headers, so that headers are parsed once. ISA-L inflates the
arrays, which takes half of zlib's time.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from vlasync.errors import DatasetError, NotFiniteError
from vlasync.spec import Camera, SyncSpec

_PREAMBLE = 10
"""Bytes of an `.npy` file (version 1) before its header: magic, version, and the header's length in the last two."""

_MEMBER_HEADER = struct.Struct("<26xHH")
"""What stands before a member's name; it ends with the lengths of name and extra field (PKZIP APPNOTE 4.3.7)."""

_RAW_DEFLATE = -15
"""zlib's `wbits` for deflate without a header of its own, as zip archives hold it."""

_CODE_TABLES = 1024
"""Bytes, three times what the code tables of a block take at most; a byte of content takes at most two (RFC 1951)."""

_DAMAGED: tuple[type[Exception], ...] = (struct.error, zipfile.BadZipFile, isal_zlib.error)  # pyright: ignore[reportAssignmentType]


class NpzFrame:
    """An open frame; every failure to read it names file and key."""

    def __init__(self, file: Path) -> None:
        """Open `file` and read its table of contents.

        Raises:
            DatasetError: it is missing, cut short or no npz file.
        """
        self.file = file
        try:
            self._bytes = file.read_bytes()
            self._members = {member.filename: member for member in zipfile.ZipFile(io.BytesIO(self._bytes)).infolist()}
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

    def _content(self, key: str, size: int | None = None) -> bytes:
        """The first bytes of the `.npy` file stored as `key`, or all of them."""
        if (member := self._members.get(f"{key}.npy")) is None:
            raise DatasetError(f"{self.file}: has no key `{key}`; it has {self._keys()}")
        try:
            packed = _packed(self._bytes, member)
            return _whole(packed, member) if size is None else _start(packed, member, size)
        except _DAMAGED as error:
            raise self._unreadable(key, error) from error

    def _unreadable(self, key: str, error: Exception) -> DatasetError:
        return DatasetError(f"{self.file}: key `{key}` cannot be read ({error}); copy or record it again")

    def _keys(self) -> list[str]:
        return [name.removesuffix(".npy") for name in self._members]


def _packed(archive: bytes, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member as they are in the archive, behind the header that repeats its name."""
    name, extra = _MEMBER_HEADER.unpack_from(archive, member.header_offset)
    start = member.header_offset + _MEMBER_HEADER.size + name + extra
    return archive[start : start + member.compress_size]


def _whole(packed: bytes, member: zipfile.ZipInfo) -> bytes:
    """A member's content, which is what it was when the archive was written."""
    content = isal_zlib.decompress(packed, _RAW_DEFLATE) if _is_deflated(member) else packed
    if len(content) != member.file_size or isal_zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile("its checksum is wrong")
    return content


def _start(packed: bytes, member: zipfile.ZipInfo, size: int) -> bytes:
    """The first `size` bytes of a member's content, inflated from no more than what surely holds them."""
    if not _is_deflated(member):
        return packed[:size]
    return isal_zlib.decompressobj(_RAW_DEFLATE).decompress(packed[: _CODE_TABLES + 2 * size], size)


def _is_deflated(member: zipfile.ZipInfo) -> bool:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"compression {member.compress_type}, expected none or deflate, as numpy writes")
    return member.compress_type == zipfile.ZIP_DEFLATED


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
