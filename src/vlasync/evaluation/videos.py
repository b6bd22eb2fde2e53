"""A rollout as a short H.264 video: both cameras, the instruction, and the predicted chunk against what was executed.

Under the images runs a plot of x, y, z and gripper over time. The executed action is drawn once; at each step a cursor
and the chunk predicted there are drawn over it, so that a policy whose plan and deed part company is seen at a glance.
"""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vlasync.evaluation.recordings import RolloutRecording

CAMERA_HEIGHT = 256
TITLE_HEIGHT = 46
PANEL_HEIGHT = 78
LABEL_HEIGHT = 16
MARGIN = 12
# The plot is drawn twice as large and reduced: Pillow's lines have no antialiasing of their own.
OVERSAMPLING = 2
MAX_VIDEO_FRAMES = 120
# A task takes the play table half a second to a second: too fast to follow, and over before the outcome can be read.
PLAYBACK_SPEED = Fraction(1, 3)
HOLD_SECONDS = 1
# 210 kB are 280 kB as a data URI; the encoder may spend them, a still scene takes far less.
MAX_BYTES = 210_000

PANELS = (("x", 0), ("y", 1), ("z", 2), ("gripper", 6))
BACKGROUND = (18, 22, 28)
INK = (236, 240, 244)
FAINT = (120, 130, 142)
GRID = (44, 51, 60)
# Okabe and Ito's palette, told apart by colour-blind readers.
EXECUTED = (86, 180, 233)
PREDICTED = (240, 190, 60)
ACHIEVED = (150, 158, 168)
SUCCESS = (70, 190, 150)
FAILURE = (228, 120, 60)

Point = tuple[float, float]


class ActionPlot:
    """The plot under the images: `[T, 7]` executed actions as curves, with room for a cursor and a chunk."""

    def __init__(self, recording: RolloutRecording, width: int) -> None:
        self.recording = recording
        self.size = (width, 2 * PANEL_HEIGHT)
        poses = [recording.executed[:, :3], recording.predicted[..., :3]]
        self.limit = max(1.0, *(float(np.abs(pose).max()) for pose in poses))
        self.background = self._draw_background()

    def frame(self, step: int) -> Image.Image:
        """The plot at `step`: cursor there, and from there on the K actions predicted."""
        image = self.background.copy()
        draw = ImageDraw.Draw(image)
        for panel, (_, dimension) in enumerate(PANELS):
            _, top, _, bottom = self._box(panel)
            x, _ = self._point(panel, step, 0.0)
            draw.line([(x, top), (x, bottom)], fill=FAINT, width=OVERSAMPLING)
            chunk = self.recording.predicted[step, :, dimension]
            # A chunk runs past the end of the rollout, its curve does not.
            visible = chunk[: len(self.recording) - step]
            points = [self._point(panel, step + k, value) for k, value in enumerate(visible)]
            _curve(draw, points, PREDICTED, width=2 * OVERSAMPLING)
        return image.reduce(OVERSAMPLING)

    def _draw_background(self) -> Image.Image:
        image = Image.new("RGB", (self.size[0] * OVERSAMPLING, self.size[1] * OVERSAMPLING), BACKGROUND)
        draw = ImageDraw.Draw(image)
        for panel, (name, dimension) in enumerate(PANELS):
            left, top, right, bottom = self._box(panel)
            _, middle = self._point(panel, 0, 0.0)
            draw.rectangle((left, top, right, bottom), outline=GRID, width=OVERSAMPLING)
            draw.line([(left, middle), (right, middle)], fill=GRID, width=OVERSAMPLING)
            draw.text((left, top - 4), name, font=_font(11 * OVERSAMPLING), fill=FAINT, anchor="lb")
            for values, colour, width in self._curves(dimension):
                points = [self._point(panel, step, value) for step, value in enumerate(values)]
                _curve(draw, points, colour, width)
        return image

    def _curves(self, dimension: int) -> list[tuple[NDArray[Any], tuple[int, int, int], int]]:
        """The curves of one dimension, back to front: values `[T]`, colour, width."""
        executed = (self.recording.executed[:, dimension], EXECUTED, 2 * OVERSAMPLING)
        if self.recording.achieved is None:
            return [executed]
        return [(self.recording.achieved[:, dimension], ACHIEVED, OVERSAMPLING), executed]

    def _box(self, panel: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a panel, two to a row, in oversampled pixels."""
        row, column = divmod(panel, 2)
        width = (self.size[0] - 3 * MARGIN) / 2
        left = MARGIN + column * (width + MARGIN)
        top = row * PANEL_HEIGHT + LABEL_HEIGHT
        box = (left, top, left + width, (row + 1) * PANEL_HEIGHT - 6)
        return tuple(edge * OVERSAMPLING for edge in box)  # pyright: ignore[reportReturnType]

    def _point(self, panel: int, step: int, value: float) -> Point:
        """Where a value at a step lies; the gripper's commands are +-1, the pose shares one scale."""
        left, top, right, bottom = self._box(panel)
        limit = 1.15 * (self.limit if PANELS[panel][1] < 6 else 1.0)
        x = left + (right - left) * (step + 0.5) / len(self.recording)
        return x, (top + bottom) / 2 - (bottom - top) / 2 * float(np.clip(value / limit, -1, 1))


def render_video(recording: RolloutRecording, rate_hz: float) -> bytes:
    """Draw and encode a rollout; see `render_chain`."""
    return render_chain([recording], rate_hz)


def render_chain(recordings: Sequence[RolloutRecording], rate_hz: float) -> bytes:
    """Draw and encode rollouts one after the other at `PLAYBACK_SPEED`, the last frame of each held for `HOLD_SECONDS`.

    Rollouts of more than `MAX_VIDEO_FRAMES` steps are thinned evenly, their frame rate with them, so time stays true.

    Args:
        recordings: at least one, all with cameras of the same size.
        rate_hz: control rate of the environment, frames per second of the recordings.

    Returns:
        An MP4 file (H.264, yuv420p, index in front), at most about `MAX_BYTES` for each rollout.
    """
    stride = math.ceil(max(len(recording) for recording in recordings) / MAX_VIDEO_FRAMES)
    rate = Fraction(rate_hz).limit_denominator(1000) * PLAYBACK_SPEED / stride
    frames = []
    for recording in recordings:
        frames += _draw(recording, stride)
        frames += [frames[-1]] * round(HOLD_SECONDS * rate)
    return _encode(frames, rate, max_bytes=MAX_BYTES * len(recordings))


def video_data_uri(video: bytes) -> str:
    """The MP4 as a `data:` URI for a page that must stand alone."""
    return f"data:video/mp4;base64,{base64.b64encode(video).decode('ascii')}"


def _draw(recording: RolloutRecording, stride: int) -> list[NDArray[np.uint8]]:
    """Every `stride`-th step of a rollout and its last one, as `[H, W', 3]` uint8."""
    cameras = list(recording.frames.values())
    widths = [round(CAMERA_HEIGHT * camera.shape[2] / camera.shape[1]) for camera in cameras]
    # yuv420p halves both axes of the colour planes.
    width = sum(widths) + sum(widths) % 2
    plot = ActionPlot(recording, width)
    canvas = Image.new("RGB", (width, TITLE_HEIGHT + CAMERA_HEIGHT + plot.size[1]), BACKGROUND)
    canvas.paste(_title(recording, width), (0, 0))
    frames = []
    for step in [*range(0, len(recording) - 1, stride), len(recording) - 1]:
        left = 0
        for camera, camera_width in zip(cameras, widths, strict=True):
            image = Image.fromarray(camera[step]).resize((camera_width, CAMERA_HEIGHT), Image.Resampling.BICUBIC)
            canvas.paste(image, (left, TITLE_HEIGHT))
            left += camera_width
        canvas.paste(plot.frame(step), (0, TITLE_HEIGHT + CAMERA_HEIGHT))
        frame = canvas.copy()
        _draw_status(frame, recording, step)
        frames.append(np.asarray(frame))
    return frames


def _title(recording: RolloutRecording, width: int) -> Image.Image:
    """The instruction, in the largest type that fits the width."""
    image = Image.new("RGB", (width, TITLE_HEIGHT), BACKGROUND)
    text = f"“{recording.instruction}”"
    size = next((size for size in range(17, 9, -1) if _font(size).getlength(text) <= width - 2 * MARGIN), 9)
    ImageDraw.Draw(image).text((MARGIN, 6), text, font=_font(size), fill=INK)
    return image


def _draw_status(frame: Image.Image, recording: RolloutRecording, step: int) -> None:
    """Task and step under the instruction; the outcome on the last frame, where it is decided."""
    draw = ImageDraw.Draw(frame)
    text = f"{recording.task.replace('_', ' ')} · step {step + 1} of {len(recording)}"
    draw.text((MARGIN, 27), text, font=_font(12), fill=FAINT)
    if step == len(recording) - 1:
        outcome, colour = ("success", SUCCESS) if recording.success else ("failure", FAILURE)
        draw.text((frame.width - MARGIN, 27), outcome, font=_font(12), fill=colour, anchor="ra")


def _curve(draw: ImageDraw.ImageDraw, points: list[Point], colour: tuple[int, int, int], width: int) -> None:
    """A polyline; a single point becomes a dot."""
    if len(points) > 1:
        draw.line(points, fill=colour, width=width, joint="curve")
    else:
        draw.circle(points[0], radius=width, fill=colour)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: the same picture on every machine."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)


def _encode(frames: list[NDArray[np.uint8]], rate: Fraction, *, max_bytes: int) -> bytes:
    """`[H, W', 3]` uint8 frames as MP4; constant quality, with a ceiling on the bits so that the page stays small."""
    height, width, _ = frames[0].shape
    bits_per_second = int(8 * max_bytes * rate / len(frames))
    options = {
        "preset": "veryfast",
        "crf": "27",
        "maxrate": str(bits_per_second),
        "bufsize": str(bits_per_second),
        "threads": "1",
    }
    # Moving the index to the front reopens the output, so the encoder needs a real file.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rollout.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path.read_bytes()
