"""Image motion is measured rightly, follows the hand in the model, and gives away a lag of one frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift

from vlasync.checks.alignment import aligned
from vlasync.checks.images.flow import CENTRE, affine_flow
from vlasync.checks.images.flow_model import LAGS, FlowModel
from vlasync.checks.images.lag import CLAIMED_LAGS, DECISIVE, FEW, LagEvidence, would_show
from vlasync.checks.images.views import TURNED, UPRIGHT, View

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(7, 6))


def motion(length: int, seed: int) -> np.ndarray:
    """A hand that speeds up and slows down: `[length, 7]`."""
    rough = np.random.default_rng(seed).normal(size=(length, 7))
    return gaussian_filter(rough, sigma=(1.5, 0)) * 2


def flow_of(moved: np.ndarray, seed: int) -> np.ndarray:
    return moved @ WEIGHTS + 0.3 * np.random.default_rng(seed).normal(size=(len(moved), 6))


MOTIONS = [motion(60, seed) for seed in range(12)]
FLOWS = [flow_of(moved, 100 + seed) for seed, moved in enumerate(MOTIONS)]
MODEL = FlowModel.fit(FLOWS, MOTIONS)


def late(number: int, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """An episode whose images come `lag` frames late."""
    return aligned(FLOWS[number], MOTIONS[number], -lag)


def evidence(episodes: list[tuple[np.ndarray, np.ndarray]], first: int = 0) -> LagEvidence:
    gathered = LagEvidence("static", episodes=len(FLOWS))
    for number, (flow, moved) in enumerate(episodes):
        gathered.look(f"episode {first + number}", MODEL, flow, moved)
    return gathered


@given(right=st.floats(-1.0, 1.0), down=st.floats(-1.0, 1.0))
def test_flow_is_the_shift_of_the_image(right: float, down: float) -> None:
    texture = gaussian_filter(np.random.default_rng(1).uniform(0, 255, (48, 48)), 2.5) * 4
    moved = shift(texture, (down, right), order=3, mode="nearest")
    pair = np.stack([np.stack([image[8:40, 8:40]] * 3) for image in (texture, moved)]).astype(np.float32)
    flow = affine_flow(pair)[0, CENTRE]
    np.testing.assert_allclose(flow, (right, down), atol=0.12 + 0.15 * float(np.hypot(right, down)))


@pytest.mark.parametrize("view", TURNED, ids=lambda view: view.name)
def test_a_turned_image_has_the_flow_with_other_signs(view: View) -> None:
    texture = gaussian_filter(RANDOM.uniform(0, 255, (5, 3, 40, 36)), (0, 0, 2, 2)).astype(np.float32) * 4
    np.testing.assert_allclose(affine_flow(view.apply(texture)), affine_flow(texture) * view.signs(), atol=1e-3)
    np.testing.assert_array_equal(view.apply(view.apply(texture)), texture)
    assert view ^ view == UPRIGHT


def test_the_model_finds_the_weights_among_a_few_broken_frames() -> None:
    broken = [np.array(flow) for flow in FLOWS]
    for flow in broken:
        flow[5:8] = 30.0
        flow[20] = np.nan
    model = FlowModel.fit(broken, MOTIONS)
    np.testing.assert_allclose(model.weights, WEIGHTS, atol=0.15)
    assert model.explained > 0.8


@pytest.mark.parametrize("memory", [0.0, 0.4, 0.8])
def test_the_model_finds_how_long_what_is_left_over_stays(memory: float) -> None:
    def lasting(shape: tuple[int, ...]) -> np.ndarray:
        rest = RANDOM.normal(size=shape)
        for t in range(1, len(rest)):
            rest[t] += memory * rest[t - 1]
        return rest

    model = FlowModel.fit([moved @ WEIGHTS + lasting((60, 6)) for moved in MOTIONS], MOTIONS)
    assert model.memory == pytest.approx(memory, abs=0.12)


def test_noise_is_not_explained() -> None:
    noise = [RANDOM.normal(size=flow.shape) for flow in FLOWS]
    assert FlowModel.fit(noise, MOTIONS).explained < 0.2


@pytest.mark.parametrize("lag", LAGS)
def test_the_lag_of_all_episodes_is_told_once(lag: int) -> None:
    problems = evidence([late(number, lag) for number in range(len(FLOWS))]).problems()
    assert len(problems) == (lag != 0)
    for problem in problems:
        assert (problem.code, problem.where) == ("image-lag", "all episodes, static")
        assert f"{abs(lag)} frame(s) {'late' if lag > 0 else 'early'}" in problem.message
        assert problem.confidence > 0.9
        assert problem.evidence is not None


@pytest.mark.parametrize("lag", [lag for lag in LAGS if lag])
def test_one_late_episode_is_named(lag: int) -> None:
    (problem,) = evidence([late(number, lag if number == 7 else 0) for number in range(len(FLOWS))]).problems()
    assert problem.where == "episode 7, static"
    assert f"{abs(lag)} frame(s) {'late' if lag > 0 else 'early'}" in problem.message


def leaning(monkeypatch: pytest.MonkeyPatch, *, late: int, of: int, asked: int) -> LagEvidence:
    """Of so many episodes the first ones say of their images that they are late, by twice what decides of a few."""
    gathered = LagEvidence("static", episodes=asked)
    for number in range(of):
        with monkeypatch.context() as patched:
            if number < late:
                patched.setattr(FlowModel, "gains", lambda *_: {lag: 2 * DECISIVE * (lag == 1) for lag in LAGS})
            gathered.look(f"episode {number}", MODEL, FLOWS[number % 2], MOTIONS[number % 2])
    return gathered


@pytest.mark.parametrize(("asked", "count"), [(1, 1), (FEW, 1), (10_000, 0)])
def test_one_of_many_episodes_has_to_speak_more_clearly(
    monkeypatch: pytest.MonkeyPatch, asked: int, count: int
) -> None:
    gathered = leaning(monkeypatch, late=1, of=50, asked=asked)
    assert sum(problem.count for problem in gathered.problems()) == count
    assert gathered.claimed()["static"]["episodes"] == 49 + count


def test_many_that_say_the_same_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = leaning(monkeypatch, late=2, of=50, asked=10_000).problems()
    assert problem.count == 2


def test_what_is_claimed_is_found() -> None:
    claims = [would_show(MODEL, flow, moved) for flow, moved in zip(FLOWS, MOTIONS, strict=True)]
    assert sum(claims) >= 10
    for number in np.flatnonzero(claims).tolist():
        for lag in CLAIMED_LAGS:
            (problem,) = evidence([late(number, lag)], first=number).problems()
            assert f"{abs(lag)} frame(s) {'late' if lag > 0 else 'early'}" in problem.message


def test_nothing_is_claimed_of_an_arm_that_moves_evenly() -> None:
    even = np.repeat(motion(1, 5), 40, axis=0)
    gathered = LagEvidence("static", episodes=len(FLOWS))
    gathered.look("even", MODEL, flow_of(even, 1), even)
    for number in range(3):
        gathered.look(f"episode {number}", MODEL, *late(number, 0))
    assert gathered.problems() == []
    assert gathered.claimed() == {"static": {"episodes": 3, "of": 4, "not": ["even"]}}


def test_parts_give_what_the_whole_gives() -> None:
    episodes = [late(number, 2 if number in (1, 8) else 0) for number in range(len(FLOWS))]
    parts = evidence(episodes[:5])
    parts.merge(evidence(episodes[5:], first=5))
    assert parts.claimed() == evidence(episodes).claimed()
    assert [(problem.where, problem.message) for problem in parts.problems()] == [
        (problem.where, problem.message) for problem in evidence(episodes).problems()
    ]


def test_images_that_do_not_follow_the_hand_say_nothing() -> None:
    noise = [(3 * RANDOM.normal(size=flow.shape), moved) for flow, moved in zip(FLOWS, MOTIONS, strict=True)]
    assert evidence(noise).problems() == []
    unseen = [(np.full_like(flow, np.nan), moved) for flow, moved in zip(FLOWS, MOTIONS, strict=True)]
    assert evidence(unseen).problems() == []
