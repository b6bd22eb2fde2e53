"""CALVIN's layout is read as recorded, written so that it reads back, and every damage names its file."""

import itertools
import os
import pickle
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from random_episodes import random_episode

from vlasync.data.open import open_dataset
from vlasync.data.readers import calvin
from vlasync.data.readers.calvin import frame_file, read_calvin
from vlasync.data.readers.npz_frame import NpzFrame
from vlasync.data.readers.object_array import read_object_array
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.writers.calvin import FIRST_FRAME, CalvinWriter
from vlasync.errors import DatasetError, SpecMismatchError, UnsafeFileError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(
    cameras={"static": Camera(height=6, width=8), "gripper": Camera(height=4, width=4, up="hand +x")}
)

make_episode = partial(random_episode, spec=SPEC)

EPISODES = [make_episode(9, (0, 4), (3, 8)), make_episode(5), make_episode(6, (1, 5))]


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write(tmp_path / "training", EPISODES)
    return tmp_path / "training"


def write(path: Path, episodes: list[Episode]) -> None:
    writer = CalvinWriter(path)
    for episode in episodes:
        writer.append(episode)
    writer.finish()


def assert_same_streams(found: Episode, expected: Episode) -> None:
    assert found.spec == expected.spec
    assert found.language == expected.language
    for stream in ("state", "actions", "scene"):
        np.testing.assert_array_equal(getattr(found, stream), getattr(expected, stream))
    for camera in expected.images:
        np.testing.assert_array_equal(found.images[camera][:], expected.images[camera][:])


def test_what_is_written_reads_back(split: Path) -> None:
    found = open_dataset(split)
    for episode, expected in zip(found, EPISODES, strict=True):
        assert_same_streams(episode, expected)
    assert found[1].frame_index.tolist() == list(range(FIRST_FRAME + 9, FIRST_FRAME + 14))
    assert [episode.name for episode in found[:2]] == ["training/0000064-0000072", "training/0000073-0000077"]


def test_the_start_of_an_episode_opens_no_other_frames(split: Path) -> None:
    whole = read_calvin(split)[0]
    frame_file(split, FIRST_FRAME + 3).unlink()
    start = read_calvin(split).read_start(0, 3)
    np.testing.assert_array_equal(start.actions, whole.actions[:3])
    np.testing.assert_array_equal(start.images["static"][:], whole.images["static"][:3])
    with pytest.raises(DatasetError, match="not found"):
        read_calvin(split).read_start(0, 4)


def test_cameras_read_in_turn_open_each_frame_once(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Counted(NpzFrame):
        def __init__(self, file: Path) -> None:
            opened.append(file)
            super().__init__(file)

    episode = read_calvin(split)[0]
    expected = {name: images[:] for name, images in episode.images.items()}
    monkeypatch.setattr(calvin, "NpzFrame", Counted)
    episode = read_calvin(split)[0]
    opened.clear()
    for name, images in episode.images.items():
        np.testing.assert_array_equal(images[:], expected[name])
    assert len(episode.images) > 1 and len(opened) == len(set(opened)) == len(episode)


def test_a_slow_disk_gives_the_same_frames(split: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = list(read_calvin(split))
    monkeypatch.setattr(calvin, "_SLOW_S", 0.0)
    for episode, other in zip(fast, read_calvin(split), strict=True):
        for name in ("state", "actions", "scene", "frame_index"):
            np.testing.assert_array_equal(getattr(episode, name), getattr(other, name))


def test_the_written_split_has_what_calvin_reads(split: Path) -> None:
    frames = [np.load(frame_file(split, FIRST_FRAME + t)) for t in range(9)]
    for now, later in itertools.pairwise(frames):
        np.testing.assert_array_equal(now["actions"][:6], later["robot_obs"][:6])
        assert now["actions"][6] == now["rel_actions"][6]
    assert np.load(split / "ep_lens.npy").tolist() == [9, 5, 6]
    assert read_object_array(split / "scene_info.npy") == {"calvin_scene_D": [64, 83]}
    statistics = yaml.safe_load((split / "statistics.yaml").read_text())
    states = np.concatenate([episode.state for episode in EPISODES])
    np.testing.assert_allclose(statistics["robot_obs"][0]["mean"], states.mean(axis=0))
    np.testing.assert_allclose(statistics["robot_obs"][0]["std"], states.std(axis=0))
    language = read_object_array(split / "lang_annotations" / "auto_lang_ann.npy")
    assert language["info"]["indx"] == [(64, 69), (67, 73), (79, 84)]
    assert language["language"]["emb"].shape == (3, 1, 384)


def test_an_interrupted_writer_keeps_whole_episodes_and_rewrites_torn_ones(tmp_path: Path) -> None:
    writer = CalvinWriter(tmp_path)
    for episode in EPISODES[:2]:
        writer.append(episode)
    frame_file(tmp_path, FIRST_FRAME + 11).unlink()  # the second episode is torn, and there is no index yet
    kept = frame_file(tmp_path, FIRST_FRAME + 2).stat().st_mtime_ns
    rewritten = frame_file(tmp_path, FIRST_FRAME + 10).stat().st_mtime_ns
    write(tmp_path, EPISODES)
    assert frame_file(tmp_path, FIRST_FRAME + 2).stat().st_mtime_ns == kept
    assert frame_file(tmp_path, FIRST_FRAME + 10).stat().st_mtime_ns > rewritten
    for episode, expected in zip(read_calvin(tmp_path), EPISODES, strict=True):
        assert_same_streams(episode, expected)


def test_frames_of_another_recording_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path, EPISODES)
    others = [replace(episode, state=episode.state + 1) for episode in EPISODES]
    write(tmp_path, others)
    assert_same_streams(read_calvin(tmp_path)[0], others[0])


def test_the_writer_refuses_what_the_layout_cannot_hold(tmp_path: Path) -> None:
    writer = CalvinWriter(tmp_path)
    with pytest.raises(SpecMismatchError, match="action_frame"):
        writer.append(replace(EPISODES[0], spec=SPEC.replace(action_frame="tcp")))
    with pytest.raises(DatasetError, match="scene_obs"):
        writer.append(replace(EPISODES[0], scene=None))
    with pytest.raises(DatasetError, match="nothing to finish"):
        writer.finish()


def test_each_scene_keeps_its_name_and_its_stretch_of_frames(tmp_path: Path) -> None:
    write(tmp_path, [replace(episode, scene_name=name) for episode, name in zip(EPISODES, "BBA", strict=True)])
    assert [episode.scene_name for episode in read_calvin(tmp_path)] == ["B", "B", "A"]
    middle = FIRST_FRAME + len(EPISODES[0]) + len(EPISODES[1])
    assert read_object_array(tmp_path / "scene_info.npy") == {
        "calvin_scene_B": [FIRST_FRAME, middle - 1],
        "calvin_scene_A": [middle, middle + len(EPISODES[2]) - 1],
    }


def test_a_scene_that_comes_back_after_another_is_refused(tmp_path: Path) -> None:
    writer = CalvinWriter(tmp_path)
    writer.append(replace(EPISODES[0], scene_name="B"))
    writer.append(replace(EPISODES[1], scene_name="A"))
    with pytest.raises(DatasetError, match="calvin_scene_B comes once more"):
        writer.append(replace(EPISODES[0], scene_name="B"))


def test_a_damaged_list_of_scenes_is_one_clear_error(tmp_path: Path) -> None:
    write(tmp_path, EPISODES)
    np.save(tmp_path / "scene_info.npy", np.array({"calvin_scene_D": 3}, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"scene_info.npy: expected the first and last frame"):
        read_calvin(tmp_path)


def test_the_recording_of_calvin_itself(shared_data: Path) -> None:
    episodes = read_calvin(shared_data / "calvin_sample" / "training")
    assert [len(episode) for episode in episodes] == [280, 346]
    assert episodes[0].spec == SyncSpec.CALVIN
    assert episodes[0].language[1] == LanguageSpan(
        first=37, last=95, sentence="grasp the handle of the drawer, then open it", task="open_drawer"
    )
    frame = np.load(shared_data / "calvin_sample" / "training" / "episode_0000385.npz")
    np.testing.assert_array_equal(episodes[1].images["static"][5], frame["rgb_static"])
    np.testing.assert_array_equal(episodes[1].actions[5], frame["rel_actions"])
    assert episodes[1].images["gripper"].shape == (346, 84, 84, 3)


def change(file: Path, **arrays: np.ndarray | None) -> None:
    with np.load(file) as frame:
        content = {**frame, **arrays}
    np.savez_compressed(file, **{key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "not found"),
        (lambda file: os.truncate(file, file.stat().st_size // 2), "cut short"),
        (lambda file: file.write_bytes(b""), "cut short"),
        (lambda file: change(file, robot_obs=None), "no key `robot_obs`"),
        (lambda file: change(file, rgb_gripper=None), "no key `rgb_gripper`"),
        (lambda file: change(file, robot_obs=np.zeros(14)), r"`robot_obs` is float64 \(14,\), expected .*\(15,\)"),
        (lambda file: change(file, rgb_static=np.zeros((6, 9, 3), np.uint8)), r"`rgb_static` has shape \(6, 9, 3\)"),
        (lambda file: change(file, rgb_static=np.zeros((6, 8, 3))), "`rgb_static` is float64, expected uint8"),
        (lambda file: change(file, rel_actions=np.full(7, np.nan)), "`rel_actions` has NaN"),
        (lambda file: change(file, scene_obs=np.array([None] * 24)), "`scene_obs` cannot be read"),
    ],
)
def test_a_damaged_frame_is_one_error_that_names_file_and_key(split: Path, damage, message: str) -> None:
    file = frame_file(split, FIRST_FRAME + 10)
    damage(file)
    episodes = read_calvin(split)
    assert len(episodes[0]) == 9
    with pytest.raises(DatasetError, match=f"{file.name}: .*{message}"):
        _ = episodes[1]


def test_a_wrong_folder_is_one_error_that_says_what_to_give(split: Path, tmp_path: Path) -> None:
    for opener in (read_calvin, open_dataset):
        with pytest.raises(DatasetError, match=r"give one of its splits, e\.g\. .*training"):
            opener(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        open_dataset(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="no dataset"):
        open_dataset(split / "lang_annotations")
    np.save(split / "ep_start_end_ids.npy", np.zeros((0, 2), int))
    with pytest.raises(DatasetError, match="at least one episode"):
        read_calvin(split)


def test_a_store_is_recognised(tmp_path: Path) -> None:
    create_store(tmp_path, SPEC)
    write_shard(tmp_path, "0000", EPISODES)
    assert isinstance(open_dataset(tmp_path), Store)


def test_sentences_outside_their_episode_are_kept_for_the_audit(split: Path) -> None:
    write(split, [replace(EPISODES[1], language=(LanguageSpan(first=3, last=7, sentence="too long", task="x"),))])
    assert read_calvin(split)[0].language[0].last == 7


def test_a_split_without_sentences_is_read(split: Path) -> None:
    shutil.rmtree(split / "lang_annotations")
    assert read_calvin(split)[0].language == ()


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, call: tuple) -> None:
        self.call = call

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    "call",
    [(os.system, ("touch hit",)), (eval, ("1",)), (getattr, ("", "join")), (np.load, ("x.npy",))],
)
def test_a_file_that_asks_to_run_code_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: tuple
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "auto_lang_ann.npy"
    np.save(file, np.array({"language": Command(call)}, dtype=object))
    with pytest.raises(UnsafeFileError, match=rf"auto_lang_ann\.npy: asks for .*\.{call[0].__name__}"):
        read_object_array(file)
    assert not (tmp_path / "hit").exists()


def test_arrays_scalars_and_containers_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    content = {
        "emb": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">i4"),
        "words": np.array(["open", "close"]),
        "objects": np.array(["open", None, (1, 2)], dtype=object),
        "frame": (np.int64(5), [1.5, True, None]),
    }
    file = tmp_path / "content.npy"
    np.save(file, np.array(content, dtype=object))
    found = read_object_array(file)
    assert list(found) == list(content)
    for key in ("emb", "fortran", "big-endian", "words", "objects"):
        np.testing.assert_array_equal(found[key], content[key])
        assert found[key].dtype == content[key].dtype
    assert found["frame"] == content["frame"]


def test_a_damaged_or_other_file_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "content.npy"
    with pytest.raises(DatasetError, match="not found"):
        read_object_array(file)
    np.save(file, np.array({"key": "value"}, dtype=object))
    os.truncate(file, file.stat().st_size - 5)
    with pytest.raises(DatasetError, match="damaged"):
        read_object_array(file)
    np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match=r"holds float64 \(3,\)"):
        read_object_array(file)
    file.write_bytes(pickle.dumps({"key": "value"}))
    with pytest.raises(DatasetError, match="damaged"):
        read_object_array(file)
