"""The audit sees the same whoever looks: in this process or in workers, a dataset or its splits."""

import json
import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import CLEAN, SPEC

from vlasync.checks import survey
from vlasync.checks.actions.gripper import GripperCheck
from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.checks.findings import Detector
from vlasync.data.store import create_store, write_shard
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.errors import DatasetError, VlasyncError
from vlasync.types import Episode

NUMBERS_ONLY = AuditConfig(images=False)


def flipped(episode: Episode) -> Episode:
    return replace(episode, actions=episode.actions * [1, 1, 1, 1, 1, 1, -1])


def store(folder: Path, episodes: Sequence[Episode]) -> Path:
    create_store(folder, SPEC)
    write_shard(folder, "0", episodes)
    return folder


class Looked(Future):
    """A result that counts as under way until it was asked for so many times."""

    def __init__(self, result, patience):
        super().__init__()
        self.patience = patience
        self.set_result(result)

    def done(self):
        self.patience -= 1
        return self.patience < 0


class Workers:
    """Like a pool of processes in that all that goes in and out is pickled; works on the spot, and hands out late."""

    def __init__(self, patience):
        self.patience = patience
        self.asked = 0

    def submit(self, work, *arguments):
        self.asked += 1
        return Looked(pickle.loads(pickle.dumps(work(*pickle.loads(pickle.dumps(arguments))))), self.patience)


@pytest.mark.parametrize("patience", [0, 1, 5, 1000])
def test_the_report_does_not_depend_on_who_looked(patience, tmp_path, monkeypatch):
    path = store(tmp_path / "store", [*CLEAN[:6], *map(flipped, CLEAN[6:])])
    alone = audit(path)
    monkeypatch.setattr(survey, "ALONE_S", 0.0)
    monkeypatch.setattr(survey, "STARTING_S", 0.0)
    pools = {}

    @contextmanager
    def workers(count):
        yield pools.setdefault(count, Workers(patience))

    monkeypatch.setattr(survey, "worker_pool", workers)
    helped = audit(path)
    assert list(pools) == [1], "this process is one of the two"
    assert (pools[1].asked > 1) == (patience < 1000), "nobody is handed anything before it is ready"
    assert helped.to_json() == alone.to_json()
    assert [part.summary for part in helped.parts] == [part.summary for part in alone.parts]
    assert alone.problems


@given(count=st.integers(0, 400), sample=st.integers(1, 500))
def test_a_sample_is_spread_from_the_first_episode_to_the_last(count, sample):
    numbers = survey.chosen(count, sample)
    assert numbers == sorted(set(numbers))
    assert len(numbers) == min(count, sample)
    assert set(numbers) <= set(range(count))
    if sample > 1 and count:
        assert (numbers[0], numbers[-1]) == (0, count - 1)
        assert len(set(np.diff(numbers)) - {0}) <= 2 or np.ptp(np.diff(numbers)) <= 1


def test_a_sample_says_so():
    report = audit(CLEAN, AuditConfig(sample=3))
    assert (report.frames, report.episodes, report.sampled) == (120, 12, True)
    assert not audit(CLEAN, AuditConfig(sample=12)).sampled


class Counted(Sequence[Episode]):
    """Episodes that count how often each is read."""

    def __init__(self, episodes):
        self.episodes = episodes
        self.reads = [0] * len(episodes)

    def __len__(self):
        return len(self.episodes)

    def __getitem__(self, index):
        self.reads[index] += 1
        return self.episodes[index]


def test_each_episode_is_read_once_and_a_few_before_for_their_looks():
    numbers, pictures = Counted(CLEAN * 4), Counted(CLEAN * 4)
    audit(numbers, NUMBERS_ONLY)
    assert numbers.reads == [1] * 48
    audit(pictures)
    assert sum(pictures.reads) == 48 + survey.PREVIEW_EPISODES


def test_splits_are_audited_together_and_named(tmp_path):
    store(tmp_path / "training", CLEAN[:6])
    store(tmp_path / "validation", [*CLEAN[6:9], flipped(CLEAN[9])])
    report = audit(tmp_path)
    assert [problem.code for problem in report.problems] == ["gripper-polarity"]
    assert "validation/episode 9" in report.problems[0].where
    assert [part.name for part in report.parts] == ["training", "validation"]
    assert set(report.inferred) == {"training", "validation"}
    assert (report.frames, report.episodes) == (400, 10)


def test_episodes_of_both_splits_leak(tmp_path):
    store(tmp_path / "training", CLEAN[:6])
    store(tmp_path / "validation", CLEAN[5:8])
    (problem,) = audit(tmp_path).problems
    assert (problem.code, problem.where) == ("split-leakage", "validation/episode 5")


def test_a_split_that_cannot_be_opened_does_not_hide_the_other(tmp_path):
    store(tmp_path / "training", [*CLEAN[:3], flipped(CLEAN[3])])
    (tmp_path / "validation").mkdir()
    report = audit(tmp_path)
    assert [problem.code for problem in report.problems] == ["unreadable", "gripper-polarity"]
    assert report.exit_code == 2


class Torn:
    """Images of which some cannot be read."""

    shape = (40, 4, 4, 3)

    def __len__(self):
        return 40

    def __getitem__(self, index):
        raise DatasetError("frame.npz: key `rgb_static` cannot be read; copy or record it again")


class Look(Detector):
    """Reads all pixels."""

    def look(self, episode):
        for images in episode.images.values():
            images[:]


def test_pixels_that_cannot_be_read_are_a_problem_and_the_rest_is_checked(monkeypatch):
    monkeypatch.setattr(survey, "detectors", lambda config, preview, episodes: [GripperCheck(), Look()])
    torn = replace(CLEAN[0], images={"static": Torn()})
    report = audit([torn, *CLEAN[1:10], flipped(CLEAN[11])])
    assert [problem.code for problem in report.problems] == ["unreadable", "gripper-polarity"]


def test_problems_come_in_the_order_of_their_codes(tmp_path):
    writer = CalvinWriter(tmp_path)
    for episode in CLEAN[:3]:
        writer.append(flipped(episode))
    writer.finish()
    sorted(tmp_path.glob("episode_*.npz"))[-1].unlink()
    found = [problem["code"] for problem in json.loads(audit(tmp_path).to_json())["problems"]]
    assert found == ["unreadable", "gripper-polarity"]


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"workers": 0}, {"window_size": -1}])
def test_a_setting_without_sense_is_refused(wrong):
    with pytest.raises(VlasyncError, match="expected at least 1"):
        audit(CLEAN, AuditConfig(**wrong))
