"""Encodes a camera's images as a video, in a coding that is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vlasync.data.layouts import VideoCoding
from vlasync.errors import VlasyncError


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How frames become a video.

    Attributes:
        encoder: name of FFmpeg's encoder.
        codec: the codec that it writes, as FFmpeg's decoders and LeRobot call it.
        pix_fmt: pixels as the file stores them.
        options: the encoder's settings.
    """

    encoder: str
    codec: str
    pix_fmt: str
    options: Mapping[str, str]


# A key frame every second frame, as LeRobot writes its videos (`g=2` of its encoder settings): training reads single
# frames, and each needs all from the key frame on. `qp 0` loses nothing, and RGB is not turned into luma and chroma.
CODINGS: Mapping[VideoCoding, Coding] = {
    "lossless": Coding(
        encoder="libx264rgb", codec="h264", pix_fmt="gbrp", options={"qp": "0", "preset": "veryfast", "g": "2"}
    ),
    "h264": Coding(
        encoder="libx264", codec="h264", pix_fmt="yuv420p", options={"crf": "18", "preset": "veryfast", "g": "2"}
    ),
}


def write_video(
    file: Path, images: Iterable[NDArray[np.uint8]], *, size: tuple[int, int], rate_hz: float, coding: VideoCoding
) -> None:
    """Write images as a video, frame t shown at `t / rate_hz` seconds.

    Args:
        file: the mp4 to write.
        images: `[H, W', 3]` each.
        size: H and W', px.
        rate_hz: frames per second.
        coding: see `VideoCoding`.

    Raises:
        VlasyncError: `h264` of an odd height or width: it stores one colour for each two by two pixels.
    """
    chosen = CODINGS[coding]
    height, width = size
    if chosen.pix_fmt == "yuv420p" and (height % 2 or width % 2):
        raise VlasyncError(f"{file}: images of {height} x {width} px cannot be {coding}; give `--video lossless`")
    rate = Fraction(rate_hz).limit_denominator(1001)
    with av.open(str(file), "w", format="mp4") as container:
        stream: Any = container.add_stream(chosen.encoder, rate=rate, options=dict(chosen.options))
        stream.height, stream.width = height, width
        stream.pix_fmt = "rgb24" if chosen.encoder == "libx264rgb" else chosen.pix_fmt
        stream.codec_context.thread_count = 1  # conversion runs one process per core already
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def video_info(size: tuple[int, int], rate_hz: float, coding: VideoCoding) -> dict[str, Any]:
    """What LeRobot's `info.json` says of a video feature."""
    return {
        "video.height": size[0],
        "video.width": size[1],
        "video.codec": CODINGS[coding].codec,
        "video.pix_fmt": CODINGS[coding].pix_fmt,
        "video.fps": int(rate_hz) if float(rate_hz).is_integer() else rate_hz,
        "video.channels": 3,
        "is_depth_map": False,
        "has_audio": False,
    }
