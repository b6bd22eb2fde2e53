"""Reads LeRobot's on-disk layout, version 3: many episodes in a parquet file or video, and tables that say where.

    meta/info.json                       rate, features with type, shape and names, path templates
         tasks.parquet                   sentence and `task_index`
         episodes/chunk-000/file-000.parquet   a row per episode: length, files, first row, place in each video
         syncspec.json                   what the numbers mean (not LeRobot's own, and needed: nothing else says it)
    data/chunk-000/file-000.parquet      a row per frame: `observation.state`, `action`, images, `task_index` ...
    videos/<camera>/chunk-000/file-000.mp4     images of cameras whose features are videos

A frame has one sentence by its `task_index`; frames in a row under the same one are a language span. What vlasync wrote
keeps its spans beside the episodes, with the tasks, so that they may overlap. Everything is lazy: an episode's numbers
are read when the episode is, its pixels when they are sliced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlasync.data.dataset import Dataset, Outline
from vlasync.data.readers.declared import read_declared, sizes_of
from vlasync.data.readers.lerobot_images import ParquetImages, VideoImages
from vlasync.data.readers.lerobot_info import (
    ACTION,
    OWN_LANGUAGE,
    OWN_NAME,
    OWN_SCENE,
    SCENE,
    SOURCE_FRAME,
    SOURCE_TIMESTAMP,
    SPEC_FILE,
    STATE,
    TASKS_FILE,
    CameraFeature,
    LeRobotInfo,
    read_info,
)
from vlasync.data.readers.lerobot_rows import Rows
from vlasync.errors import DatasetError
from vlasync.spec import SyncSpec
from vlasync.types import Episode, ImageStream, LanguageSpan

SYNTHETIC_S = 1e-4
"""Timestamps this close to `frame_index / fps` are no clock: LeRobot makes them up so, and allows this much itself."""

_NEEDED_COLUMNS = ("episode_index", "length", "data/chunk_index", "data/file_index", "dataset_from_index")


def read_lerobot(path: Path | str) -> LeRobotFolder:
    """The episodes of a LeRobot v3 dataset.

    Args:
        path: the folder with `meta/info.json`.

    Returns:
        Lazily read episodes in the SyncSpec of `meta/syncspec.json`. Reading one raises DatasetError where a file is
        missing, cut short, or holds something else than `info.json` says.

    Raises:
        DatasetError: nobody declared what the numbers mean, the dataset is of version 2, or its tables are damaged.
    """
    folder = Path(path)
    return open_folder(read_info(folder))


def open_folder(info: LeRobotInfo) -> LeRobotFolder:
    """The episodes that `info` tells of; see `read_lerobot`, which reads it from the folder."""
    folder = info.folder
    file = folder / SPEC_FILE
    if not file.exists():
        raise DatasetError(
            f"{file}: not found; LeRobot's files do not say in which frame, units and sign actions are, so it must be "
            f"declared: `vlasync declare {folder}` begins with what they do say"
        )
    found = sizes_of(info.vectors[STATE], info.vectors[ACTION], info.cameras)
    spec = read_declared(file, found, otherwise="correct it, or delete it and declare it again")
    if spec.rate_hz != info.rate_hz:
        raise DatasetError(f"{file}: declares rate_hz {spec.rate_hz}, but info.json has fps {info.rate_hz}; correct it")
    return LeRobotFolder(info, spec, _read_table(folder, info.episodes), _read_tasks(folder))


class LeRobotFolder(Dataset):
    """Lazily read episodes of one folder; made by `read_lerobot`."""

    def __init__(
        self, info: LeRobotInfo, spec: SyncSpec, table: list[dict[str, Any]], tasks: Mapping[int, str]
    ) -> None:
        self.spec = spec
        self._info = info
        self._table = table
        self._tasks = tasks
        self._first_row: dict[tuple[int, int], int] = {}
        for row in table:
            file = _place(row, "data")
            self._first_row[file] = min(row["dataset_from_index"], self._first_row.get(file, row["dataset_from_index"]))

    def __len__(self) -> int:
        return len(self._table)

    def outlines(self) -> Sequence[Outline]:
        """From `meta/episodes`, and from the `task_index` of each frame where vlasync did not write the spans there."""
        return [
            Outline(length=row["length"], first_frame=self._first_frame(number), language=self._language(number))
            for number, row in enumerate(self._table)
        ]

    def read(self, number: int) -> Episode:
        """Episode `number`; reads its rows, and no image."""
        row, info, rows = self._table[number], self._info, self._rows(number)
        expected = np.full(len(rows), row["episode_index"])
        if not np.array_equal(found := rows.numbers("episode_index"), expected):
            raise DatasetError(
                f"{rows.file}: rows of episode {row['episode_index']} by meta/episodes belong to episodes "
                f"{sorted(set(found.tolist()))[:5]}; the tables are out of step, copy the dataset again"
            )
        timestamps = rows.numbers("timestamp").astype(np.float64)
        return Episode(
            name=row.get(OWN_NAME) or f"{info.folder.name}/{row['episode_index']:06d}",
            spec=self.spec,
            images={name: self._images(camera, row, rows, timestamps) for name, camera in info.cameras.items()},
            state=rows.numbers(STATE, info.vectors[STATE]).astype(np.float64),
            actions=rows.numbers(ACTION, info.vectors[ACTION]).astype(np.float64),
            scene=rows.numbers(SCENE, info.vectors[SCENE]).astype(np.float64) if SCENE in info.vectors else None,
            frame_index=rows.numbers(SOURCE_FRAME if SOURCE_FRAME in info.vectors else "index").astype(np.int64),
            language=self._language(number, rows),
            timestamps=self._clock(rows, timestamps),
            scene_name=row.get(OWN_SCENE),
        )

    def _rows(self, number: int) -> Rows:
        """Where the rows of an episode lie."""
        row = self._table[number]
        chunk, file = place = _place(row, "data")
        return Rows(
            self._info.file(self._info.data_path, chunk_index=chunk, file_index=file),
            first=row["dataset_from_index"] - self._first_row[place],
            length=row["length"],
            episode=row["episode_index"],
        )

    def _first_frame(self, number: int) -> int:
        if SOURCE_FRAME not in self._info.vectors:
            return int(self._table[number]["dataset_from_index"])
        return int(self._rows(number).column(SOURCE_FRAME, 0, 1)[0].as_py())

    def _images(
        self, camera: CameraFeature, row: Mapping[str, Any], rows: Rows, timestamps: NDArray[np.float64]
    ) -> ImageStream:
        if camera.stored_as == "image":
            return ParquetImages(Rows(rows.file, first=rows.first, length=len(rows), episode=rows.episode), camera)
        info, start = self._info, row.get(f"videos/{camera.key}/from_timestamp")
        if info.video_path is None or start is None:
            raise DatasetError(
                f"{info.folder}: `{camera.key}` is a video, but info.json has no `video_path`, or meta/episodes no "
                f"column `videos/{camera.key}/from_timestamp`; copy the dataset again"
            )
        chunk, file = _place(row, f"videos/{camera.key}")
        path = info.file(info.video_path, video_key=camera.key, chunk_index=chunk, file_index=file)
        return VideoImages(path, camera, start + timestamps, info.rate_hz)

    def _clock(self, rows: Rows, timestamps: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The recorder's timestamps, or None where they are frame numbers in other words."""
        if SOURCE_TIMESTAMP in self._info.vectors:
            return rows.numbers(SOURCE_TIMESTAMP).astype(np.float64)
        made_up = np.arange(len(timestamps)) / self._info.rate_hz
        return None if np.allclose(timestamps, made_up, rtol=1e-6, atol=SYNTHETIC_S) else timestamps

    def _language(self, number: int, rows: Rows | None = None) -> tuple[LanguageSpan, ...]:
        """The spans that vlasync wrote, or each run of frames under the same sentence.

        Without rows an episode that has one sentence by `meta/episodes` is taken at its word.
        """
        row = self._table[number]
        if row.get(OWN_LANGUAGE) is not None:
            return tuple(LanguageSpan(**span) for span in row[OWN_LANGUAGE])
        sentences = row.get("tasks") or []
        if rows is None and len(sentences) == 1:
            return _spans([(0, row["length"], sentences[0])])
        rows = rows or self._rows(number)
        index = rows.numbers("task_index")
        if unknown := sorted(set(index.tolist()) - set(self._tasks)):
            raise DatasetError(f"{rows.file}: task_index {unknown} not in {TASKS_FILE}, which has {len(self._tasks)}")
        starts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist()]
        runs = zip(starts, [*starts[1:], len(index)], strict=True)
        found = [(first, stop, self._tasks[int(index[first])]) for first, stop in runs]
        if sentences and set(sentences) != (said := {sentence for _, _, sentence in found}):
            raise DatasetError(
                f"{rows.file}: frames of episode {rows.episode} have the sentences {sorted(said)}, meta/episodes says "
                f"{sorted(sentences)}; the tables are out of step, copy the dataset again"
            )
        return _spans(found)


def _spans(runs: Iterable[tuple[int, int, str]]) -> tuple[LanguageSpan, ...]:
    """Runs of frames `first .. stop - 1` as language spans; a sentence names its own task, and none is no span."""
    return tuple(
        LanguageSpan(first=first, last=stop - 1, sentence=sentence, task=sentence)
        for first, stop, sentence in runs
        if sentence
    )


def _place(row: Mapping[str, Any], what: str) -> tuple[int, int]:
    """Chunk and file in which the rows or the video of an episode lie."""
    return row[f"{what}/chunk_index"], row[f"{what}/file_index"]


def _read_table(folder: Path, episodes: int) -> list[dict[str, Any]]:
    """The rows of `meta/episodes`, in the order of their episodes; statistics are left out."""
    files = sorted((folder / "meta/episodes").glob("*/*.parquet"))
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                names = [name for name in parquet.schema_arrow.names if not name.startswith("stats/")]
                if missing := sorted(set(_NEEDED_COLUMNS) - set(names)):
                    raise DatasetError(f"{file}: lacks the columns {missing}; it has {names}")
                rows += parquet.read(columns=names).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{file}: damaged ({error}); copy the file again") from error
    rows.sort(key=lambda row: row["episode_index"])
    if [row["episode_index"] for row in rows] != list(range(episodes)):
        raise DatasetError(
            f"{folder / 'meta/episodes'}: {len(rows)} rows, expected one for each of {episodes} episodes of info.json"
        )
    return rows


def _read_tasks(folder: Path) -> dict[int, str]:
    """`task_index` -> sentence. The sentences are the index of a pandas table, whose column has had several names."""
    file = folder / TASKS_FILE
    try:
        table = pq.read_table(file)
        sentences = [name for name in table.column_names if name != "task_index"]
        if "task_index" not in table.column_names or len(sentences) != 1:
            raise DatasetError(f"{file}: has the columns {table.column_names}, expected `task_index` and the sentence")
        return dict(zip(table["task_index"].to_pylist(), table[sentences[0]].to_pylist(), strict=True))
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{file}: missing or damaged ({error}); copy the file again") from error
