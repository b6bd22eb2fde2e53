"""The training store: demonstrations as memory maps; a window of raw images is one contiguous copy, nothing is decoded.

    <store>/store.json                     format version, coding of the images, and SyncSpec
    <store>/shards/<name>/episodes.json    name, first frame, length, sentences, scene and conversions of each episode
                          images.<camera>.npy  [N, 3, H, W'] uint8, channels first as networks read them; or else
                          images.<camera>.coded.npy    [bytes] uint8, one coded image after the other
                          images.<camera>.offsets.npy  [N + 1] int64, where each begins, and where the last one ends
                          state.npy            [N, S] float64
                          actions.npy          [N, n] float64, in the representation of the SyncSpec
                          scene.npy            [N, 24] float64, where the demonstrations come from a simulator
                          frame_index.npy      [N] int64
                          timestamps.npy       [N] float64 seconds, where the demonstrations have them

A shard is written into a hidden folder and renamed when it is complete: it exists whole or not at all, so recording and
conversion can be killed at any time and go on, and several processes can add shards at once.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from vlasync.actions.handover import HandOver, hand_over
from vlasync.data.dataset import Dataset, Outline, handed_over
from vlasync.data.layouts import ImageCoding
from vlasync.data.shards import Shard, open_shard, write_arrays
from vlasync.errors import DatasetError
from vlasync.files import write_text
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan

STORE_FORMAT = 2
"""Version of the layout above. Version 1 had raw images only; a store of any other version is refused."""


def create_store(path: Path, spec: SyncSpec, images: ImageCoding = "raw") -> None:
    """Make an empty store, or accept the one that is there.

    Args:
        path: folder of the store; made with its parents.
        spec: what the numbers of all its episodes mean.
        images: how it keeps images.

    Raises:
        SpecMismatchError: a store with another SyncSpec lies at `path`.
        DatasetError: a store that keeps images otherwise lies there, or the folder cannot be written.
    """
    if (path / "store.json").exists():
        found, coding = _read_head(path)
        found.require_equal(spec, where=f"store {path}")
        if coding != images:
            raise DatasetError(f"{path}: keeps images {coding}, asked for {images}; choose another folder")
        return
    try:
        (path / "shards").mkdir(parents=True, exist_ok=True)
        _write_head(path, spec, images)
    except OSError as error:
        raise DatasetError(f"{path}: cannot make a store there ({error.strerror}); choose another folder") from error


def declare_spec(path: Path, spec: SyncSpec) -> Path:
    """Say in `store.json` that the numbers of the store at `path` mean what `spec` says; nothing else changes.

    Returns:
        The file.

    Raises:
        DatasetError: see `Store.open`.
    """
    return _write_head(path, spec, _read_head(path)[1])


def _read_head(path: Path) -> tuple[SyncSpec, ImageCoding]:
    """What `store.json` says of all shards."""
    file = path / "store.json"
    try:
        record = json.loads(file.read_text())
        version, spec, images = record["format"], record["spec"], record.get("images", "raw")
    except FileNotFoundError as error:
        raise DatasetError(
            f"{file}: not found; a training store has this file, make one with `vlasync record`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file}: damaged, expected JSON with `format` and `spec` ({error!r})") from error
    if version not in (1, STORE_FORMAT) or images not in get_args(ImageCoding):
        raise DatasetError(
            f"{file}: format {version} with images {images!r}, expected format 1 or {STORE_FORMAT} with images "
            f"{' | '.join(get_args(ImageCoding))}; record or convert the data again"
        )
    return SyncSpec.from_json(json.dumps(spec)), images


def _write_head(path: Path, spec: SyncSpec, images: ImageCoding) -> Path:
    """Write `store.json`, in place of one that may be there."""
    record = {"format": STORE_FORMAT, "images": images, "spec": json.loads(spec.to_json())}
    write_text(path / "store.json", json.dumps(record, indent=2, sort_keys=True))
    return path / "store.json"


def write_shard(store: Path, name: str, episodes: Sequence[Episode]) -> None:
    """Add a shard of episodes to a store, whole or not at all.

    Args:
        store: folder made by `create_store`.
        name: folder name of the shard; shards are read in the order of their names.
        episodes: one or more episodes; actions in another representation than the store's are converted, and
            `episodes.json` lists what was.

    Raises:
        SpecMismatchError: an episode's SyncSpec differs from the store's in what no conversion bridges.
        DatasetError: no episodes, a stream of another length or shape, the shard exists, or the disk is full.
    """
    target = store / "shards" / name
    if target.exists():
        raise DatasetError(f"{target}: exists already; delete it to write it again")
    if not episodes:
        raise DatasetError(f"{target}: a shard needs at least one episode, got none")
    spec, coding = _read_head(store)
    taken = [hand_over(episode.spec, spec, where=f"{episode.name} -> store {store}") for episode in episodes]
    for episode in episodes:
        _require_shapes(episode, spec)
    for stream in ("scene", "timestamps"):
        if len({getattr(episode, stream) is None for episode in episodes}) > 1:
            raise DatasetError(
                f"{target}: some episodes have `{stream}` and some have not; write them to separate shards"
            )
    episodes = [handed_over(episode, made) for episode, made in zip(episodes, taken, strict=True)]
    unfinished = target.with_name(f".{name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # left behind when the writer of this shard was killed
        unfinished.mkdir(parents=True)
        write_arrays(unfinished, spec, episodes, coding)
        (unfinished / "episodes.json").write_text(json.dumps(_episode_rows(episodes, taken), indent=1))
        unfinished.replace(target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise DatasetError(f"{target}: cannot be written ({error.strerror}); nothing of this shard was kept") from error


def _episode_rows(episodes: Sequence[Episode], taken: Sequence[HandOver]) -> list[dict[str, Any]]:
    """What `episodes.json` holds: where each episode starts in the shard's arrays, and what is known of it."""
    rows, first = [], 0
    for episode, made in zip(episodes, taken, strict=True):
        spans = [dataclasses.asdict(span) for span in episode.language]
        row = {"name": episode.name, "first": first, "length": len(episode), "language": spans}
        known = {"scene_name": episode.scene_name, "conversions": made.changes}
        rows.append(row | {key: value for key, value in known.items() if value})
        first += len(episode)
    return rows


def _require_shapes(episode: Episode, spec: SyncSpec) -> None:
    """Every stream of an episode has the length and shape that the specs declare."""
    length = len(episode)
    size = episode.spec.action_size
    expected: dict[str, tuple[int, ...]] = {"state": (length, spec.state_size), "actions": (length, size)}
    found: dict[str, tuple[int, ...]] = {"state": episode.state.shape, "actions": episode.actions.shape}
    expected["frame_index"], found["frame_index"] = (length,), episode.frame_index.shape
    if episode.timestamps is not None:
        expected["timestamps"], found["timestamps"] = (length,), episode.timestamps.shape
    for name, camera in spec.cameras.items():
        expected[f"images.{name}"] = (length, camera.height, camera.width, 3)
        found[f"images.{name}"] = tuple(episode.images[name].shape)
    for key, shape in expected.items():
        if found[key] != shape:
            raise DatasetError(f"{episode.name}: `{key}` has shape {found[key]}, expected {shape}")


class Store(Dataset):
    """The episodes of a training store, in the order of shard names; all but coded images are views of memory maps."""

    def __init__(self, path: Path, spec: SyncSpec, shards: Sequence[Shard]) -> None:
        self.path = path
        self.spec = spec
        self._rows = [(shard, row) for shard in shards for row in shard.episodes]

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Map all complete shards of the store at `path`.

        Raises:
            DatasetError: no store there, no shard in it, or a file is missing, cut short or of another shape.
        """
        path = Path(path)
        spec, coding = _read_head(path)
        folders = sorted(folder for folder in (path / "shards").glob("*") if not folder.name.startswith("."))
        if not folders:
            raise DatasetError(f"{path / 'shards'}: no shards; record or convert demonstrations into this store first")
        return cls(path, spec, [open_shard(folder, spec, coding) for folder in folders])

    @property
    def num_frames(self) -> int:
        """Number of frames of all episodes."""
        return sum(row["length"] for _, row in self._rows)

    @property
    def conversions(self) -> tuple[str, ...]:
        """What was converted when episodes were written, each kind once."""
        made = [words for _, row in self._rows for words in row.get("conversions", ())]
        return tuple(f"demonstrations -> store: {words}" for words in dict.fromkeys(made))

    def __len__(self) -> int:
        return len(self._rows)

    def outlines(self) -> Sequence[Outline]:
        """From the rows of `episodes.json` and one number of each episode."""
        return [
            Outline(
                length=row["length"],
                first_frame=int(shard.frame_index[row["first"]]) if row["length"] else 0,
                language=_language(row),
            )
            for shard, row in self._rows
        ]

    def read(self, number: int) -> Episode:
        """Episode `number`; raw images are `[T, H, W', 3]` views of channels-first memory maps."""
        shard, row = self._rows[number]
        part = slice(row["first"], row["first"] + row["length"])
        return Episode(
            name=row["name"],
            spec=self.spec,
            images={name: shard.stream(name, part) for name in shard.images},
            state=shard.state[part],
            actions=shard.actions[part],
            scene=None if shard.scene is None else shard.scene[part],
            frame_index=shard.frame_index[part],
            language=_language(row),
            timestamps=None if shard.timestamps is None else shard.timestamps[part],
            scene_name=row.get("scene_name"),
        )


def _language(row: Mapping[str, Any]) -> tuple[LanguageSpan, ...]:
    """The sentences of an episode, from its row in `episodes.json`."""
    return tuple(LanguageSpan(**span) for span in row["language"])
