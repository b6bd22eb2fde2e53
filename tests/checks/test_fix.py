"""What the numbers say is declared, where they agree; the numbers stay as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import CLEAN, SPEC

from vlasync.checks.audit import audit
from vlasync.checks.fix import fix_spec
from vlasync.checks.report.audit_report import AuditReport
from vlasync.data.open import open_dataset
from vlasync.data.store import create_store, write_shard
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.types import Episode


def as_store(folder: Path, episodes: list[Episode]) -> Path:
    create_store(folder, SPEC)
    write_shard(folder, "0", episodes)
    return folder


def as_calvin(folder: Path, episodes: list[Episode]) -> Path:
    writer = CalvinWriter(folder)
    for episode in episodes:
        writer.append(episode)
    writer.finish()
    return folder


def flipped(episode: Episode) -> Episode:
    return replace(episode, actions=episode.actions * [1, 1, 1, 1, 1, 1, -1])


@pytest.mark.parametrize("write", [as_store, as_calvin])
def test_a_flipped_gripper_is_declared_and_then_in_order(write, tmp_path):
    path = write(tmp_path / "data", [flipped(episode) for episode in CLEAN])
    before = audit(path)
    assert [problem.code for problem in before.problems] == ["gripper-polarity"]
    lines = fix_spec(before)
    assert [line.split(": ", 1)[1] for line in lines] == ["gripper_open: 1.0 -> -1.0", "gripper_closed: -1.0 -> 1.0"]
    assert audit(path).problems == ()
    np.testing.assert_array_equal(open_dataset(path)[0].actions, flipped(CLEAN[0]).actions)
    assert "stays as it is" in fix_spec(audit(path))[0]


def test_nothing_is_written_where_episodes_disagree(tmp_path):
    path = as_store(tmp_path / "data", [*map(flipped, CLEAN[:6]), *CLEAN[6:]])
    before = (path / "store.json").read_bytes()
    assert "stays as it is" in fix_spec(audit(path))[0]
    assert (path / "store.json").read_bytes() == before


def test_each_split_is_declared_for_itself(tmp_path):
    as_store(tmp_path / "training", CLEAN[:6])
    as_store(tmp_path / "validation", [flipped(episode) for episode in CLEAN[6:]])
    lines = fix_spec(audit(tmp_path))
    assert all("validation" in line for line in lines)
    assert audit(tmp_path).problems == ()


def test_open_episodes_have_nowhere_to_write_to():
    report = audit([flipped(episode) for episode in CLEAN])
    assert "stays as it is" in fix_spec(report)[0]
    assert fix_spec(AuditReport(problems=(), parts=()))
