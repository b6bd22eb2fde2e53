"""`meta/info.json` of a LeRobot v3 folder: which streams there are, of which size, and in which files they lie."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlasync.errors import DatasetError
from vlasync.spec import Camera

INFO_FILE = "meta/info.json"
TASKS_FILE = "meta/tasks.parquet"
STATS_FILE = "meta/stats.json"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

SPEC_FILE = "meta/syncspec.json"
"""What the numbers mean: the one thing that LeRobot's own files do not say."""

STATE = "observation.state"
ACTION = "action"
IMAGES = "observation.images."
SCENE = "scene_obs"
"""CALVIN's simulator state. LeRobot shows what starts with `observation` to its policies; this they must not see."""

SOURCE_FRAME, SOURCE_TIMESTAMP = "source_frame_index", "source_timestamp"
"""The number of a frame and the recorder's clock, where demonstrations came with them: LeRobot's are counted anew."""

OWN_NAME, OWN_SCENE, OWN_LANGUAGE = "vlasync/name", "vlasync/scene_name", "vlasync/language"
"""Columns of `meta/episodes`: an episode's name and scene, and its sentences with their spans, which may overlap."""


_DEPTH_FLAGS = ("is_depth_map", "video.is_depth_map")


@dataclass(frozen=True, kw_only=True)
class CameraFeature:
    """A colour camera among the features: its key, where its images lie, and their size in px."""

    key: str
    stored_as: Literal["image", "video"]
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class LeRobotInfo:
    """What `info.json` says, checked.

    Attributes:
        folder: the dataset's folder.
        rate_hz: frames per second.
        episodes: number of episodes.
        cameras: colour cameras by the name that they have in a SyncSpec; depth maps are left out.
        vectors: features of numbers `[n]` -> n.
        names: names of a feature's dimensions, where it has them.
        data_path: template of the parquet files.
        video_path: template of the videos, where there are some.
    """

    folder: Path
    rate_hz: float
    episodes: int
    cameras: Mapping[str, CameraFeature]
    vectors: Mapping[str, int]
    names: Mapping[str, tuple[str, ...]]
    data_path: str
    video_path: str | None

    def file(self, template: str, **places: int | str) -> Path:
        """The file that a template of `info.json` names; never one outside the folder."""
        try:
            path = (self.folder / template.format(**places)).resolve()
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"{self.folder / INFO_FILE}: path {template!r} cannot be filled with {sorted(places)} ({error!r})"
            ) from error
        if not path.is_relative_to(self.folder.resolve()):
            raise DatasetError(
                f"{self.folder / INFO_FILE}: path template {template!r} leads out of the dataset: {path}"
            )
        return path

    def as_cameras(self) -> dict[str, Camera]:
        """The cameras as a SyncSpec holds them; what is up in their images nobody says."""
        return {name: Camera(height=camera.height, width=camera.width) for name, camera in self.cameras.items()}


def read_info(folder: Path) -> LeRobotInfo:
    """Read and check `meta/info.json`.

    Raises:
        DatasetError: it is damaged, of another version, or lacks a field or feature that training needs.
    """
    file = folder / INFO_FILE
    try:
        raw = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: missing or damaged ({error}); copy the dataset again") from error
    return parse_info(folder, raw)


def parse_info(folder: Path, raw: Any) -> LeRobotInfo:
    """The content of `info.json`, checked; see `read_info`."""
    file = folder / INFO_FILE
    if not isinstance(raw, dict) or "codebase_version" not in raw:
        raise DatasetError(f"{file}: has no `codebase_version`; expected the info.json of a LeRobot dataset, v3.x")
    _require_version(file, str(raw["codebase_version"]))
    rate_hz, features = _field(file, raw, "fps", (int, float)), _field(file, raw, "features", dict)
    try:
        cameras = _cameras(file, features)
        vectors = {key: int(feature["shape"][0]) for key, feature in features.items() if _is_vector(feature)}
        names = {key: _names(feature.get("names")) for key, feature in features.items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DatasetError(
            f"{file}: a feature is damaged, expected `dtype`, `shape` and `names` ({error!r})"
        ) from error
    for key in (STATE, ACTION):
        if key not in vectors:
            raise DatasetError(
                f"{file}: has no feature `{key}` with numbers of one dimension; it has {sorted(features)}; "
                f"put what the robot measures into `{STATE}` and what it is told into `{ACTION}`"
            )
    return LeRobotInfo(
        folder=folder,
        rate_hz=float(rate_hz),
        episodes=_field(file, raw, "total_episodes", int),
        cameras=cameras,
        vectors=vectors,
        names=names,
        data_path=raw.get("data_path") or DATA_PATH,
        video_path=raw.get("video_path"),
    )


def _require_version(file: Path, version: str) -> None:
    """LeRobot v3; for v2 the message says how to convert."""
    number = version.removeprefix("v")
    if number.startswith("3."):
        return
    advice = "update vlasync"
    if number.startswith("2."):
        advice = "convert it with LeRobot: python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=<name>"
    raise DatasetError(f"{file}: codebase_version is {version!r}, expected v3.x; {advice}")


def _field(file: Path, raw: Mapping[str, Any], name: str, kind: Any) -> Any:
    """A field of this type, and above 0 where it is a number."""
    value = raw.get(name)
    if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, (int, float)) and value <= 0):
        raise DatasetError(
            f"{file}: `{name}` is {value!r}, expected {'features by name' if kind is dict else 'a number above 0'}"
        )
    return value


def _cameras(file: Path, features: Mapping[str, Any]) -> dict[str, CameraFeature]:
    """Every colour camera under its short name: `observation.images.top` is `top`, `observation.image` is `image`."""
    found: dict[str, CameraFeature] = {}
    for key, feature in features.items():
        if feature["dtype"] not in ("image", "video"):
            continue
        shape = [int(side) for side in feature["shape"]]
        if _names(feature.get("names"))[:1] in (("channel",), ("channels",)):
            shape = [*shape[1:], shape[0]]
        depth = any((feature.get(part) or {}).get(flag) for part in ("info", "video_info") for flag in _DEPTH_FLAGS)
        if len(shape) != 3 or shape[2] != 3 or depth:
            continue
        name = key.removeprefix("observation.").removeprefix("images.")
        if not re.fullmatch(r"[\w.-]+", name) or name in found:
            raise DatasetError(f"{file}: camera `{key}` would be called {name!r}; rename it to letters, digits, . _ -")
        found[name] = CameraFeature(key=key, stored_as=feature["dtype"], height=shape[0], width=shape[1])
    return found


def _is_vector(feature: Mapping[str, Any]) -> bool:
    """A feature that is numbers `[n]` in each frame."""
    return len(feature["shape"]) == 1 and re.fullmatch(r"(float|u?int)\d+", feature["dtype"]) is not None


def _names(names: Any) -> tuple[str, ...]:
    """Names of a feature's dimensions; LeRobot has them as a list, or as a list in a dict (`{"motors": [...]}`)."""
    if isinstance(names, dict):
        names = [name for part in names.values() for name in (part if isinstance(part, list) else [part])]
    return tuple(str(name) for name in names or ())
