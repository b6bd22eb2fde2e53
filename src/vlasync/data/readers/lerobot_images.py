"""Images of a LeRobot v3 folder as streams that decode what is asked for: from a parquet column or from a video."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from vlasync.data.readers.lerobot_info import CameraFeature
from vlasync.data.readers.lerobot_rows import Rows
from vlasync.errors import DatasetError

TOLERANCE_FRAMES = 0.1
"""How far a video frame may lie from its row's timestamp, in frames: muxers round to milliseconds, no more."""


class _Images(ABC):
    """An ImageStream of consecutive frames that are decoded together."""

    def __init__(self, length: int, camera: CameraFeature) -> None:
        self.shape = (length, camera.height, camera.width, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        if not isinstance(index, slice):
            frame = range(len(self))[index]
            return self._decoded(range(frame, frame + 1))[0]
        wanted = range(*index.indices(len(self)))
        if not wanted:
            return np.empty((0, *self.shape[1:]), np.uint8)
        first = min(wanted[0], wanted[-1])
        images = self._decoded(range(first, max(wanted[0], wanted[-1]) + 1))
        return images if wanted.step == 1 else images[np.asarray(wanted) - first]

    @abstractmethod
    def _decoded(self, frames: range) -> NDArray[np.uint8]:
        """These frames `[n, H, W', 3]`."""

    def _gathered(self, frames: range, images: Iterable[NDArray[np.uint8]], where: Path) -> NDArray[np.uint8]:
        """Decoded images, which must have the size that was declared, as one array."""
        gathered = np.empty((len(frames), *self.shape[1:]), np.uint8)
        for frame, place, image in zip(frames, gathered, images, strict=True):
            if image.shape != place.shape:
                raise DatasetError(
                    f"{where}: frame {frame} of its episode has shape {image.shape}, info.json says {place.shape}"
                )
            place[:] = image
        return gathered


class ParquetImages(_Images):
    """Encoded images (PNG or JPEG) in a parquet column."""

    def __init__(self, rows: Rows, camera: CameraFeature) -> None:
        """Read nothing yet.

        Args:
            rows: where the episode's rows lie.
            camera: whose images.
        """
        super().__init__(len(rows), camera)
        self._rows = rows
        self._key = camera.key

    def _decoded(self, frames: range) -> NDArray[np.uint8]:
        column = self._rows.column(self._key, frames.start, frames.stop)
        images = (self._decode(cell, frame) for cell, frame in zip(column, frames, strict=True))
        return self._gathered(frames, images, self._rows.file)

    def _decode(self, cell: pa.Scalar[Any], frame: int) -> NDArray[np.uint8]:
        """One cell `{bytes, path}`."""
        where = f"{self._rows.file}: `{self._key}` of frame {frame} of episode {self._rows.episode}"
        content = cell.as_py()
        encoded = content.get("bytes") if isinstance(content, dict) else None
        if encoded is None:
            raise DatasetError(f"{where} holds no image bytes; push the dataset with its images embedded")
        try:
            return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        except (OSError, ValueError) as error:  # PIL's own errors are OSErrors
            raise DatasetError(f"{where} cannot be decoded ({error}); copy the file again") from error


class VideoImages(_Images):
    """An episode's part of a video."""

    def __init__(self, file: Path, camera: CameraFeature, times: NDArray[np.float64], rate_hz: float) -> None:
        """Read nothing yet.

        Args:
            file: the video.
            camera: whose images.
            times: `[T]` seconds in the video at which the episode's frames are shown, ascending.
            rate_hz: frames per second.
        """
        super().__init__(len(times), camera)
        self._file = file
        self._times = times
        self._tolerance_s = TOLERANCE_FRAMES / rate_hz

    def _decoded(self, frames: range) -> NDArray[np.uint8]:
        images = self._shown(self._times[frames.start : frames.stop].tolist())
        return self._gathered(frames, images, self._file)

    def _shown(self, times: list[float]) -> list[NDArray[np.uint8]]:
        """The images at these times."""
        found: list[NDArray[np.uint8]] = []
        try:
            with av.open(str(self._file)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "NONE"  # who reads is parallel already, and starting threads takes longer
                base = stream.time_base or Fraction(1)
                container.seek(max(int(times[0] / base) - 1, 0), stream=stream)
                for image in container.decode(stream):
                    late = float((image.pts or 0) * base) - times[len(found)]
                    if late > self._tolerance_s:
                        break
                    if late >= -self._tolerance_s:
                        found.append(np.asarray(image.to_ndarray(format="rgb24"), np.uint8))
                    if len(found) == len(times):
                        return found
        except (OSError, IndexError, av.FFmpegError) as error:
            raise DatasetError(f"{self._file}: missing or damaged ({error}); copy the video again") from error
        raise DatasetError(
            f"{self._file}: has no image at {times[len(found)]:.4f} s (within {self._tolerance_s:.4f} s), where the "
            "episode's rows expect one; video and rows are out of step, or the video is cut short"
        )
