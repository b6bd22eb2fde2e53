"""Every image once, small: what all checks of images look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.types import ImageStream

SIDE = 32
"""Thumbnails have at least this many rows and columns, and fewer than twice as many, where images have as many."""

BLOCK_FRAMES = 32
"""Images that are in memory at once."""


def thumbnails(images: Mapping[str, ImageStream]) -> dict[str, NDArray[np.float32]]:
    """Area means of the images of each camera, `[T, 3, h, w]` in grey levels 0..255.

    Rows and columns that fill no whole cell are left out on both sides alike, so that the thumbnail of a flipped image
    is the flipped thumbnail. Sums are exact: images are equal where thumbnails are, and only there but for changes that
    cancel out in every cell. Cameras are read in turn, a block each: the images of a frame often share a file.
    """
    longest = max(map(len, images.values()), default=0)
    blocks: dict[str, list[NDArray[np.float32]]] = {name: [] for name in images}
    for first in range(0, max(longest, 1), BLOCK_FRAMES):
        for name, stream in images.items():
            blocks[name].append(_reduced(stream[first : first + BLOCK_FRAMES]))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def tiles(small: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Area means of thumbnails on a grid that all cameras share: `[T, 3, side, side]`."""
    height, width = small.shape[2:]
    if min(height, width) < side:
        small = resized(small, (max(height, side), max(width, side)))
    return _cells(_cells(small, side, axis=2), side, axis=3)


def resized(small: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Thumbnails of another size `[T, 3, height, width]`, each cell the nearest one."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, small.shape[2:], strict=True))
    return small[:, :, rows.astype(int)[:, None], columns.astype(int)]


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`[T, 3, h, w]` from `[T, H, W', 3]`: integer sums along the axes in which the numbers lie in memory."""
    values = np.moveaxis(images, 3, 1)
    height, width = 2, 3
    if not values.flags.c_contiguous:
        values, height, width = images, 1, 2
    size = 1
    for axis in (height, width):
        cell, count, start = _grid(values.shape[axis], SIDE)
        size *= cell
        total = np.zeros((*values.shape[:axis], count, *values.shape[axis + 1 :]), np.min_scalar_type(255 * size))
        for part in _parts(values, axis, cell, count, start):
            total += part
        values = total
    return (values if height == 2 else np.moveaxis(values, 3, 1)).astype(np.float32) / np.float32(size)


def _grid(size: int, side: int) -> tuple[int, int, int]:
    """The largest equal cells along an axis of which there are `side`: their size, how many, and where they start."""
    cell = max(size // side, 1)
    count = size // cell
    return cell, count, (size - count * cell) // 2


def _parts(values: NDArray[Any], axis: int, cell: int, count: int, start: int) -> Iterator[NDArray[Any]]:
    """The first number of each cell along an axis, the second of each, and so on."""
    for offset in range(start, start + cell):
        yield values[(slice(None),) * axis + (slice(offset, offset + (count - 1) * cell + 1, cell),)]


def _cells(values: NDArray[np.float32], side: int, axis: int) -> NDArray[np.float32]:
    """Means over `side` equal cells along one axis."""
    cell = max(values.shape[axis] // side, 1)
    start = (values.shape[axis] - side * cell) // 2
    total = np.zeros((*values.shape[:axis], side, *values.shape[axis + 1 :]), np.float32)
    for part in _parts(values, axis, cell, side, start):
        total += part
    return total / np.float32(cell)
