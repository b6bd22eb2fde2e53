"""Damage to files, and episodes of one split that stand in the other too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vlasync.data.readers.calvin import LANGUAGE_FILE, frame_file
from vlasync.data.store import Store, write_shard
from vlasync.testing.defect import FileDefect
from vlasync.testing.harmless import single_precision
from vlasync.testing.streams import select_frames
from vlasync.types import Episode


def cut_short(folder: Path, pattern: str) -> None:
    """The first file that matches ends halfway, as after a copy that was interrupted."""
    file = _first(folder, pattern)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def remove(folder: Path, pattern: str) -> None:
    """A file in the middle of those that match is gone."""
    files = sorted(folder.glob(pattern))
    files[len(files) // 2].unlink()


def reshape(folder: Path, pattern: str) -> None:
    """The first array that matches has lost its last row."""
    file = _first(folder, pattern)
    array = np.load(file, allow_pickle=False)
    np.save(file, array[:-1])


def spoil_frame(folder: Path, key: str, change: Callable[[Any], Any]) -> None:
    """One array of a frame in CALVIN's layout is changed."""
    files = sorted((folder / "training").glob("episode_*.npz"))
    file = files[len(files) // 2]
    with np.load(file, allow_pickle=False) as frame:
        arrays = dict(frame)
    arrays[key] = change(arrays[key])
    np.savez_compressed(file, **arrays)


def ask_to_run_code(folder: Path) -> None:
    """The file of sentences names a function; a careless reader would call what it names."""
    content = np.array({"language": print, "info": {}}, dtype=object)
    np.save(folder / "training" / LANGUAGE_FILE, content, allow_pickle=True)


def leak_store(folder: Path, change: Callable[[Episode], Episode]) -> None:
    """One training episode of a store, changed and renamed, joins the validation split."""
    episodes = Store.open(folder / "training")
    episode = change(episodes[len(episodes) // 2])
    numbers = 10_000_000 + np.arange(len(episode))
    write_shard(folder / "validation", "leaked", [replace(episode, name="leaked", frame_index=numbers)])


def leak_calvin(folder: Path, frames: int | None = None) -> None:
    """The last training episode, or its last `frames` frames, joins the validation split under new numbers."""
    first, last = np.load(folder / "training" / "ep_start_end_ids.npy", allow_pickle=False)[-1].tolist()
    first = first if frames is None else last - frames + 1
    bounds_file = folder / "validation" / "ep_start_end_ids.npy"
    bounds = np.load(bounds_file, allow_pickle=False)
    start = int(bounds.max()) + 1
    for number in range(first, last + 1):
        shutil.copy(frame_file(folder / "training", number), frame_file(folder / "validation", start + number - first))
    np.save(bounds_file, np.concatenate([bounds, [[start, start + last - first]]]))


def unchanged(episode: Episode) -> Episode:
    """The episode itself."""
    return episode


def middle(episode: Episode, frames: int) -> Episode:
    """`frames` frames from the middle of the episode, or all where it has fewer."""
    first = max(0, (len(episode) - frames) // 2)
    return select_frames(episode, np.arange(first, min(first + frames, len(episode))))


def _first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


def _drop_row(array: Any) -> Any:
    return array[:-1]


def _first_not_a_number(array: Any) -> Any:
    return np.concatenate([[np.nan], array[1:]])


_SHARD = "training/shards/*"

FILE_DEFECTS: tuple[FileDefect, ...] = (
    FileDefect(
        name="a file of a store is damaged",
        code="unreadable",
        layout="store",
        strengths={
            "images cut short": partial(cut_short, pattern=f"{_SHARD}/images.*.npy"),
            "actions cut short": partial(cut_short, pattern=f"{_SHARD}/actions.npy"),
            "state missing": partial(remove, pattern=f"{_SHARD}/state.npy"),
            "frame numbers of another length": partial(reshape, pattern=f"{_SHARD}/frame_index.npy"),
            "list of episodes cut short": partial(cut_short, pattern=f"{_SHARD}/episodes.json"),
            "declaration cut short": partial(cut_short, pattern="training/store.json"),
        },
    ),
    FileDefect(
        name="a file in CALVIN's layout is damaged",
        code="unreadable",
        layout="calvin",
        strengths={
            "frame cut short": partial(cut_short, pattern="training/episode_*.npz"),
            "frame missing": partial(remove, pattern="training/episode_*.npz"),
            "image with a row less": partial(spoil_frame, key="rgb_static", change=_drop_row),
            "action with a number less": partial(spoil_frame, key="rel_actions", change=_drop_row),
            "list of episodes cut short": partial(cut_short, pattern="training/ep_start_end_ids.npy"),
        },
    ),
    FileDefect(
        name="a number in a file is not finite",
        code="not-finite",
        layout="calvin",
        strengths={"NaN in one frame": partial(spoil_frame, key="robot_obs", change=_first_not_a_number)},
    ),
    FileDefect(
        name="a file asks to run code",
        code="unsafe-file",
        layout="calvin",
        strengths={"sentences that name a function": ask_to_run_code},
    ),
    FileDefect(
        name="training frames in the validation split",
        code="split-leakage",
        layout="store",
        strengths={
            "one episode": partial(leak_store, change=unchanged),
            "one episode in single precision": partial(leak_store, change=single_precision),
            "20 frames of one episode": partial(leak_store, change=partial(middle, frames=20)),
        },
    ),
    FileDefect(
        name="training frames in the validation split",
        code="split-leakage",
        layout="calvin",
        strengths={"one episode": leak_calvin, "30 frames": partial(leak_calvin, frames=30)},
    ),
)
"""Damage to the files of a dataset with the splits `training` and `validation`."""
