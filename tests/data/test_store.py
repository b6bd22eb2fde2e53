"""A shard exists whole or not at all, and gives back the very numbers that were written."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_episodes import random_episode

from vlasync.data import shards
from vlasync.data.store import Store, create_store, write_shard
from vlasync.errors import DatasetError, SpecMismatchError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=6, width=8), "gripper": Camera(height=4, width=4)})


def make_episode(name: str, length: int, *, spec: SyncSpec = SPEC, scene: bool = True) -> Episode:
    episode = random_episode(length, (0, length - 1), spec=spec)
    return replace(
        episode,
        name=name,
        scene=episode.scene if scene else None,
        frame_index=episode.frame_index + 1000,
        language=tuple(replace(span, sentence=f"do {name}", task=name) for span in episode.language),
    )


def assert_same_episode(found: Episode, expected: Episode) -> None:
    assert (found.name, found.spec, found.language) == (expected.name, expected.spec, expected.language)
    for stream in ("state", "actions", "scene", "frame_index"):
        np.testing.assert_array_equal(getattr(found, stream), getattr(expected, stream))
    for camera in expected.images:
        np.testing.assert_array_equal(found.images[camera][:], expected.images[camera][:])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    create_store(tmp_path / "store", SPEC)
    return tmp_path / "store"


def test_episodes_come_back_as_written_over_several_shards(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "FRAMES_IN_TURN", 3)  # so that an episode is written in several pieces
    episodes = [make_episode("open", 7), make_episode("close", 4), make_episode("lift", 9)]
    write_shard(store, "0001", episodes[2:])
    write_shard(store, "0000", episodes[:2])
    opened = Store.open(store)
    assert opened.spec == SPEC
    assert opened.num_frames == 20
    for found, expected in zip(opened, episodes, strict=True):
        assert_same_episode(found, expected)
    assert [episode.name for episode in opened[1:]] == ["close", "lift"]


def test_a_recording_without_a_simulator_has_no_scene(store: Path) -> None:
    write_shard(store, "0000", [make_episode("real", 5, scene=False)])
    assert Store.open(store)[0].scene is None
    with pytest.raises(DatasetError, match="scene"):
        write_shard(store, "0001", [make_episode("a", 3), make_episode("b", 3, scene=False)])


def test_images_are_views_whose_windows_are_contiguous(store: Path) -> None:
    write_shard(store, "0000", [make_episode("open", 7)])
    images = Store.open(store)[0].images["static"][2:5]
    assert np.moveaxis(images, 3, 1).flags.c_contiguous
    assert not images.flags.owndata


def test_a_store_accepts_only_its_own_spec(store: Path) -> None:
    create_store(store, SPEC)
    other = SPEC.replace(rate_hz=10.0)
    with pytest.raises(SpecMismatchError, match="rate_hz"):
        create_store(store, other)
    with pytest.raises(SpecMismatchError, match="rate_hz"):
        write_shard(store, "0000", [make_episode("open", 3, spec=other)])


def test_streams_of_another_shape_are_refused(store: Path) -> None:
    episode = make_episode("open", 5)
    with pytest.raises(DatasetError, match=r"`actions` has shape \(4, 7\), expected \(5, 7\)"):
        write_shard(store, "0000", [replace(episode, actions=episode.actions[:4])])
    assert list((store / "shards").iterdir()) == []


def test_a_full_disk_leaves_no_shard(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards, "_write_images", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        write_shard(store, "0000", [make_episode("open", 5)])
    assert list((store / "shards").iterdir()) == []


def test_what_a_killed_writer_left_is_ignored_and_replaced(store: Path) -> None:
    write_shard(store, "0000", [make_episode("open", 5)])
    unfinished = store / "shards" / ".0001.unfinished"
    unfinished.mkdir()
    (unfinished / "state.npy").write_bytes(b"half")
    assert len(Store.open(store)) == 1
    write_shard(store, "0001", [make_episode("close", 5)])
    assert [episode.name for episode in Store.open(store)] == ["open", "close"]
    assert not unfinished.exists()


def test_a_finished_shard_is_never_overwritten(store: Path) -> None:
    write_shard(store, "0000", [make_episode("open", 5)])
    with pytest.raises(DatasetError, match="exists already"):
        write_shard(store, "0000", [make_episode("close", 5)])


@pytest.mark.parametrize("file", ["images.static.npy", "state.npy", "episodes.json"])
def test_a_file_cut_short_is_one_error_that_names_it(store: Path, file: str) -> None:
    write_shard(store, "0000", [make_episode("open", 5)])
    damaged = store / "shards" / "0000" / file
    damaged.write_bytes(damaged.read_bytes()[:-40])
    with pytest.raises(DatasetError, match=file):
        Store.open(store)
    damaged.unlink()
    with pytest.raises(DatasetError, match=file):
        Store.open(store)


def test_a_folder_without_store_or_shards_says_so(tmp_path: Path, store: Path) -> None:
    with pytest.raises(DatasetError, match=r"store\.json: not found"):
        Store.open(tmp_path)
    with pytest.raises(DatasetError, match="no shards"):
        Store.open(store)


def test_an_open_store_holds_no_files_open_and_cannot_be_written_through(store: Path) -> None:
    for number in range(3):
        write_shard(store, f"{number}", [make_episode("open", 5)])
    before = len(list(Path("/proc/self/fd").iterdir()))
    episodes = list(Store.open(store))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ValueError, match="read-only"):
        episodes[0].images["static"][0] = 0
