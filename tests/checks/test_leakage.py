"""Frames of training are found in validation, renumbered, rounded or cut; other demonstrations share nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import CLEAN, demonstration

from vlasync.checks.findings import Problem
from vlasync.checks.leakage import LeakageCheck, compare
from vlasync.data.open import open_dataset
from vlasync.types import Episode

TRAINING = CLEAN
VALIDATION = [demonstration(seed) for seed in range(100, 106)]


def marked(episodes: Sequence[Episode]) -> LeakageCheck:
    check = LeakageCheck()
    for episode in episodes:
        check.look(episode)
    return check


def leaked(training: Sequence[Episode], validation: Sequence[Episode]) -> list[Problem]:
    return compare(marked(training), marked(validation)).problems()


def cut(episode: Episode, first: int, stop: int) -> Episode:
    part = slice(first, stop)
    return replace(
        episode,
        name="a piece",
        state=episode.state[part],
        actions=episode.actions[part],
        frame_index=np.arange(stop - first),
    )


def test_other_demonstrations_share_nothing() -> None:
    assert leaked(TRAINING, VALIDATION) == []
    assert leaked([], VALIDATION) == leaked(TRAINING, []) == []


def test_an_episode_of_training_is_named_whatever_its_number() -> None:
    copy = replace(TRAINING[3], name="copy", frame_index=np.arange(40) + 9000)
    (problem,) = leaked(TRAINING, [*VALIDATION, copy])
    assert (problem.code, problem.where, problem.count) == ("split-leakage", "copy", 1)


def test_a_copy_in_single_precision_is_the_same_episode() -> None:
    rounded = replace(TRAINING[3], name="copy", state=TRAINING[3].state.astype(np.float32).astype(float))
    (problem,) = leaked(TRAINING, [*VALIDATION, rounded])
    assert problem.where == "copy"


@given(first=st.integers(0, 30), length=st.integers(10, 30))
def test_any_piece_of_ten_frames_and_more_is_found(first: int, length: int) -> None:
    piece = cut(TRAINING[3], first, min(first + length, 40))
    assert [problem.where for problem in leaked(TRAINING, [*VALIDATION, piece])] == ["a piece"]


def test_robots_at_rest_after_equal_resets_are_no_leak() -> None:
    def resting(name: str, seed: int) -> Episode:
        motion = demonstration(seed).state
        rest = np.repeat(TRAINING[0].state[:1], 30, axis=0)
        return replace(TRAINING[0], name=name, state=np.concatenate([rest, motion[:10]]))

    assert leaked([resting("one", 50)], [resting("two", 51)]) == []


def test_parts_join_as_if_looked_at_by_one() -> None:
    first, later = marked(TRAINING[:5]), marked(TRAINING[5:])
    first.merge(later)
    for number in (0, 11):
        copy = replace(TRAINING[number], name="copy")
        assert compare(first, marked([copy])).problems() == leaked(TRAINING, [copy]) != []


@pytest.mark.parametrize(("one", "other"), [("training", "validation"), ("validation", "training")])
def test_the_recording_of_calvin_keeps_its_splits_apart(shared_data: Path, one: str, other: str) -> None:
    folder = shared_data / "calvin_sample"
    assert leaked(open_dataset(folder / one), open_dataset(folder / other)) == []
