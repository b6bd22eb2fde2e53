"""Writes CALVIN's on-disk layout, so that everything made for CALVIN reads our demonstrations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import yaml
from numpy.typing import NDArray

from vlasync.actions.frames import integrate
from vlasync.data.readers.calvin import LANGUAGE_FILE, SCENE_FILE, SCENE_PREFIX, frame_file
from vlasync.errors import DatasetError
from vlasync.spec import SyncSpec
from vlasync.types import Episode

FIRST_FRAME = 64
"""Number of the first frame. CALVIN's own reader asserts that every episode and sentence ends after frame 32."""

EMBEDDING_SIZE = 384
"""Width of CALVIN's sentence embeddings (MiniLM); ours are zeros, because a VLM reads the sentence itself."""


class CalvinWriter:
    """Appends episodes to one split of a dataset in CALVIN's layout.

    Frames are numbered through. Every file appears whole or not at all, and the index files come last, by `finish`.
    To go on after an interruption, append the same episodes in the same order: those whose frames are all there are
    kept, others are written again.

    Args:
        path: folder of the split, e.g. `demonstrations/training`; made with its parents.
        scene: scene of the episodes that do not tell theirs.
    """

    def __init__(self, path: Path | str, *, scene: str = "D") -> None:
        self._path = Path(path)
        self._scene = scene
        self._scenes: dict[str, list[int]] = {}
        self._next_frame = FIRST_FRAME
        self._bounds: list[tuple[int, int]] = []
        self._sentences: list[tuple[tuple[int, int], str, str]] = []
        self._statistics = {"robot_obs": _Moments(), "scene_obs": _Moments(), "actions": _Moments()}

    def append(self, episode: Episode, *, first_frame: int | None = None) -> None:
        """Write the frames of one episode.

        Args:
            episode: in CALVIN's convention.
            first_frame: number of its first frame, after all before; the next number by default.

        Raises:
            SpecMismatchError: its actions are not in CALVIN's convention.
            DatasetError: it has no frames or no simulator state, its scene comes after another one once more, or a file
                cannot be written.
        """
        SyncSpec.CALVIN.replace(cameras=episode.spec.cameras).require_equal(
            episode.spec, where=f"{episode.name} -> CALVIN layout {self._path}"
        )
        if episode.scene is None or not len(episode):
            raise DatasetError(f"{episode.name}: CALVIN's layout needs frames with `scene_obs`; this episode has none")
        vectors = {
            "actions": _absolute_actions(episode),
            "rel_actions": episode.actions,
            "robot_obs": episode.state,
            "scene_obs": episode.scene,
        }
        first = self._next_frame if first_frame is None else first_frame
        last = first + len(episode) - 1
        self._count_scene(episode, first, last)
        if not self._is_written(first, vectors):
            self._write_frames(first, vectors, episode)
        for key, moments in self._statistics.items():
            moments.add(vectors[key])
        self._bounds.append((first, last))
        for span in episode.language:
            self._sentences.append(((first + span.first, first + span.last + 1), span.sentence, span.task))
        self._next_frame = last + 1

    def finish(self) -> None:
        """Write the index files; from here on the split can be read.

        Raises:
            DatasetError: nothing was appended, or a file cannot be written.
        """
        if not self._bounds:
            raise DatasetError(f"{self._path}: no episodes were written, so there is nothing to finish")
        bounds = np.array(self._bounds, dtype=np.int64)
        language = {
            "language": {
                "ann": [sentence for _, sentence, _ in self._sentences],
                "task": [task for _, _, task in self._sentences],
                "emb": np.zeros((len(self._sentences), 1, EMBEDDING_SIZE), np.float32),
            },
            "info": {"episodes": [], "indx": [frames for frames, _, _ in self._sentences]},
        }
        statistics = yaml.safe_dump(self._statistics_record(), sort_keys=False).encode()
        self._write(self._path / LANGUAGE_FILE, lambda stream: _save(stream, language))
        self._write(self._path / SCENE_FILE, lambda stream: _save(stream, self._scenes))
        self._write(self._path / "statistics.yaml", lambda stream: stream.write(statistics))
        self._write(self._path / "ep_lens.npy", lambda stream: np.save(stream, bounds[:, 1] - bounds[:, 0] + 1))
        self._write(self._path / "ep_start_end_ids.npy", lambda stream: np.save(stream, bounds))

    def _count_scene(self, episode: Episode, first: int, last: int) -> None:
        """Extend the frames of the episode's scene; CALVIN's layout has one stretch of frames for each."""
        scene = SCENE_PREFIX + (episode.scene_name or self._scene)
        if scene in self._scenes and scene != next(reversed(self._scenes)):
            raise DatasetError(
                f"{episode.name}: scene {scene} comes once more after another one, but CALVIN's layout keeps the "
                "episodes of a scene together; append them scene by scene"
            )
        self._scenes.setdefault(scene, [first, last])[1] = last

    def _is_written(self, first: int, vectors: dict[str, NDArray[np.float64]]) -> bool:
        """All frames are there, and the first and last hold these very numbers: an earlier run wrote this episode."""
        length = len(vectors["robot_obs"])
        if not all(frame_file(self._path, first + t).exists() for t in range(length)):
            return False
        for t in (0, length - 1):
            with np.load(frame_file(self._path, first + t), allow_pickle=False) as frame:
                if not all(np.array_equal(frame[key], vectors[key][t]) for key in vectors):
                    return False
        return True

    def _write_frames(self, first: int, vectors: dict[str, NDArray[np.float64]], episode: Episode) -> None:
        for t in range(len(episode)):
            frame: dict[str, Any] = {key: np.asarray(values[t], np.float64) for key, values in vectors.items()}
            frame |= {f"rgb_{name}": images[t] for name, images in episode.images.items()}
            self._write(
                frame_file(self._path, first + t), lambda stream, frame=frame: np.savez_compressed(stream, **frame)
            )

    def _write(self, file: Path, write: Callable[[BinaryIO], Any]) -> None:
        """Let `write` fill a file that appears whole or not at all."""
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as stream:
                write(stream)
            unfinished.replace(file)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise DatasetError(f"{file}: cannot be written ({error.strerror}); earlier episodes are kept") from error

    def _statistics_record(self) -> dict[str, Any]:
        """CALVIN's `statistics.yaml`; it names the class with which its own loader normalises."""
        record: dict[str, Any] = {}
        for key in ("robot_obs", "scene_obs"):
            mean, std = self._statistics[key].mean_and_std()
            target = "calvin_agent.utils.transforms.NormalizeVector"
            record[key] = [{"_target_": target, "mean": mean.tolist(), "std": std.tolist()}]
        record["act_min_bound"] = self._statistics["actions"].low.tolist()
        record["act_max_bound"] = self._statistics["actions"].high.tolist()
        return record


class _Moments:
    """Mean, standard deviation and bounds of rows, without keeping them."""

    def __init__(self) -> None:
        self.count = 0
        self.low: Any = np.inf
        self.high: Any = -np.inf
        self._sum: Any = 0.0
        self._sum_of_squares: Any = 0.0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Count `rows` `[T, D]` in."""
        self.count += len(rows)
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self._sum = self._sum + rows.sum(axis=0)
        self._sum_of_squares = self._sum_of_squares + (rows**2).sum(axis=0)

    def mean_and_std(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per column, `[D]` each."""
        mean = self._sum / self.count
        return mean, np.sqrt(np.maximum(self._sum_of_squares / self.count - mean**2, 0.0))


def _absolute_actions(episode: Episode) -> NDArray[np.float64]:
    """CALVIN's `actions` `[T, 7]`: the pose reached at t + 1 and the gripper command of frame t.

    The frame after the last one is not stored, so the last pose is what the last relative action leads to.
    """
    pose = episode.state[:, :6]
    reached = integrate(pose[-1:], episode.actions[-1:, :6], episode.spec)
    return np.concatenate([np.concatenate([pose[1:], reached]), episode.actions[:, 6:]], axis=1)


def _save(stream: BinaryIO, content: dict[str, Any]) -> None:
    """A dict as CALVIN stores it: pickled inside a 0-dimensional object array."""
    np.save(stream, np.array(content, dtype=object), allow_pickle=True)
