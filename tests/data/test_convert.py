"""A dataset keeps every number and pixel through any layout, however often its conversion was stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_episodes import random_episode

from vlasync.actions.representations import represent
from vlasync.cli import main
from vlasync.data import convert as conversion_module
from vlasync.data.convert import Conversion, convert
from vlasync.data.layouts import Layout
from vlasync.data.open import open_dataset
from vlasync.data.parts import cut
from vlasync.data.readers.calvin import frame_file
from vlasync.data.readers.object_array import read_object_array
from vlasync.data.store import create_store, write_shard
from vlasync.data.targets import calvin_numbers
from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.share import Share
from vlasync.spec import Camera, StateSlice, SyncSpec
from vlasync.types import Episode

SPEC = SyncSpec.CALVIN.replace(
    cameras={"static": Camera(height=6, width=8), "gripper": Camera(height=4, width=4, up="hand +x")}
)
STREAMS = ("state", "actions", "scene", "frame_index", "timestamps")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one or two episodes, so that a small dataset has several."""
    monkeypatch.setattr(conversion_module, "cut", lambda outlines: cut(outlines, 12))


def make_episode(number: int, spec: SyncSpec = SPEC) -> Episode:
    length = 5 + number % 4
    episode = random_episode(length, (1, length - 1), spec=spec, seed=number)
    (span,) = (replace(span, sentence=f"words {number % 3}") for span in episode.language)
    return replace(
        episode,
        name=f"demonstration {number}",
        frame_index=episode.frame_index + 100 + 10 * number,
        language=(span,) if number % 4 else (span, replace(span, last=2, sentence="beside it")),
    )


def make_store(path: Path, episodes: Sequence[Episode]) -> Path:
    create_store(path, episodes[0].spec)
    write_shard(path, "0", episodes)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_store(tmp_path / "source", [make_episode(number) for number in range(9)])


def assert_same(found: Path, expected: Path, *, names: bool = True) -> None:
    ours, theirs = open_dataset(found), open_dataset(expected)
    assert len(ours) == len(theirs)
    for episode, original in zip(ours, theirs, strict=True):
        assert (episode.spec, episode.language) == (original.spec, original.language)
        assert episode.name == original.name or not names
        for stream in STREAMS:
            np.testing.assert_array_equal(getattr(episode, stream), getattr(original, stream))
        assert set(episode.images) == set(original.images)
        for camera, images in original.images.items():
            np.testing.assert_array_equal(episode.images[camera][:], images[:])


@pytest.mark.parametrize(
    "layouts", [("store",), ("lerobot",), ("lerobot", "store"), ("calvin", "lerobot", "store"), ("lerobot", "calvin")]
)
def test_every_number_and_pixel_is_kept_through_any_layout(
    source: Path, tmp_path: Path, layouts: tuple[Layout]
) -> None:
    last = source
    for number, layout in enumerate(layouts):
        (done,) = convert(Conversion(source=last, target=tmp_path / f"{number}", to=layout))
        assert done.complete and done.parts > 3 and not done.conversions
        last = tmp_path / f"{number}"
    assert_same(last, source, names="calvin" not in layouts)


def test_lossless_video_keeps_every_pixel(tmp_path: Path) -> None:
    even = SPEC.replace(cameras={"static": Camera(height=16, width=16)})
    source = make_store(tmp_path / "source", [make_episode(number, even) for number in range(4)])
    convert(Conversion(source=source, target=tmp_path / "video", to="lerobot", video="lossless"))
    assert_same(tmp_path / "video", source)


def test_a_recording_of_calvin_comes_back_file_by_file(shared_data: Path, tmp_path: Path) -> None:
    recording = shared_data / "calvin_sample" / "validation"
    bounds = np.array([[850, 858], [870, 880]])
    language = read_object_array(recording / "lang_annotations" / "auto_lang_ann.npy")
    first = int(np.load(recording / "ep_start_end_ids.npy")[0, 0])
    bounds += first - 850
    source = tmp_path / "source"
    (source / "lang_annotations").mkdir(parents=True)
    for start, end in bounds:
        for number in range(start, end + 1):
            frame_file(source, number).symlink_to(frame_file(recording, number))
    language["info"]["indx"] = [(first + 1, first + 9), (first + 22, first + 31)]
    language["language"] = {key: values[:2] for key, values in language["language"].items()}
    np.save(source / "lang_annotations" / "auto_lang_ann.npy", np.array(language, dtype=object), allow_pickle=True)
    np.save(source / "ep_start_end_ids.npy", bounds)
    convert(Conversion(source=source, target=tmp_path / "lerobot", to="lerobot"))
    convert(Conversion(source=tmp_path / "lerobot", target=tmp_path / "calvin", to="calvin"))
    back = tmp_path / "calvin"
    np.testing.assert_array_equal(np.load(back / "ep_start_end_ids.npy"), bounds)
    found = read_object_array(back / "lang_annotations" / "auto_lang_ann.npy")
    assert [tuple(map(int, frames)) for frames in found["info"]["indx"]] == language["info"]["indx"]
    assert {**found["language"], "emb": None} == {**language["language"], "emb": None}
    for start, end in bounds:
        for number in range(start, end + 1):
            ours, theirs = np.load(frame_file(back, number)), np.load(frame_file(source, number))
            assert set(ours) == set(theirs)
            for key in theirs:
                assert ours[key].dtype == theirs[key].dtype
                # Where the last action led is in no frame: there CALVIN's `actions` are computed from `rel_actions`.
                if key != "actions" or number < end:
                    np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.parametrize("layout", ["store", "calvin", "lerobot"])
def test_shares_of_several_calls_make_one_dataset(source: Path, tmp_path: Path, layout: Layout) -> None:
    whole, shares = tmp_path / "whole", tmp_path / "shares"
    convert(Conversion(source=source, target=whole, to=layout))
    for number in (1, 0, 2):
        with pytest.raises(DatasetError):  # not there, or not finished
            open_dataset(shares)
        (done,) = convert(Conversion(source=source, target=shares, to=layout, shard=Share(number, 3)))
        assert done.complete == (number == 2)
    assert_same(shares, whole, names=layout != "calvin")
    ours, theirs = ({file.relative_to(folder) for file in folder.rglob("*")} for folder in (shares, whole))
    assert ours == theirs


@pytest.mark.parametrize("layout", ["store", "calvin", "lerobot"])
def test_what_is_written_is_kept(source: Path, tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    target, write, written = tmp_path / "target", conversion_module._write_part, []

    def stop_at_the_third(*given):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(write(*given).number)
        return given[2]

    monkeypatch.setattr(conversion_module, "_write_part", stop_at_the_third)
    conversion = Conversion(source=source, target=target, to=layout)
    with pytest.raises(KeyboardInterrupt):
        convert(conversion)
    with pytest.raises(DatasetError, match="not finished; run the same `vlasync convert` again"):
        open_dataset(target)
    kept = {file: file.stat().st_mtime_ns for file in target.rglob("*") if file.suffix in (".npz", ".npy", ".parquet")}
    monkeypatch.setattr(conversion_module, "_write_part", write)
    convert(conversion)
    assert kept and kept == {file: file.stat().st_mtime_ns for file in kept}
    assert_same(target, source, names=layout != "calvin")
    everything = {file: file.stat().st_mtime_ns for file in target.rglob("*")}
    convert(conversion)
    assert everything == {file: file.stat().st_mtime_ns for file in target.rglob("*")}


def test_a_killed_conversion_goes_on_without_losing_or_doubling_an_episode(tmp_path: Path) -> None:
    source = make_store(tmp_path / "source", [make_episode(number) for number in range(80)])
    target = tmp_path / "target"
    code = (
        "from vlasync.data import convert as module; from vlasync.data.parts import cut; from pathlib import Path\n"
        "module.cut = lambda outlines: cut(outlines, 12)\n"
        f"module.convert(module.Conversion(source=Path({str(source)!r}), target=Path({str(target)!r}), to='lerobot'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(target.glob("meta/episodes/*/*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 3 <= len(list(target.glob("meta/episodes/*/*.parquet"))) < 40
    convert(Conversion(source=source, target=target, to="lerobot"))
    assert_same(target, source)


@pytest.mark.slow
def test_processes_share_the_work(source: Path, tmp_path: Path) -> None:
    convert(Conversion(source=source, target=tmp_path / "target", to="lerobot", workers=2))
    assert_same(tmp_path / "target", source)


def test_a_folder_that_holds_something_else_is_left_alone(source: Path, tmp_path: Path) -> None:
    other = make_store(tmp_path / "other", [make_episode(20)])
    with pytest.raises(DatasetError, match="no conversion begun here"):
        convert(Conversion(source=source, target=other, to="store"))
    convert(Conversion(source=source, target=tmp_path / "target", to="store"))
    with pytest.raises(DatasetError, match=r"another conversion .*fingerprint.*source 'source' there, 'other' now"):
        convert(Conversion(source=other, target=tmp_path / "target", to="store"))
    (tmp_path / "target" / "conversion.json").write_text("{")
    with pytest.raises(DatasetError, match="damaged"):
        open_dataset(tmp_path / "target")


def test_what_calvins_layout_cannot_hold_is_one_error_and_other_actions_are_converted(tmp_path: Path) -> None:
    short = SPEC.replace(state_layout=(StateSlice(name="tcp_position", start=0, stop=3, unit="m"),))
    with pytest.raises(SpecMismatchError, match=r"state_layout.*(?s:.*)`--to store` or `--to lerobot`"):
        convert(
            Conversion(
                source=make_store(tmp_path / "short", [make_episode(1, short)]), target=tmp_path / "no", to="calvin"
            )
        )
    assert not (tmp_path / "no").exists()
    tcp = represent(SPEC, "tcp_relative")
    source = make_store(tmp_path / "tcp", [make_episode(1, tcp)])
    (done,) = convert(Conversion(source=source, target=tmp_path / "calvin", to="calvin"))
    assert "action_frame 'tcp' becomes 'world'" in done.conversions
    assert open_dataset(tmp_path / "calvin").spec == SPEC
    before, after = open_dataset(source)[0], open_dataset(tmp_path / "calvin")[0]
    assert not np.allclose(before.actions[:, :6], after.actions[:, :6])
    np.testing.assert_array_equal(before.actions[:, 6], after.actions[:, 6])


def test_a_clock_that_calvins_layout_cannot_hold_is_refused_and_a_camera_is_declared(tmp_path: Path) -> None:
    turned = SPEC.replace(cameras={"wrist": Camera(height=4, width=4, up="hand -y")})
    episode = make_episode(1, turned)
    source = make_store(tmp_path / "source", [episode])
    convert(Conversion(source=source, target=tmp_path / "calvin", to="calvin"))
    assert_same(tmp_path / "calvin", source, names=False)
    clocked = make_store(tmp_path / "clocked", [replace(episode, timestamps=np.arange(len(episode)) / 7)])
    with pytest.raises(DatasetError, match="recorder's timestamps, which CALVIN's layout has no place for"):
        convert(Conversion(source=clocked, target=tmp_path / "no", to="calvin"))


def test_calvin_keeps_frame_numbers_that_it_can_hold(source: Path) -> None:
    outlines = open_dataset(source).outlines()
    assert calvin_numbers(outlines) == [100 + 10 * number for number in range(9)]
    assert calvin_numbers(outlines[::-1])[:3] == [64, 69, 77]


def test_settings_without_meaning_are_refused(source: Path, tmp_path: Path) -> None:
    for settings, said in (
        ({"workers": 0}, "workers is 0"),
        ({"video": "h264"}, "video is for LeRobot"),
    ):
        with pytest.raises(VlasyncError, match=said):
            Conversion(source=source, target=tmp_path, to="store", **settings)


def test_the_command_says_how_far_it_is(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> int | str | None:
        with pytest.raises(SystemExit) as end:
            main(["convert", str(source), str(tmp_path / "target"), "--workers", "1", *arguments])
        return end.value.code

    assert run("--to", "store", "--shard", "1/2") == 1
    assert "convert the other shards" in " ".join(capsys.readouterr().out.split())
    assert run("--to", "store", "--shard", "half") == 2
    assert run("--to", "store", "--shard", "0/2") == 0
    assert "complete; look it over" in " ".join(capsys.readouterr().out.split())


def test_splits_are_converted_each(tmp_path: Path) -> None:
    for name in ("training", "validation"):
        make_store(tmp_path / "source" / name, [make_episode(1 if name == "training" else 2)])
    done = convert(Conversion(source=tmp_path / "source", target=tmp_path / "target", to="lerobot"))
    assert [item.folder.name for item in done] == ["training", "validation"]
    for name in ("training", "validation"):
        assert_same(tmp_path / "target" / name, tmp_path / "source" / name)
