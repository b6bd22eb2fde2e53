"""Images that a training store keeps coded, one by one: a frame is decoded when it is asked for, and no other with it.

Two codings, chosen by measurement (`benchmarks/store_formats.py`): lossless WebP, which takes seven tenths of PNG's
space and decodes faster, and JPEG, which decodes half again as fast as that.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlasync.data.layouts import ImageCoding
from vlasync.errors import DatasetError

JPEG_QUALITY = 95
"""With full colour resolution: halved, as JPEG usually has it, the edges of coloured things are off by 160 of 255."""


def encode(image: NDArray[np.uint8], coding: ImageCoding) -> bytes:
    """An image `[H, W', 3]` in a coding other than `raw`."""
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(image))
    if coding == "lossless":
        # Method 0 takes an eighth of the time of method 3, and a tenth more space.
        picture.save(stream, "WEBP", lossless=True, quality=0, method=0)
    else:
        picture.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class CodedImages:
    """The images of one camera in an episode or a shard; an `ImageStream`.

    Attributes:
        name: what to call them in an error: camera and file.
        content: `[bytes]`, all images of the shard one after the other.
        offsets: `[T + 1]` where in `content` each image begins, and where the last one ends.
        height: of each image, px.
        width: of each image, px.
    """

    name: str
    content: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:
        """`(T, H, W', 3)`."""
        return (len(self), self.height, self.width, 3)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        if not isinstance(index, slice):
            return self._decoded(range(len(self))[index])
        frames = range(*index.indices(len(self)))
        images = np.empty((len(frames), *self.shape[1:]), np.uint8)
        for row, frame in zip(images, frames, strict=True):
            row[:] = self._decoded(frame)
        return images

    def _decoded(self, frame: int) -> NDArray[np.uint8]:
        """One image `[H, W', 3]`."""
        coded = self.content[self.offsets[frame] : self.offsets[frame + 1]]
        try:
            image = np.asarray(Image.open(io.BytesIO(coded.data)))
        except OSError as error:
            raise DatasetError(f"{self.name}: image {frame} is damaged ({error}); convert the data again") from error
        if image.shape != self.shape[1:]:
            raise DatasetError(f"{self.name}: image {frame} has shape {image.shape}, expected {self.shape[1:]}")
        return image
