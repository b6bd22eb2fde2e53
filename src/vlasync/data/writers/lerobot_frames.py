"""Frames of a demonstration as rows of LeRobot's parquet files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from vlasync.data.dataset import Outline
from vlasync.data.layouts import VideoCoding
from vlasync.data.readers.lerobot_info import ACTION, SCENE, SOURCE_FRAME, SOURCE_TIMESTAMP, STATE
from vlasync.spec import SyncSpec
from vlasync.types import Episode

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How Hugging Face `datasets` stores an image."""


@dataclass(frozen=True, kw_only=True)
class LeRobotPlan:
    """What all parts of a dataset share.

    Attributes:
        folder: the dataset's folder.
        spec: what the numbers of all episodes mean.
        tasks: sentence -> `task_index`.
        video: coding of the videos; None keeps images as PNG in the parquet files.
    """

    folder: Path
    spec: SyncSpec
    tasks: Mapping[str, int]
    video: VideoCoding | None = None


def number_tasks(outlines: Sequence[Outline]) -> dict[str, int]:
    """Every sentence that a frame has, numbered in the order of first appearance; "" where a frame has none."""
    found: dict[str, None] = {}
    for outline in outlines:
        found |= dict.fromkeys(frame_sentences(outline)[1])
    return {sentence: number for number, sentence in enumerate(found)}


def frame_sentences(outline: Outline) -> tuple[NDArray[np.int64], list[str]]:
    """One sentence for each frame `[T]`, as numbers into a list of those that occur: of spans, the one begun last.

    LeRobot has one `task_index` a frame, so that of overlapping sentences a frame can name only one.
    """
    owner = np.full(outline.length, -1)
    spans = sorted(outline.language, key=lambda span: span.first)
    for number, span in enumerate(spans):
        owner[max(span.first, 0) : span.last + 1] = number
    sentences = [span.sentence for span in spans]
    found = list(dict.fromkeys("" if number < 0 else sentences[number] for number in owner.tolist()))
    index = {sentence: number for number, sentence in enumerate(found)}
    return np.array([index["" if number < 0 else sentences[number]] for number in owner.tolist()], np.int64), found


def frame_columns(plan: LeRobotPlan, number: int, row: int, episode: Episode) -> dict[str, NDArray[Any]]:
    """The numbers of an episode by feature, `[T]` or `[T, n]`; LeRobot's own bookkeeping comes last."""
    length = len(episode)
    columns: dict[str, NDArray[Any]] = {STATE: episode.state, ACTION: episode.actions}
    if episode.scene is not None:
        columns[SCENE] = episode.scene
    columns[SOURCE_FRAME] = episode.frame_index
    if episode.timestamps is not None:
        columns[SOURCE_TIMESTAMP] = episode.timestamps
    index, sentences = frame_sentences(Outline(length=length, first_frame=0, language=episode.language))
    return columns | {
        "timestamp": (np.arange(length) / plan.spec.rate_hz).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, number),
        "index": np.arange(row, row + length),
        "task_index": np.array([plan.tasks[sentence] for sentence in sentences])[index],
    }


def as_arrow(values: NDArray[Any]) -> pa.Array[Any]:
    """`[T]` as numbers, `[T, n]` as lists of n."""
    flat = pa.array(np.ascontiguousarray(values).ravel())
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def encoded_images(episode: Episode, camera: str, piece: slice) -> pa.Array[Any]:
    """Some images of a camera as PNG, in the form `IMAGE`."""
    cells = []
    for frame, image in enumerate(episode.images[camera][piece], start=piece.start):
        stream = io.BytesIO()
        # Level 1 takes a third of the time of PNG's default and 10 % more space.
        Image.fromarray(np.ascontiguousarray(image)).save(stream, "PNG", compress_level=1)
        cells.append({"bytes": stream.getvalue(), "path": f"frame-{frame:06d}.png"})
    return pa.array(cells, IMAGE)
