"""Every planted defect is found and named rightly, and clean demonstrations raise no alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlasync.checks.codes import CODES
from vlasync.data.open import open_dataset
from vlasync.data.store import create_store, write_shard
from vlasync.recording import calvin_cameras
from vlasync.testing import (
    DEFECTS,
    FILE_DEFECTS,
    HARMLESS,
    Defect,
    FileDefect,
    Recording,
    Scope,
    StatisticsDefect,
    as_claimed,
    false_alarms,
    file_trial,
    record_play_table,
    trial,
)
from vlasync.testing.actions import commanded
from vlasync.testing.streams import delay, select_frames
from vlasync.types import Episode

TASKS = ("open_drawer", "close_drawer", "turn_on_led", "lift_red_block_table", "push_blue_block_left")
EVERYTHING: list[tuple[Defect | StatisticsDefect, str, Scope]] = [
    (defect, strength, scope) for defect in DEFECTS for strength in defect.strengths for scope in defect.scopes
]
HARDEST = [(defect, next(iter(defect.strengths)), defect.scopes[-1]) for defect in DEFECTS]


def named(planned: Sequence[tuple]) -> list:
    return [
        pytest.param(*attempt, id=" | ".join([attempt[0].code, attempt[0].name, *attempt[1:]])) for attempt in planned
    ]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record_play_table("small", TASKS, cameras=calvin_cameras(64, 64), episodes_per_task=3, seed=5)


@pytest.fixture(scope="module")
def dataset(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with both splits."""
    folder = tmp_path_factory.mktemp("dataset")
    for split, part in (("training", recording.episodes[:10]), ("validation", recording.episodes[10:])):
        create_store(folder / split, part[0].spec)
        write_shard(folder / split, "episodes", part)
    return folder


def test_every_code_has_a_defect() -> None:
    planted = {defect.code for defect in (*DEFECTS, *FILE_DEFECTS)}
    assert planted == set(CODES)
    assert len({defect.name for defect in (*DEFECTS, *FILE_DEFECTS)}) >= 25


@pytest.mark.parametrize("change", HARMLESS)
def test_clean_demonstrations_raise_no_alarm(recording: Recording, change: str) -> None:
    assert false_alarms(recording.episodes, HARMLESS[change]) == ()


@pytest.mark.parametrize(("defect", "strength", "scope"), named(HARDEST))
def test_one_of_each_kind_is_found(recording: Recording, defect: Defect, strength: str, scope: Scope) -> None:
    outcome = trial(as_claimed(defect, recording.episodes), strength, scope, recording.episodes)
    assert outcome is not None
    assert outcome.passed, outcome


def test_commands_are_told_from_achieved_motion(recording: Recording) -> None:
    defect = commanded(recording.commands)
    for strength in defect.strengths:
        for scope in defect.scopes:
            outcome = trial(defect, strength, scope, recording.episodes)
            assert outcome is not None and outcome.passed, outcome


@pytest.mark.parametrize(
    "defect", [defect for defect in FILE_DEFECTS if defect.layout == "store"], ids=lambda d: d.code
)
def test_damage_to_a_store_is_found(dataset: Path, defect: FileDefect) -> None:
    for strength in defect.strengths:
        outcome = file_trial(defect, strength, dataset)
        assert outcome.passed, outcome


@pytest.mark.slow
@pytest.mark.parametrize(("defect", "strength", "scope"), named(EVERYTHING))
def test_everything_is_found_on_the_play_table(
    recording: Recording, defect: Defect, strength: str, scope: Scope
) -> None:
    outcome = trial(as_claimed(defect, recording.episodes), strength, scope, recording.episodes)
    assert outcome is None or outcome.passed, outcome


@pytest.fixture(scope="module")
def calvin(shared_data: Path) -> list[Episode]:
    """A recording from CALVIN's own simulator, its images read once for all."""
    return [
        replace(episode, images={name: images[:] for name, images in episode.images.items()})
        for episode in open_dataset(shared_data / "calvin_sample" / "training")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("defect", "strength", "scope"), named(EVERYTHING))
def test_everything_is_found_in_a_calvin_recording(
    calvin: list[Episode], defect: Defect, strength: str, scope: Scope
) -> None:
    outcome = trial(as_claimed(defect, calvin), strength, scope, calvin)
    assert outcome is None or outcome.passed, outcome


class Untouchable:
    """Images that must not be read."""

    def __init__(self, length: int) -> None:
        self.shape = (length, 64, 64, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice, /) -> np.ndarray:
        raise AssertionError("planting a defect read an image")


def test_planting_reads_no_image_and_leaves_the_original_alone(recording: Recording) -> None:
    episodes = [
        replace(episode, images={name: Untouchable(len(episode)) for name in episode.images})
        for episode in recording.episodes
    ]
    before = [(episode.state.tobytes(), episode.actions.tobytes(), episode.language) for episode in episodes]
    for defect, strength, scope in EVERYTHING:
        defect.plant(episodes, strength, scope)
    assert [(episode.state.tobytes(), episode.actions.tobytes(), episode.language) for episode in episodes] == before


def test_one_episode_means_one(recording: Recording) -> None:
    for defect, strength, scope in EVERYTHING:
        planted = defect.plant(recording.episodes, strength, scope)
        if planted is not None and scope == "one episode":
            assert len(planted.broken) == 1


@given(frames=st.integers(-5, 5))
def test_a_delay_shifts_one_stream_and_keeps_the_rest_in_step(recording: Recording, frames: int) -> None:
    episode = recording.episodes[0]
    late = delay(episode, frames, cameras=("static",), columns=slice(6, 7))
    shown = late.frame_index - episode.frame_index[0]
    assert len(late) == len(episode) - abs(frames)
    np.testing.assert_array_equal(late.state, episode.state[shown])
    np.testing.assert_array_equal(late.actions[:, :6], episode.actions[shown, :6])
    np.testing.assert_array_equal(late.actions[:, 6], episode.actions[shown - frames, 6])
    np.testing.assert_array_equal(late.images["gripper"][:], episode.images["gripper"][shown[0] : shown[-1] + 1])
    for t in (0, len(late) - 1):
        np.testing.assert_array_equal(late.images["static"][t], episode.images["static"][shown[t] - frames])


def test_sentences_follow_the_frames_that_are_kept(recording: Recording) -> None:
    episode = next(episode for episode in recording.episodes if episode.language[-1].last > 20)
    span = episode.language[-1]
    kept = select_frames(episode, np.arange(5, len(episode))).language[-1]
    assert (kept.first, kept.last, kept.sentence) == (max(span.first - 5, 0), span.last - 5, span.sentence)
