"""A demonstration: frames, achieved actions and sentences line up."""

import numpy as np
import pytest

from vlasync.actions.frames import integrate
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import TRAINING
from vlasync.recording.demonstration import demonstrate
from vlasync.recording.perturbation import MIN_SPAN, SETTLE, Perturbation, clean_stretches
from vlasync.types import Episode


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


def demonstration(table: PlayTable, seed: int, perturbation: Perturbation) -> Episode:
    for attempt in range(5):
        episode = demonstrate(
            table,
            "move_slider_left",
            np.random.default_rng([seed, attempt]),
            name="one",
            first_frame=50,
            perturbation=perturbation,
            max_steps=100,
        )
        if episode is not None:
            return episode
    raise AssertionError("the expert failed five times")


def test_actions_are_the_achieved_change_of_pose(table):
    episode = demonstration(table, 0, Perturbation(share=0.0))
    reached = integrate(episode.state[:-1, :6], episode.actions[:-1, :6], episode.spec)
    unclipped = np.abs(episode.actions[:-1, :6]).max(axis=1) < 1.0
    assert unclipped.mean() > 0.5
    moved = np.angle(np.exp(1j * (reached - episode.state[1:, :6])[unclipped, 3:]))
    np.testing.assert_allclose(reached[unclipped, :3], episode.state[1:, :3][unclipped], atol=1e-12)
    np.testing.assert_allclose(moved, 0.0, atol=1e-12)
    # The command of step t is what the state shows as the last command at t + 1.
    np.testing.assert_array_equal(episode.actions[:-1, 6], episode.state[1:, 14])


def test_an_undisturbed_demonstration_has_one_sentence_over_all_frames(table):
    episode = demonstration(table, 1, Perturbation(share=0.0))
    (span,) = episode.language
    assert (span.first, span.last) == (0, len(episode) - 1)
    assert span.task == "move_slider_left"
    assert span.sentence in TRAINING["move_slider_left"]
    np.testing.assert_array_equal(episode.frame_index, 50 + np.arange(len(episode)))


def test_bursts_carry_no_sentence(table):
    calm = demonstration(table, 2, Perturbation(share=0.0))
    disturbed = demonstration(table, 2, Perturbation(share=1.0, probability=0.2, strength=0.5))
    covered = sum(span.last - span.first + 1 for span in disturbed.language)
    assert covered < len(disturbed)
    assert len(disturbed) > len(calm)
    assert len({span.sentence for span in disturbed.language}) == 1


def test_the_same_seed_gives_the_same_demonstration(table):
    first, again = (demonstration(table, 3, Perturbation()) for _ in range(2))
    np.testing.assert_array_equal(first.state, again.state)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert first.language == again.language


def test_clean_stretches_are_maximal_settled_and_long_enough():
    rng = np.random.default_rng(0)
    for _ in range(200):
        disturbed = rng.random(rng.integers(1, 60)) < rng.choice([0.0, 0.05, 0.2, 1.0])
        usable = [not disturbed[max(0, t - SETTLE) : t + 1].any() for t in range(len(disturbed))]
        stretches = clean_stretches(disturbed.copy())
        for first, last in stretches:
            assert last - first + 1 >= MIN_SPAN
            assert all(usable[first : last + 1])
            assert first == 0 or not usable[first - 1]
            assert last == len(disturbed) - 1 or not usable[last + 1]
        inside = {t for first, last in stretches for t in range(first, last + 1)}
        runs = "".join("x" if t in inside else "o" if good else "." for t, good in enumerate(usable))
        assert "o" * MIN_SPAN not in runs
