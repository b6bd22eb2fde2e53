"""A LeRobot v3 folder as others publish them, written by hand from the format alone.

As in Open X-Embodiment's LeRobot versions: an 8-D state (x, y, z, roll, pitch, yaw, pad, gripper), 7-D increments
in metres and radians with a gripper from 0 (closed) to 1 (open), a sentence an episode, float32, 5 frames a second.
"""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

RATE_HZ = 5
SENTENCES = ("put the carrot on the plate", "close the drawer")
STATE_NAMES = ["x", "y", "z", "roll", "pitch", "yaw", "pad", "gripper"]


def bookkeeping(lengths: list[int]) -> dict[str, np.ndarray]:
    """LeRobot's own columns; the sentences take turns."""
    episode = np.repeat(np.arange(len(lengths)), lengths)
    frame = np.concatenate([np.arange(length) for length in lengths])
    return {
        "timestamp": (frame / RATE_HZ).astype(np.float32),
        "frame_index": frame,
        "episode_index": episode,
        "index": np.arange(len(frame)),
        "task_index": episode % 2,
    }


def drive(length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """State `[T, 8]` and actions `[T, 7]` of an arm that goes where its actions lead."""
    moves = np.cumsum(random.normal(scale=[0.004] * 3 + [0.01] * 3, size=(length + 1, 6)), axis=0).clip(-0.03, 0.03)
    poses = np.array([0.3, 0.0, 0.15, 0.0, 0.1, 0.2]) + np.concatenate([np.zeros((1, 6)), np.cumsum(moves, axis=0)])
    opening = (np.sin(np.arange(length + 1) / 4) > 0).astype(float)
    state = np.concatenate([poses[:length], np.zeros((length, 1)), opening[:length, None]], axis=1)
    return state, np.concatenate([np.diff(poses[: length + 1], axis=0), opening[1 : length + 1, None]], axis=1)


def encode(image: np.ndarray) -> dict[str, object]:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def write_bridge_like(folder: Path, lengths: tuple[int, ...] = (14, 9, 12, 16), side: int = 16, seed: int = 0) -> Path:
    """The folder, with two cameras' images in its parquet file and all episodes in one row group."""
    random = np.random.default_rng(seed)
    driven = [drive(length, random) for length in lengths]
    columns: dict[str, pa.Array] = {
        key: pa.array(np.concatenate(parts).astype(np.float32).tolist(), pa.list_(pa.float32()))
        for key, parts in (("observation.state", [s for s, _ in driven]), ("action", [a for _, a in driven]))
    }
    for camera in ("image_0", "image_1"):
        images = random.integers(0, 256, (sum(lengths), side, side, 3), dtype=np.uint8)
        columns[f"observation.images.{camera}"] = pa.array([encode(image) for image in images])
    columns |= {key: pa.array(values) for key, values in bookkeeping(list(lengths)).items()}
    for place in ("data/chunk-000", "meta/episodes/chunk-000"):
        (folder / place).mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "data/chunk-000/file-000.parquet")
    ends = np.cumsum(lengths).tolist()
    rows = [
        {
            "episode_index": number,
            "tasks": [SENTENCES[number % 2]],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": 0,
            "dataset_from_index": end - length,
            "dataset_to_index": end,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for number, (length, end) in enumerate(zip(lengths, ends, strict=True))
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "meta/episodes/chunk-000/file-000.parquet")
    # pandas calls an index without a name so
    tasks = pa.table({"task_index": [0, 1], "__index_level_0__": list(SENTENCES)})
    pq.write_table(tasks, folder / "meta/tasks.parquet")
    (folder / "meta/info.json").write_text(json.dumps(info(lengths, side)))
    return folder


def info(lengths: tuple[int, ...], side: int) -> dict[str, object]:
    image = {"dtype": "image", "shape": [side, side, 3], "names": ["height", "width", "rgb"]}
    features = {
        "observation.images.image_0": image,
        "observation.images.image_1": {**image, "shape": [3, side, side], "names": ["channels", "height", "width"]},
        "observation.images.depth": {"dtype": "video", "shape": [side, side, 1], "names": None},
        "observation.state": {"dtype": "float32", "shape": [8], "names": {"motors": STATE_NAMES}},
        "action": {"dtype": "float32", "shape": [7], "names": {"motors": [*STATE_NAMES[:6], "gripper"]}},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    features |= {
        key: {"dtype": "int64", "shape": [1], "names": None}
        for key in ("frame_index", "episode_index", "index", "task_index")
    }
    return {
        "codebase_version": "v3.0",
        "robot_type": "widowx",
        "total_episodes": len(lengths),
        "total_frames": sum(lengths),
        "total_tasks": 2,
        "chunks_size": 1000,
        "fps": RATE_HZ,
        "splits": {"train": f"0:{len(lengths)}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    }
