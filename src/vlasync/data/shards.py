"""The arrays of one shard of a training store: written piece by piece, opened as memory maps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.data.coded_images import CodedImages, encode
from vlasync.data.layouts import ImageCoding
from vlasync.errors import DatasetError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, ImageStream

FRAMES_IN_TURN = 32
"""Frames of one camera that are written before those of the next: as many as CALVIN's reader keeps open."""

AddImages = Callable[[NDArray[np.uint8]], object]
"""Writes the next images `[n, H, W', 3]` of a camera."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The memory maps of one shard with N frames.

    Attributes:
        images: camera name -> `[N, H, W', 3]`, a view of channels-first images or coded ones.
        state: `[N, S]`.
        actions: `[N, n]`.
        scene: `[N, 24]`, or None.
        frame_index: `[N]`.
        timestamps: `[N]` seconds, or None.
        episodes: a row of `episodes.json` for each episode.
    """

    images: dict[str, NDArray[np.uint8] | CodedImages]
    state: NDArray[np.float64]
    actions: NDArray[np.float64]
    scene: NDArray[np.float64] | None
    frame_index: NDArray[np.int64]
    timestamps: NDArray[np.float64] | None
    episodes: list[dict[str, Any]]

    def stream(self, camera: str, part: slice) -> ImageStream:
        """The images of some consecutive frames; nothing is copied or decoded yet."""
        images = self.images[camera]
        if isinstance(images, CodedImages):
            return replace(images, offsets=images.offsets[part.start : part.stop + 1])
        return images[part]


def write_arrays(folder: Path, spec: SyncSpec, episodes: Sequence[Episode], coding: ImageCoding) -> None:
    """Write the arrays of a shard into `folder`, each appended episode by episode; all episodes are in `spec`."""
    total = sum(len(episode) for episode in episodes)

    def low_dimensional(name: str, dtype: str, read: Callable[[Episode], NDArray[Any] | None]) -> None:
        parts = [np.asarray(part, dtype) for part in map(read, episodes) if part is not None]
        if parts:
            _write_npy(folder / f"{name}.npy", np.dtype(dtype), (total, *parts[0].shape[1:]), parts)

    low_dimensional("state", "<f8", lambda episode: episode.state)
    low_dimensional("actions", "<f8", lambda episode: episode.actions)
    low_dimensional("scene", "<f8", lambda episode: episode.scene)
    low_dimensional("frame_index", "<i8", lambda episode: episode.frame_index)
    low_dimensional("timestamps", "<f8", lambda episode: episode.timestamps)
    _write_images(folder, spec, episodes, coding, total)


def _write_images(folder: Path, spec: SyncSpec, episodes: Sequence[Episode], coding: ImageCoding, total: int) -> None:
    """Write `total` images of each camera, some of each in turn: a source that keeps them together opens it once."""
    with ExitStack() as files:
        add = {
            name: files.enter_context(
                _raw_images(folder, name, (total, 3, camera.height, camera.width))
                if coding == "raw"
                else _coded_images(folder, name, coding)
            )
            for name, camera in spec.cameras.items()
        }
        for episode in episodes:
            for first in range(0, len(episode), FRAMES_IN_TURN):
                for name in add:
                    add[name](episode.images[name][first : first + FRAMES_IN_TURN])


@contextmanager
def _raw_images(folder: Path, camera: str, shape: tuple[int, ...]) -> Iterator[AddImages]:
    """Write the images of one camera channels first, `shape` in all."""
    with (folder / f"images.{camera}.npy").open("wb") as stream:
        _write_header(stream, np.dtype("u1"), shape)
        yield lambda images: stream.write(np.ascontiguousarray(np.moveaxis(images, 3, 1)).data)


@contextmanager
def _coded_images(folder: Path, camera: str, coding: ImageCoding) -> Iterator[AddImages]:
    """Write the images of one camera coded, and where each of them begins."""
    offsets = [0]
    with (folder / f"images.{camera}.coded.npy").open("wb") as stream:

        def add(images: NDArray[np.uint8]) -> None:
            for image in images:
                offsets.append(offsets[-1] + stream.write(encode(image, coding)))

        _write_header(stream, np.dtype("u1"), (0,))
        yield add
        stream.seek(0)
        _write_header(stream, np.dtype("u1"), (offsets[-1],))  # as long as the first one: it has room for any length
    starts = np.array(offsets, "<i8")
    _write_npy(folder / f"images.{camera}.offsets.npy", starts.dtype, starts.shape, [starts])


def _write_npy(file: Path, dtype: np.dtype[Any], shape: tuple[int, ...], parts: Iterable[NDArray[Any]]) -> None:
    """Write an `.npy` file piece by piece.

    Plain writes, because a memory map on a full disk ends the process (SIGBUS) where a write raises OSError.
    """
    with file.open("wb") as stream:
        _write_header(stream, dtype, shape)
        for part in parts:
            stream.write(np.ascontiguousarray(part).data)


def _write_header(stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write the head of an `.npy` file."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def open_shard(folder: Path, spec: SyncSpec, coding: ImageCoding) -> Shard:
    """Map the arrays of a shard.

    Raises:
        DatasetError: a file is missing, cut short, or of another shape than `episodes.json` and the spec say.
    """
    file = folder / "episodes.json"
    try:
        rows = json.loads(file.read_text())
        total = sum(row["length"] for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file}: missing or damaged ({error!r}); delete the shard and record it again") from error

    def optional(name: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        return _map(folder / f"{name}.npy", shape, "f8") if (folder / f"{name}.npy").exists() else None

    return Shard(
        images={name: _open_images(folder, name, camera, total, coding) for name, camera in spec.cameras.items()},
        state=_map(folder / "state.npy", (total, spec.state_size), "f8"),
        actions=_map(folder / "actions.npy", (total, spec.action_size), "f8"),
        scene=optional("scene", (total, 24)),
        frame_index=_map(folder / "frame_index.npy", (total,), "i8"),
        timestamps=optional("timestamps", (total,)),
        episodes=rows,
    )


def _open_images(
    folder: Path, name: str, camera: Camera, total: int, coding: ImageCoding
) -> NDArray[np.uint8] | CodedImages:
    """The images of one camera, `[N, H, W', 3]`."""
    if coding == "raw":
        images = _map(folder / f"images.{name}.npy", (total, 3, camera.height, camera.width), "u1")
        return np.moveaxis(images, 1, 3)
    offsets = _map(folder / f"images.{name}.offsets.npy", (total + 1,), "i8")
    file = folder / f"images.{name}.coded.npy"
    return CodedImages(
        name=str(file),
        content=_map(file, (int(offsets[-1]),), "u1"),
        offsets=offsets,
        height=camera.height,
        width=camera.width,
    )


def _map(file: Path, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """A read-only memory map of an `.npy` file that must have this shape and type.

    Mapped by torch, because Python's own map holds the file open and a process may hold only some hundred files.
    """
    expected = np.dtype(dtype)
    try:
        with file.open("rb") as stream:
            np.lib.format.read_magic(stream)
            got_shape, _, got_dtype = np.lib.format.read_array_header_1_0(stream)
            first = stream.tell()
        size = file.stat().st_size
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{file}: missing or damaged ({error}); delete the shard and record it again") from error
    if got_shape != shape or got_dtype != expected:
        raise DatasetError(f"{file}: got {got_dtype} {got_shape}, expected {expected} {shape}")
    if size != (needed := first + math.prod(shape) * expected.itemsize):
        raise DatasetError(f"{file}: cut short, {size} bytes of {needed}; delete the shard and record it again")
    content = torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8).numpy()
    content.flags.writeable = False
    return content[first:].view(expected).reshape(shape)
