"""Writes LeRobot's on-disk layout, version 3, part by part, so that LeRobot's own tools read our demonstrations.

One part of the dataset becomes one parquet file, one video per camera, and one file of `meta/episodes`, which comes
last and says that the part is whole. `finish` adds the tables of the whole dataset; `meta/info.json` makes it readable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlasync.data.parts import Part
from vlasync.data.readers.lerobot import open_folder
from vlasync.data.readers.lerobot_info import (
    DATA_PATH,
    EPISODES_PATH,
    IMAGES,
    INFO_FILE,
    SPEC_FILE,
    STATS_FILE,
    TASKS_FILE,
    VIDEO_PATH,
    parse_info,
)
from vlasync.data.writers.lerobot_frames import IMAGE, LeRobotPlan, as_arrow, encoded_images, frame_columns
from vlasync.data.writers.lerobot_stats import image_stats, number_stats
from vlasync.data.writers.lerobot_tables import episode_table, info_record, places_of, sampled_images, task_table
from vlasync.data.writers.video import write_video
from vlasync.errors import DatasetError
from vlasync.files import whole_file, write_text
from vlasync.types import Episode

GROUP_FRAMES = 256
"""Most rows in a row group, so that reading an image of a long episode does not read all of it. A row group never
holds frames of two episodes: LeRobot's own writer keeps them apart, too."""

SAMPLED_EPISODES = 32
"""Episodes whose pixels are counted for the statistics of the whole."""


def has_part(folder: Path, number: int) -> bool:
    """Part `number` was written, whole."""
    return (folder / EPISODES_PATH.format(**places_of(number))).exists()


def write_part(plan: LeRobotPlan, part: Part, episodes: Sequence[Episode]) -> None:
    """Write the episodes of one part.

    Args:
        plan: what all parts share.
        part: which part.
        episodes: its episodes, in the spec of the plan.

    Raises:
        DatasetError: episodes of one part with and without a stream, or a file cannot be written.
    """
    places = places_of(part.number)
    try:
        with whole_file(plan.folder / DATA_PATH.format(**places)) as file:
            _write_rows(file, plan, part, episodes)
        if plan.video is not None:
            for name, camera in plan.spec.cameras.items():
                with whole_file(plan.folder / VIDEO_PATH.format(video_key=IMAGES + name, **places)) as file:
                    write_video(
                        file,
                        _frames(episodes, name),
                        size=(camera.height, camera.width),
                        rate_hz=plan.spec.rate_hz,
                        coding=plan.video,
                    )
        with whole_file(plan.folder / EPISODES_PATH.format(**places)) as file:
            pq.write_table(episode_table(plan, part, episodes), file)
    except OSError as error:
        raise DatasetError(
            f"{plan.folder}: part {part.number} cannot be written ({error}); earlier ones are kept"
        ) from error


def finish(plan: LeRobotPlan, parts: Sequence[Part]) -> None:
    """Write what describes the whole dataset; from here on it can be read.

    Raises:
        DatasetError: parts differ in their columns, or a file cannot be written.
    """
    folder = plan.folder
    files = [folder / DATA_PATH.format(**places_of(part.number)) for part in parts]
    schema = pq.read_schema(files[0])
    for file in files:
        if (names := pq.read_schema(file).names) != schema.names:
            raise DatasetError(f"{file}: has the columns {names}, other parts {schema.names}; convert them separately")
    write_text(folder / SPEC_FILE, plan.spec.to_json())
    with whole_file(folder / TASKS_FILE) as file:
        pq.write_table(task_table(plan.tasks), file)
    record = info_record(plan, parts, schema)
    stats = {field.name: number_stats(_column(files, field.name)) for field in schema if field.type != IMAGE}
    stats |= _sampled_image_stats(plan, record)
    write_text(folder / STATS_FILE, json.dumps(stats, indent=1))
    write_text(folder / INFO_FILE, json.dumps(record, indent=4))


def _write_rows(file: Path, plan: LeRobotPlan, part: Part, episodes: Sequence[Episode]) -> None:
    """Write the parquet file of a part, a row group for each episode or piece of a long one."""
    first_table = next(_tables(plan, part, episodes))
    with pq.ParquetWriter(file, first_table.schema, compression="snappy") as writer:
        for table in _tables(plan, part, episodes):
            if table.schema != first_table.schema:
                raise DatasetError(
                    f"{file}: some episodes of this part have the columns {table.column_names}, others "
                    f"{first_table.column_names}; convert them separately"
                )
            writer.write_table(table)


def _tables(plan: LeRobotPlan, part: Part, episodes: Sequence[Episode]) -> Iterator[pa.Table]:
    """The rows of a part, at most `GROUP_FRAMES` of one episode at a time."""
    row = part.first_row
    for number, episode in zip(part.episodes, episodes, strict=True):
        columns = frame_columns(plan, number, row, episode)
        row += len(episode)
        for first in range(0, len(episode), GROUP_FRAMES):
            piece = slice(first, min(first + GROUP_FRAMES, len(episode)))
            arrays: dict[str, pa.Array[Any]] = {}
            if plan.video is None:
                arrays |= {IMAGES + name: encoded_images(episode, name, piece) for name in plan.spec.cameras}
            yield pa.table(arrays | {key: as_arrow(values[piece]) for key, values in columns.items()})


def _frames(episodes: Sequence[Episode], camera: str) -> Iterator[NDArray[np.uint8]]:
    """Every image of a camera, a piece at a time in memory."""
    for episode in episodes:
        for first in range(0, len(episode), GROUP_FRAMES):
            yield from episode.images[camera][first : first + GROUP_FRAMES]


def _sampled_image_stats(plan: LeRobotPlan, record: Mapping[str, Any]) -> dict[str, Any]:
    """Statistics of every camera over episodes spread over the written dataset, as it reads back."""
    written = open_folder(parse_info(plan.folder, record))
    numbers = np.unique(np.linspace(0, len(written) - 1, SAMPLED_EPISODES).round().astype(int)).tolist()
    episodes = [written.read(number) for number in numbers]
    return {
        IMAGES + name: image_stats(np.concatenate([sampled_images(episode, name) for episode in episodes]))
        for name in plan.spec.cameras
    }


def _column(files: Sequence[Path], key: str) -> NDArray[Any]:
    """A column of numbers of the whole dataset, `[N]` or `[N, n]`."""
    column = pa.chunked_array([chunk for file in files for chunk in pq.read_table(file, columns=[key])[key].chunks])
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    return column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)
