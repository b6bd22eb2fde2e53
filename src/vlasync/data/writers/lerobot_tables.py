"""The tables of LeRobot's `meta`: what is where, and what the features are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlasync.data.lerobot_names import action_names, state_names
from vlasync.data.parts import Part
from vlasync.data.readers.lerobot_info import (
    ACTION,
    DATA_PATH,
    IMAGES,
    OWN_LANGUAGE,
    OWN_NAME,
    OWN_SCENE,
    STATE,
    VIDEO_PATH,
)
from vlasync.data.writers.lerobot_frames import IMAGE, LeRobotPlan, frame_columns
from vlasync.data.writers.lerobot_stats import image_stats, number_stats
from vlasync.data.writers.video import video_info
from vlasync.spec import SyncSpec
from vlasync.types import Episode

VERSION = "v3.0"

CHUNK_FILES = 1000
"""Files in a `chunk-...` folder, LeRobot's `chunks_size`."""

SAMPLED_FRAMES = 16
"""Frames of an episode whose pixels are counted; LeRobot samples images for its statistics, too."""

_SPAN = pa.struct([("first", pa.int64()), ("last", pa.int64()), ("sentence", pa.string()), ("task", pa.string())])


def places_of(number: int) -> dict[str, int]:
    """Chunk and file of part `number`."""
    return {"chunk_index": number // CHUNK_FILES, "file_index": number % CHUNK_FILES}


def episode_table(plan: LeRobotPlan, part: Part, episodes: Sequence[Episode]) -> pa.Table:
    """A row of `meta/episodes` for each episode of a part."""
    places = places_of(part.number)
    rows, first = [], part.first_row
    for number, episode in zip(part.episodes, episodes, strict=True):
        columns = frame_columns(plan, number, first, episode)
        sentences = {task: sentence for sentence, task in plan.tasks.items()}
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [sentences[task] for task in np.unique(columns["task_index"]).tolist()],
            "length": len(episode),
            "dataset_from_index": first,
            "dataset_to_index": first + len(episode),
            OWN_NAME: episode.name,
            OWN_SCENE: episode.scene_name,
            OWN_LANGUAGE: [vars(span) for span in episode.language],
        }
        for what in ("data", "meta/episodes"):
            row |= {f"{what}/{place}": index for place, index in places.items()}
        stats = {key: number_stats(values) for key, values in columns.items()}
        for name in plan.spec.cameras:
            key = IMAGES + name
            if plan.video is not None:
                start = (first - part.first_row) / plan.spec.rate_hz
                row |= {f"videos/{key}/{place}": index for place, index in places.items()}
                row |= {f"videos/{key}/from_timestamp": start}
                row |= {f"videos/{key}/to_timestamp": start + len(episode) / plan.spec.rate_hz}
            stats[key] = image_stats(sampled_images(episode, name))
        row |= {f"stats/{key}/{name}": value for key, found in stats.items() for name, value in found.items()}
        rows.append(row)
        first += len(episode)
    table = pa.Table.from_pylist(rows)
    # Where all rows hold nothing, a type cannot be told from them, and the files of all parts must agree.
    for key, type in ((OWN_LANGUAGE, pa.list_(_SPAN)), (OWN_SCENE, pa.string())):
        table = table.set_column(table.column_names.index(key), key, pa.array([row[key] for row in rows], type))
    return table


def sampled_images(episode: Episode, camera: str) -> NDArray[np.uint8]:
    """Some images `[n, H, W', 3]` of an episode, spread over it."""
    frames = np.unique(np.linspace(0, len(episode) - 1, SAMPLED_FRAMES).round().astype(int)).tolist()
    return np.stack([episode.images[camera][frame] for frame in frames])


def task_table(tasks: Mapping[str, int]) -> pa.Table:
    """`tasks.parquet`: LeRobot reads it with pandas, and expects the sentences as the table's index."""
    index = {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    column = {**index, "name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"}
    about = {"index_columns": ["task"], "column_indexes": [], "columns": [column, index], "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array(tasks.values(), pa.int64()), "task": pa.array(tasks, pa.string())})
    return table.replace_schema_metadata({"pandas": json.dumps(about)})


def info_record(plan: LeRobotPlan, parts: Sequence[Part], schema: pa.Schema) -> dict[str, Any]:
    """The content of `info.json`."""
    spec = plan.spec
    features: dict[str, Any] = {}
    for name, camera in spec.cameras.items():
        size = (camera.height, camera.width)
        feature = {"dtype": "image", "shape": [*size, 3], "names": ["height", "width", "channels"]}
        if plan.video is not None:
            feature |= {"dtype": "video", "info": video_info(size, spec.rate_hz, plan.video)}
        features[IMAGES + name] = feature
    for field in schema:
        if field.type != IMAGE:
            features[field.name] = _number_feature(field, spec)
    episodes = parts[-1].episodes.stop
    return {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": episodes,
        "total_frames": parts[-1].first_row + parts[-1].frames,
        "total_tasks": len(plan.tasks),
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(spec.rate_hz) if float(spec.rate_hz).is_integer() else spec.rate_hz,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": None if plan.video is None else VIDEO_PATH,
        "features": features,
    }


def _number_feature(field: pa.Field[Any], spec: SyncSpec) -> dict[str, Any]:
    """Type, shape and names of a column of numbers."""
    listed = pa.types.is_fixed_size_list(field.type)
    kind = np.dtype((field.type.value_type if listed else field.type).to_pandas_dtype())
    names = {STATE: state_names(spec), ACTION: action_names(spec)}.get(field.name)
    return {"dtype": kind.name, "shape": [field.type.list_size if listed else 1], "names": names}
