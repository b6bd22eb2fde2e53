"""Image streams that are made from others without reading them: other frames, other pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.types import ImageStream

Rework = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Makes one image `[H, W', 3]` from another."""


@dataclass(frozen=True, kw_only=True)
class ReworkedImages:
    """An ImageStream whose frame t is `source[frames[t]]`, passed through `rework` where `reworked[t]`.

    Attributes:
        source: where the images come from; read when this stream is sliced and not before.
        frames: `[T]` int64, which image of the source each frame shows.
        rework: what happens to the pixels, or None.
        reworked: `[T]` bool, the frames that it happens to; None for all.
        size: height and width after `rework`; None where it keeps them.
    """

    source: ImageStream
    frames: NDArray[np.int64]
    rework: Rework | None = None
    reworked: NDArray[np.bool_] | None = None
    size: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """`(T, H, W', 3)`."""
        return (len(self.frames), *(self.size or self.source.shape[1:3]), 3)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
            for image, frame in zip(images, chosen, strict=True):
                image[:] = self._image(frame)
            return images
        return self._image(range(len(self))[index])

    def _image(self, frame: int) -> NDArray[np.uint8]:
        image = self.source[int(self.frames[frame])]
        changed = self.rework is not None and (self.reworked is None or self.reworked[frame])
        return self.rework(image) if self.rework and changed else image
