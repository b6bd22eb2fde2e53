"""Recordings: whole, repeatable byte for byte, resumable, and readable in both formats."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vlasync.data.readers.calvin import read_calvin
from vlasync.data.readers.object_array import read_object_array
from vlasync.data.store import Store
from vlasync.errors import VlasyncError
from vlasync.recording import RecordingConfig, calvin_cameras, record

SCRIPT = """
from pathlib import Path
from vlasync.recording import RecordingConfig, calvin_cameras, record
if __name__ == "__main__":
    record(RecordingConfig(out=Path({out!r}), tasks=("move_slider_left", "turn_on_led"), episodes=3,
                           cameras=calvin_cameras(32, 16), workers=2, shard_episodes=1, seed=5))
"""


def tiny(out: Path, **changes) -> RecordingConfig:
    config = RecordingConfig(
        out=out,
        tasks=("move_slider_left", "turn_on_led"),
        episodes=3,
        cameras=calvin_cameras(32, 16),
        workers=1,
        shard_episodes=1,
        seed=5,
    )
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tiny(tmp_path_factory.mktemp("recording") / "data"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "shards").glob("[!.]*"))


def test_a_recording_holds_what_was_asked_for(recorded):
    store = Store.open(recorded)
    assert len(store) == 6
    assert [episode.language[0].task for episode in store] == ["move_slider_left", "turn_on_led"] * 3
    numbers = np.concatenate([episode.frame_index for episode in store])
    assert len(np.unique(numbers)) == store.num_frames
    assert store[0].images["static"].shape[1:] == (32, 32, 3)
    assert len({episode.images["static"][0].tobytes() for episode in store}) == 6


def test_killed_and_resumed_with_other_workers_it_has_the_same_bytes(recorded, tmp_path):
    out, script = tmp_path / "data", tmp_path / "run.py"
    script.write_text(SCRIPT.format(out=str(out)))
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    deadline = time.monotonic() + 120
    while not shards(out) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {shard: shard.stat().st_mtime_ns for shard in shards(out)}
    assert 0 < len(kept) < 6
    wait_for_group_to_end(process.pid)
    record(tiny(out, workers=2))
    assert {shard: shard.stat().st_mtime_ns for shard in kept} == kept
    assert contents(out) == contents(recorded)


def wait_for_group_to_end(group: int) -> None:
    """Workers notice that their parent is gone; an orphan would write on beside the next run."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("recording processes outlived their parent")


def test_worker_processes_end_without_a_word(tmp_path, capfd):
    record(tiny(tmp_path / "data", tasks=("turn_on_led",), episodes=1))
    assert capfd.readouterr().err == ""


def test_a_complete_recording_is_kept(recorded):
    before = contents(recorded)
    record(tiny(recorded))
    assert contents(recorded) == before


def test_another_recording_in_the_same_folder_is_refused(recorded):
    with pytest.raises(VlasyncError, match="seed 5, asked for 6"):
        record(tiny(recorded, seed=6))


def test_the_calvin_layout_holds_the_same_demonstrations(recorded, tmp_path):
    out = record(tiny(tmp_path / "calvin", format="calvin"))
    assert record(tiny(tmp_path / "calvin", format="calvin")) == out
    store, calvin = Store.open(recorded), read_calvin(out)
    assert len(calvin) == len(store)
    for ours, theirs in zip(store, calvin, strict=True):
        np.testing.assert_array_equal(theirs.state, ours.state)
        np.testing.assert_array_equal(theirs.actions, ours.actions)
        np.testing.assert_array_equal(theirs.images["gripper"][3], ours.images["gripper"][3])
        assert theirs.language == ours.language


def test_settings_that_cannot_work_are_refused(tmp_path):
    with pytest.raises(VlasyncError, match="did you mean"):
        tiny(tmp_path, tasks=("move_slider",))
    with pytest.raises(VlasyncError, match="workers is 0"):
        tiny(tmp_path, workers=0)


def test_scenes_come_one_after_the_other_and_both_layouts_name_them(tmp_path):
    # Scenes A and D have their doors in the same place. CALVIN's layout is written from a store.
    several = tiny(tmp_path, tasks=("move_slider_left",), episodes=1, scenes=("D", "A"), format="calvin")
    calvin = read_calvin(record(several))
    assert [episode.scene_name for episode in calvin] == ["D", "A"]
    assert not np.array_equal(calvin[0].images["static"][0], calvin[1].images["static"][0])
    (d_first, d_last), (a_first, a_last) = read_object_array(tmp_path / "scene_info.npy").values()
    assert (a_first, a_last - d_first + 1) == (d_last + 1, sum(len(episode) for episode in calvin))


def test_play_has_the_same_bytes_with_one_worker_and_two(tmp_path):
    playing = {"style": "play", "episodes": 2, "play_frames": 40}
    one, two = (record(tiny(tmp_path / str(workers), workers=workers, **playing)) for workers in (1, 2))
    assert contents(one) == contents(two)
    store = Store.open(one)
    assert [len(episode) for episode in store] == [40, 40]
    assert len(shards(one)) == 2
    assert len(np.unique(np.concatenate([episode.frame_index for episode in store]))) == 80


def test_scenes_that_cannot_be_recorded_are_refused(tmp_path):
    with pytest.raises(VlasyncError, match="no such scene"):
        tiny(tmp_path, scenes=("A", "E"))
    with pytest.raises(VlasyncError, match="each once"):
        tiny(tmp_path, scenes=("A", "A"))
