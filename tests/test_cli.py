"""The command line as a user meets it: help with examples, and one clear error with exit code 2 for wrong use."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlasync import files
from vlasync.checks.codes import CODES
from vlasync.cli import COMMANDS, main
from vlasync.data.store import create_store, write_shard
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def short_store(folder: Path, frames: int) -> Path:
    """A store of one motionless episode."""
    spec = SyncSpec.CALVIN.replace(cameras={name: Camera(height=32, width=32) for name in ("static", "gripper")})
    actions = np.zeros((frames, 7))
    actions[:, 6] = 1.0
    episode = Episode(
        name="short",
        spec=spec,
        images={name: np.zeros((frames, 32, 32, 3), np.uint8) for name in spec.cameras},
        state=np.zeros((frames, 15)),
        actions=actions,
        scene=None,
        frame_index=np.arange(frames),
        language=(LanguageSpan(first=0, last=frames - 1, sentence="wait", task="wait"),),
    )
    create_store(folder, spec)
    write_shard(folder, "00000", [episode])
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command, capsys):
    assert run(command, "--help") == 0
    text = capsys.readouterr().out
    _, examples = text.split("For example:")
    assert f"\n    vlasync {command}" in examples


def test_a_reader_that_has_seen_enough_meets_no_traceback():
    command = [sys.executable, "-m", "vlasync", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (141, "")


def test_help_does_not_wait_for_torch():
    code = "import sys; from vlasync.cli import main\ntry: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError" not in done.stderr
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("train", "tiny-kosmos-lstm", "--data", "{tmp}/empty", "--run", "{tmp}/run"),
            ["did you mean", "tiny-kosmos2-lstm"],
        ),
        (("train", "tiny-smolvlm-lstm", "--data", "{tmp}/empty", "--run", "{tmp}/run"), ["empty"]),
        (("train", "demo", "--data", "{tmp}/empty", "--run", "{tmp}/run", "--head", "lstn"), ["'lstn'", "lstm"]),
        (("record", "{tmp}/out", "--tasks", "open_drawr"), ["open_drawr", "open_drawer"]),
        (("check",), ["no dataset given"]),
        (("check", "{tmp}/missing"), ["missing", "no such folder"]),
        (("check", "{tmp}/empty", "--sample", "0"), ["sample is 0", "at least 1"]),
        (("check", "{tmp}/empty", "--statistics", "{tmp}/spec.json"), ["spec.json", "not found"]),
        (("evaluate", "{tmp}/missing"), ["missing", "data.json"]),
        (("evaluate", "{tmp}/missing", "--tasks", "open_drawer", "close_drawer"), ["missing", "no checkpoint"]),
        (("evaluate", "{tmp}/missing", "--tasks", "open_drawer"), ["at least two"]),
    ],
)
def test_wrong_use_is_one_clear_error_and_leaves_nothing(arguments, words, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(*(part.replace("{tmp}", str(tmp_path)) for part in arguments)) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error:")
    assert all(word in said.replace(" ", "") or word in said for word in words), said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.npy")) and not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(("folder", "words"), [("missing", "nosuchfolder"), ("empty", "nodataset")])
def test_check_of_what_is_no_dataset_is_unreadable(folder, words, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("check", str(tmp_path / folder)) == 2
    captured = capsys.readouterr()
    said = "".join((captured.out + captured.err).split())
    assert words in said and "Traceback" not in said


def test_a_window_longer_than_every_sentence(tmp_path, capsys):
    store = short_store(tmp_path / "store", frames=5)
    assert run("train", "tiny-smolvlm-lstm", "--data", str(store), "--run", str(tmp_path / "run")) == 2
    assert "window_size is 8" in " ".join(capsys.readouterr().err.split())


def test_a_full_disk_is_said_plainly_and_leaves_no_half_file(tmp_path, capsys, monkeypatch):
    store = short_store(tmp_path / "store", frames=5)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "audit.json"))

    monkeypatch.setattr(files.os, "fsync", full)
    assert run("check", str(store), "--json", str(tmp_path / "audit.json")) == 2
    assert "No space left" in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_no_opengl_is_said_plainly(tmp_path):
    command = [sys.executable, "-m", "vlasync", "record", str(tmp_path / "out"), "--episodes", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"MUJOCO_GL": "nothing"}
    )
    assert done.returncode == 2
    assert "MUJOCO_GL" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_exits_with_1_and_writes_json_where_it_finds_a_problem(tmp_path):
    spec_store = short_store(tmp_path / "store", frames=12)
    actions = np.load(spec_store / "shards" / "00000" / "actions.npy")
    actions[5, 0] = np.nan
    np.save(spec_store / "shards" / "00000" / "actions.npy", actions)
    assert run("check", str(spec_store), "--json", str(tmp_path / "audit.json")) == 1
    assert '"code"' in (tmp_path / "audit.json").read_text()


def test_check_lists_its_codes_without_a_dataset(capsys):
    assert run("check", "--list") == 0
    words = capsys.readouterr().out.split()
    assert all(code in words for code in CODES)


def test_check_writes_a_page_and_says_where(tmp_path, capsys):
    store = short_store(tmp_path / "store", frames=12)
    assert run("check", str(store), "--no-images", "--html", str(tmp_path / "audit.html")) in (0, 1)
    assert (tmp_path / "audit.html").read_text().startswith("<!doctype html>")
    assert "audit.html" in "".join(capsys.readouterr().out.split())


def test_check_says_when_the_declaration_stays(tmp_path, capsys):
    store = short_store(tmp_path / "store", frames=12)
    before = (store / "store.json").read_bytes()
    run("check", str(store), "--no-images", "--fix-spec")
    assert "stays as it is" in " ".join(capsys.readouterr().out.split())
    assert (store / "store.json").read_bytes() == before
