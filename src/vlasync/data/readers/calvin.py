"""Reads CALVIN's on-disk layout: one npz file per frame, numbered through, with sentences beside them.

    <split>/episode_0000100.npz              robot_obs [15], rel_actions [7], scene_obs [24], rgb_<camera> [H, W', 3]
            ep_start_end_ids.npy             first and last frame of each episode, both inclusive
            lang_annotations/auto_lang_ann.npy   sentences with (first, end) frames, end exclusive
           scene_info.npy                   first and last frame recorded in each scene, where there are several
            syncspec.json                    what the numbers mean, where that is not SyncSpec.CALVIN (not CALVIN's own)

Everything is lazy: an episode's numbers are read when the episode is, its pixels when they are sliced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlasync.data.dataset import Dataset, Outline
from vlasync.data.readers.declared import read_declared, sizes
from vlasync.data.readers.npz_frame import NpzFrame
from vlasync.data.readers.object_array import read_object_array
from vlasync.errors import DatasetError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

LANGUAGE_FILE = "lang_annotations/auto_lang_ann.npy"

SCENE_FILE = "scene_info.npy"

SCENE_PREFIX = "calvin_scene_"
"""What CALVIN puts before the name of a scene, `A` to `D`."""

SPEC_FILE = "syncspec.json"
"""What the numbers of a split mean, where it was written down; else they are taken for CALVIN's own."""

_VECTORS = {"robot_obs": 15, "rel_actions": 7, "scene_obs": 24}
"""Low-dimensional keys of a frame, and their length."""

_THREADS, _SLOW_S = 8, 2e-3
"""Frames opened at once where opening one takes longer than this many seconds: on a network disk it is latency that
costs, while threads that find their files in memory only wait for one another."""

_AT_HAND = 32
"""Frames of an episode that stay open: who reads the cameras in turn, in blocks of as many, opens each frame once."""


def frame_file(folder: Path, number: int) -> Path:
    """Where frame `number` of a split lies."""
    return folder / f"episode_{number:07d}.npz"


def read_calvin(path: Path | str) -> CalvinSplit:
    """The episodes of one split of a CALVIN dataset.

    Args:
        path: the folder with `ep_start_end_ids.npy`, e.g. `task_D_D/training`.

    Returns:
        Lazily read episodes with `rel_actions` as actions, in the SyncSpec of `syncspec.json` where that is there, else
        in `SyncSpec.CALVIN` with the cameras' real sizes. Reading
        one raises DatasetError where a frame is missing, cut short, of another shape or not finite. Sentences outside
        every episode are given to the nearest one before, with the frames they claim, so that the audit sees them.

    Raises:
        DatasetError: no such split, or its index, sentences, scenes, SyncSpec or first frame cannot be read.
        UnsafeFileError: the file of the sentences or of the scenes asks to run code.
    """
    folder = Path(path)
    bounds = _read_bounds(folder)
    first_file = frame_file(folder, int(bounds[0, 0]))
    spec = _read_spec(folder / SPEC_FILE, SyncSpec.CALVIN.replace(cameras=NpzFrame(first_file).cameras()))
    return CalvinSplit(folder, spec, bounds, _read_language(folder, bounds), _read_scenes(folder, bounds))


class CalvinSplit(Dataset):
    """Lazily read episodes of one split; made by `read_calvin`."""

    def __init__(
        self,
        folder: Path,
        spec: SyncSpec,
        bounds: NDArray[np.int64],
        language: Sequence[tuple[LanguageSpan, ...]],
        scenes: Sequence[str | None],
    ) -> None:
        self.spec = spec
        self._folder = folder
        self._bounds = bounds
        self._language = language
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._bounds)

    def outlines(self) -> Sequence[Outline]:
        """From the index files alone."""
        return [
            Outline(length=last + 1 - first, first_frame=first, language=language)
            for (first, last), language in zip(self._bounds.tolist(), self._language, strict=True)
        ]

    def read(self, number: int) -> Episode:
        """Episode `number`; opens each of its frames."""
        return self.read_start(number, int(np.diff(self._bounds[number])[0]) + 1)

    def read_start(self, number: int, frames: int) -> Episode:
        """The first `frames` frames of episode `number`; opens no others."""
        first, last = self._bounds[number].tolist()
        numbers = np.arange(first, min(first + frames, last + 1))
        files = [frame_file(self._folder, frame) for frame in numbers]
        rows = _read_rows(files, self.spec.cameras)
        state, actions, scene = (np.stack(column) for column in zip(*rows, strict=True))
        opened = lru_cache(maxsize=_AT_HAND)(NpzFrame)
        return Episode(
            name=f"{self._folder.name}/{first:07d}-{last:07d}",
            spec=self.spec,
            images={name: _FrameImages(files, name, camera, opened) for name, camera in self.spec.cameras.items()},
            state=state,
            actions=actions,
            scene=scene,
            frame_index=numbers,
            language=self._language[number],
            scene_name=self._scenes[number],
        )


@dataclass(frozen=True)
class _FrameImages:
    """An ImageStream that opens one npz per frame, by the way that the cameras of an episode share."""

    files: Sequence[Path]
    name: str
    camera: Camera
    opened: Callable[[Path], NpzFrame]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.files), self.camera.height, self.camera.width, 3)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        if isinstance(index, slice):
            chosen = self.files[index]
            images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
            for image, file in zip(images, chosen, strict=True):
                image[:] = self.opened(file).image(self.name, self.camera)
            return images
        return self.opened(self.files[index]).image(self.name, self.camera).copy()


def _read_rows(files: Sequence[Path], cameras: Mapping[str, Camera]) -> list[tuple[NDArray[np.float64], ...]]:
    """`_read_vectors` of each file, several at once where the first shows that the disk is slow."""
    started = time.perf_counter()
    rows = [_read_vectors(files[0], cameras)]
    if time.perf_counter() - started < _SLOW_S:
        return rows + [_read_vectors(file, cameras) for file in files[1:]]
    with ThreadPoolExecutor(_THREADS) as threads:
        return rows + list(threads.map(lambda file: _read_vectors(file, cameras), files[1:]))


def _read_vectors(file: Path, cameras: Mapping[str, Camera]) -> tuple[NDArray[np.float64], ...]:
    """The vectors of a frame in the order of `_VECTORS`; its images are there and of the right size."""
    frame = NpzFrame(file)
    for name, camera in cameras.items():
        frame.require_image(name, camera)
    return tuple(frame.vector(key, length) for key, length in _VECTORS.items())


def _read_spec(file: Path, calvin: SyncSpec) -> SyncSpec:
    """What was declared, with the cameras and vectors that the first frame has; CALVIN's own convention by default."""
    if not file.exists():
        return calvin
    return read_declared(file, sizes(calvin), otherwise="correct it, or delete it to go by CALVIN's own convention")


def _read_bounds(folder: Path) -> NDArray[np.int64]:
    """First and last frame number of every episode `[n, 2]`, both inclusive."""
    file = folder / "ep_start_end_ids.npy"
    try:
        bounds = np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        splits = [name for name in ("training", "validation") if (folder / name / file.name).exists()]
        advice = f"give one of its splits, e.g. {folder / splits[0]}" if splits else "is this a CALVIN split?"
        raise DatasetError(f"{file}: not found; {advice}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{file}: damaged ({error}); copy it again") from error
    if bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.dtype.kind not in "iu":
        raise DatasetError(f"{file}: holds {bounds.dtype} {bounds.shape}, expected integers (episodes, 2)")
    if not len(bounds) or (bounds[:, 0] > bounds[:, 1]).any():
        raise DatasetError(f"{file}: expected at least one episode, and none that ends before it starts")
    return bounds.astype(np.int64)


def _read_language(folder: Path, bounds: NDArray[np.int64]) -> list[tuple[LanguageSpan, ...]]:
    """The sentences of each episode; none where the split has no annotations."""
    spans: list[list[LanguageSpan]] = [[] for _ in bounds]
    file = folder / LANGUAGE_FILE
    if file.exists():
        content = read_object_array(file)
        try:
            rows = zip(content["info"]["indx"], content["language"]["ann"], content["language"]["task"], strict=True)
            for (start, end), sentence, task in rows:
                # The episode that holds the start, or the last one before it, or the first of all.
                episode = max(0, int(np.searchsorted(bounds[:, 0], start, side="right")) - 1)
                first = int(bounds[episode, 0])
                span = LanguageSpan(
                    first=int(start) - first, last=int(end) - 1 - first, sentence=str(sentence), task=str(task)
                )
                spans[episode].append(span)
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{file}: expected language.ann, language.task and info.indx of equal length ({error!r})"
            ) from error
    return [tuple(part) for part in spans]


def _read_scenes(folder: Path, bounds: NDArray[np.int64]) -> list[str | None]:
    """The scene of each episode, without CALVIN's prefix; None where the split does not tell."""
    file = folder / SCENE_FILE
    content = read_object_array(file) if file.exists() else {}
    try:
        stretches = [
            (str(name).removeprefix(SCENE_PREFIX), int(first), int(last)) for name, (first, last) in content.items()
        ]
    except (AttributeError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{file}: expected the first and last frame of each scene by its name ({error!r})"
        ) from error
    return [next((name for name, first, last in stretches if first <= frame <= last), None) for frame in bounds[:, 0]]
