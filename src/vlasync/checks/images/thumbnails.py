"""Every image once, small: what all checks of images look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlasync.types import ImageStream

SIDE = 32
"""Thumbnails have at least this many rows and columns, and fewer than twice as many, where images have as many."""

BLOCK_FRAMES = 32
"""Images that are in memory at once."""


def thumbnails(images: ImageStream) -> NDArray[np.float32]:
    """Area means of the images of a camera, `[T, 3, h, w]` in grey levels 0..255.

    Rows and columns that fill no whole cell are left out on both sides alike, so that the thumbnail of a flipped image
    is the flipped thumbnail. Sums are exact: images are equal where thumbnails are, and only there but for changes that
    cancel out in every cell.
    """
    blocks = [_reduced(images[first : first + BLOCK_FRAMES]) for first in range(0, len(images), BLOCK_FRAMES)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 3, SIDE, SIDE), np.float32)


def tiles(small: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Area means of thumbnails on a grid that all cameras share: `[T, 3, side, side]`."""
    height, width = small.shape[2:]
    if min(height, width) < side:
        small = resized(small, (max(height, side), max(width, side)))
    return _cells(_cells(small, side, axis=2, most=side), side, axis=3, most=side)


def resized(small: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Thumbnails of another size `[T, 3, height, width]`, each cell the nearest one."""
    rows, columns = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, small.shape[2:], strict=True))
    return small[:, :, rows.astype(int)[:, None], columns.astype(int)]


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`[T, 3, h, w]` from `[T, H, W', 3]`."""
    channels_first = np.moveaxis(images, 3, 1)
    rows = _cells(channels_first, SIDE, axis=2)
    return _cells(rows, SIDE, axis=3).astype(np.float32, copy=False)


def _cells(
    values: NDArray[np.uint8] | NDArray[np.float32], side: int, axis: int, most: int | None = None
) -> NDArray[np.float32]:
    """Means over the largest equal cells along one axis of which there are `side`, and no more than `most`."""
    size = values.shape[axis]
    cell = max(size // side, 1)
    count = size // cell if most is None else most
    start = (size - count * cell) // 2
    total = np.zeros((*values.shape[:axis], count, *values.shape[axis + 1 :]), np.float32)
    for offset in range(start, start + cell):
        part = [slice(None)] * values.ndim
        part[axis] = slice(offset, offset + (count - 1) * cell + 1, cell)
        total += values[tuple(part)]
    return total / np.float32(cell)
