"""Checkpoints are written while training goes on, one at a time, whole or not at all, and a failure ends the run."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vlasync.errors import CheckpointError
from vlasync.runs import checkpoint_folders, latest_checkpoint, read_metrics
from vlasync.training import checkpoint
from vlasync.training.run import RunConfig, train


def test_training_goes_on_while_one_checkpoint_is_written(store: Path, recipe: RunConfig, tmp_path: Path, monkeypatch):
    """The first checkpoint, of step 4, is held back until step 5 is logged; none begins before it is done."""
    under_way, most, steps_seen = 0, 0, []
    save = checkpoint.save_file

    def slow_save(tensors, file):
        nonlocal under_way, most
        assert threading.current_thread() is not threading.main_thread()
        under_way += 1
        most = max(most, under_way)
        deadline = time.monotonic() + 60
        while not steps_seen and len(read_metrics(tmp_path / "run" / "metrics.jsonl")) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        steps_seen.append(len(read_metrics(tmp_path / "run" / "metrics.jsonl")))
        save(tensors, file)
        under_way -= 1

    monkeypatch.setattr(checkpoint, "save_file", slow_save)
    last = train(recipe, store, tmp_path / "run")
    assert steps_seen[0] >= 5 and most == 1
    assert int(last.name) == recipe.training.steps  # waited for


def test_a_checkpoint_that_cannot_be_written_ends_the_run(store: Path, recipe: RunConfig, tmp_path: Path, monkeypatch):
    def full_disk(tensors, file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "save_file", full_disk)
        with pytest.raises(CheckpointError, match=r"0000004: could not be written .*No space left"):
            train(recipe, store, tmp_path / "run")
    assert not checkpoint_folders(tmp_path / "run")
    train(recipe, store, tmp_path / "run")
    assert int(latest_checkpoint(tmp_path / "run").name) == recipe.training.steps


def test_what_a_kill_left_is_cleared_away_and_a_damaged_checkpoint_is_refused(store, recipe, tmp_path):
    short = replace(recipe, training=replace(recipe.training, steps=2))
    last = train(short, store, tmp_path / "run")
    torn = last.with_name(".0000003.1.tmp")
    torn.mkdir()
    (torn / checkpoint.TENSORS).write_bytes(b"half")
    assert train(short, store, tmp_path / "run") == last and not torn.exists()
    tensors = last / checkpoint.TENSORS
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        train(short, store, tmp_path / "run")
    tensors.unlink()
    with pytest.raises(CheckpointError, match="no training state"):
        train(short, store, tmp_path / "run")
