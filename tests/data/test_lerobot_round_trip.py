"""What is written in LeRobot's layout is read back equal, and has every file and column of the format."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from random_episodes import random_episode

from vlasync.data.dataset import Outline
from vlasync.data.layouts import VideoCoding
from vlasync.data.open import open_dataset
from vlasync.data.parts import cut
from vlasync.data.writers import lerobot
from vlasync.data.writers.lerobot import finish, has_part, write_part
from vlasync.data.writers.lerobot_frames import LeRobotPlan, frame_sentences, number_tasks
from vlasync.data.writers.lerobot_stats import NAMES
from vlasync.errors import DatasetError, VlasyncError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(
    cameras={"static": Camera(height=16, width=24), "gripper": Camera(height=8, width=8, up="hand +x")}
)


def make_episode(length: int, *spans: tuple[int, int], clock: bool = False) -> Episode:
    episode = random_episode(length, *spans, spec=SPEC)
    return replace(
        episode,
        frame_index=episode.frame_index + 1000 * length,
        language=tuple(replace(span, task=f"task {span.last}") for span in episode.language),
        timestamps=np.random.default_rng(length).normal(size=length) if clock else None,
        scene_name="AB"[length % 2] if length > 5 else None,
    )


EPISODES = [make_episode(9, (0, 4), (3, 8)), make_episode(5), make_episode(6, (1, 5)), make_episode(7, (0, 6))]


def outlines(episodes: Sequence[Episode]) -> list[Outline]:
    return [Outline(length=len(item), first_frame=0, language=item.language) for item in episodes]


def write(
    folder: Path, episodes: Sequence[Episode] = EPISODES, *, video: VideoCoding | None = None, part_frames: int = 12
) -> Path:
    plan = LeRobotPlan(folder=folder, spec=SPEC, tasks=number_tasks(outlines(episodes)), video=video)
    parts = cut(outlines(episodes), part_frames)
    for part in parts:
        assert not has_part(folder, part.number)
        write_part(plan, part, [episodes[number] for number in part.episodes])
        assert has_part(folder, part.number)
    finish(plan, parts)
    return folder


def assert_same_numbers(found: Episode, expected: Episode) -> None:
    assert (found.name, found.spec, found.language) == (expected.name, expected.spec, expected.language)
    assert found.scene_name == expected.scene_name
    for stream in ("state", "actions", "scene", "frame_index", "timestamps"):
        ours, theirs = getattr(found, stream), getattr(expected, stream)
        assert (ours is None) == (theirs is None), stream
        if theirs is not None:
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    assert list(found.images) == list(expected.images)


def assert_same_images(found: Episode, expected: Episode) -> None:
    for camera, images in expected.images.items():
        assert found.images[camera].shape == images.shape
        np.testing.assert_array_equal(found.images[camera][:], images[:])
        np.testing.assert_array_equal(found.images[camera][-1], images[-1])
        np.testing.assert_array_equal(found.images[camera][4:1:-2], images[4:1:-2])
        assert found.images[camera][3:3].shape == images[3:3].shape


@pytest.mark.parametrize("video", [None, "lossless"])
def test_every_number_and_pixel_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, video) -> None:
    monkeypatch.setattr(lerobot, "GROUP_FRAMES", 4)  # so that episodes lie in several row groups
    found = open_dataset(write(tmp_path, video=video))
    assert len(found) == len(EPISODES)
    for episode, expected in zip(found, EPISODES, strict=True):
        assert_same_numbers(episode, expected)
        assert_same_images(episode, expected)
    for outline, expected in zip(found.outlines(), EPISODES, strict=True):
        assert (outline.length, outline.language) == (len(expected), expected.language)
        assert outline.first_frame == expected.frame_index[0]


def test_a_recorders_clock_and_a_missing_scene_come_back(tmp_path: Path) -> None:
    episodes = [replace(make_episode(length, (0, 3), clock=True), scene=None) for length in (5, 6)]
    for episode, expected in zip(open_dataset(write(tmp_path, episodes)), episodes, strict=True):
        assert_same_numbers(episode, expected)


def test_lossy_video_stays_near_the_images_and_is_refused_where_sides_are_odd(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 24, dtype=np.uint8)[None, None, :, None], (9, 16, 24, 3))
    episode = replace(EPISODES[0], images={**EPISODES[0].images, "static": smooth})
    found = open_dataset(write(tmp_path / "even", [episode], video="h264"))[0]
    assert_same_numbers(found, episode)
    assert np.abs(found.images["static"][:].astype(int) - smooth).mean() < 4
    odd = SPEC.replace(cameras={"static": Camera(height=15, width=24)})
    plan = LeRobotPlan(folder=tmp_path / "odd", spec=odd, tasks={"words 0": 0, "words 3": 1}, video="h264")
    with pytest.raises(VlasyncError, match="15 x 24 px cannot be h264; give `--video lossless`"):
        write_part(plan, cut(outlines([episode]))[0], [episode])


def test_the_folder_has_every_file_and_column_of_the_format(tmp_path: Path) -> None:
    folder = write(tmp_path, video="lossless")
    cameras = ["observation.images.static", "observation.images.gripper"]
    places = ["chunk-000/file-000", "chunk-000/file-001"]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/syncspec.json",
        *(f"meta/episodes/{place}.parquet" for place in places),
        *(f"data/{place}.parquet" for place in places),
        *(f"videos/{key}/{place}.mp4" for key in cameras for place in places),
    }
    info = json.loads((folder / "meta/info.json").read_text())
    names = "codebase_version fps features total_episodes total_frames total_tasks chunks_size data_files_size_in_mb "
    names += "video_files_size_in_mb data_path video_path robot_type splits"
    assert set(info) == set(names.split())
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 30, {"train": "0:4"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, 27, 4)
    bookkeeping = ["timestamp", "frame_index", "episode_index", "index", "task_index"]
    vectors = ["observation.state", "action", "scene_obs", "source_frame_index"]
    assert list(info["features"]) == [*cameras, *vectors, *bookkeeping]
    for feature in info["features"].values():
        assert {"dtype", "shape", "names"} <= set(feature)
    assert len(info["features"]["observation.state"]["names"]) == 15
    assert info["features"]["action"]["names"] == ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]
    rows = pq.read_table(folder / f"data/{places[0]}.parquet")
    assert rows.column_names == [*vectors, *bookkeeping]
    assert rows.schema.field("timestamp").type == pa.float32()
    assert rows.schema.field("action").type == pa.list_(pa.float64(), 7)
    episodes = pq.read_table(folder / f"meta/episodes/{places[1]}.parquet")
    expected = {"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index"}
    expected |= {f"{what}/{index}" for what in ("data", "meta/episodes") for index in ("chunk_index", "file_index")}
    parts = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    expected |= {f"videos/{key}/{part}" for key in cameras for part in parts}
    expected |= {f"stats/{key}/{name}" for key in [*cameras, *vectors, *bookkeeping] for name in NAMES}
    assert set(episodes.column_names) == expected | {"vlasync/name", "vlasync/scene_name", "vlasync/language"}
    stats = json.loads((folder / "meta/stats.json").read_text())
    assert {key: set(found) for key, found in stats.items()} == {
        key: set(NAMES) for key in [*cameras, *vectors, *bookkeeping]
    }
    assert np.shape(stats[cameras[0]]["mean"]) == (3, 1, 1)


def test_indices_count_through_and_say_where_each_episode_lies(tmp_path: Path) -> None:
    folder = write(tmp_path)
    data = pa.concat_tables([pq.read_table(file) for file in sorted(folder.glob("data/*/*.parquet"))])
    lengths = [len(episode) for episode in EPISODES]
    assert data["index"].to_pylist() == list(range(sum(lengths)))
    assert data["frame_index"].to_pylist() == [frame for length in lengths for frame in range(length)]
    np.testing.assert_allclose(data["timestamp"].to_numpy(), np.array(data["frame_index"].to_pylist()) / 30, rtol=1e-6)
    tasks = pq.read_table(folder / "meta/tasks.parquet").to_pydict()
    sentence = dict(zip(tasks["task_index"], tasks["task"], strict=True))
    named = [sentence[index] for index in data["task_index"].to_pylist()]
    assert named[:9] == ["words 0"] * 3 + ["words 3"] * 6
    assert named[9:20] == [""] * 6 + ["words 1"] * 5
    episodes = pa.concat_tables(
        [pq.read_table(file) for file in sorted(folder.glob("meta/episodes/*/*.parquet"))]
    ).to_pylist()
    for row, episode in zip(episodes, EPISODES, strict=True):
        rows = data.slice(row["dataset_from_index"], row["dataset_to_index"] - row["dataset_from_index"])
        assert rows["episode_index"].to_pylist() == [row["episode_index"]] * len(episode)
        np.testing.assert_array_equal(rows["action"].to_pylist(), episode.actions)
        assert row["tasks"] == list(dict.fromkeys(sentence[index] for index in rows["task_index"].to_pylist()))
        assert row["stats/action/count"] == [len(episode)]
        np.testing.assert_allclose(row["stats/action/q90"], np.quantile(episode.actions, 0.9, axis=0))


def test_statistics_of_the_whole_are_those_of_one_pass(tmp_path: Path) -> None:
    stats = json.loads((write(tmp_path) / "meta/stats.json").read_text())
    actions = np.concatenate([episode.actions for episode in EPISODES])
    np.testing.assert_allclose(stats["action"]["q99"], np.quantile(actions, 0.99, axis=0))
    np.testing.assert_allclose(stats["action"]["std"], actions.std(axis=0))
    pixels = np.concatenate([episode.images["static"].reshape(-1, 3) for episode in EPISODES]) / 255
    np.testing.assert_allclose(np.ravel(stats["observation.images.static"]["mean"]), pixels.mean(0))
    np.testing.assert_allclose(np.ravel(stats["observation.images.static"]["std"]), pixels.std(0))
    quantiles = np.quantile(pixels, 0.9, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(np.ravel(stats["observation.images.static"]["q90"]), quantiles)


def test_of_overlapping_sentences_a_frame_names_the_one_begun_last() -> None:
    spans = [(0, 5), (2, 3), (4, 9)]
    language = tuple(LanguageSpan(first=a, last=b, sentence=str(a), task="") for a, b in spans)
    index, found = frame_sentences(Outline(length=8, first_frame=0, language=language))
    assert [found[number] for number in index] == ["0", "0", "2", "2", "4", "4", "4", "4"]


def test_a_part_of_episodes_with_other_streams_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    episodes = [EPISODES[0], replace(EPISODES[1], scene=None)]
    with pytest.raises(DatasetError, match="convert them separately"):
        write(tmp_path, episodes, part_frames=100)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(DatasetError, match=r"file-001\.parquet: has the columns .* convert them separately"):
        write(tmp_path / "parts", episodes, part_frames=1)


def test_parts_hold_all_episodes_once_in_order() -> None:
    parts = cut(outlines(EPISODES), 12)
    assert [part.episodes for part in parts] == [range(0, 2), range(2, 4)]
    assert [(part.first_row, part.frames) for part in parts] == [(0, 14), (14, 13)]
    assert [part.number for part in parts] == [0, 1]
