"""Uneven clocks and wrong rates are told apart, whatever the declared rate."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_up import CLEAN, SPEC
from numpy.typing import NDArray

from vlasync.checks.clock import ClockCheck
from vlasync.checks.findings import Curves, Problem

RATES = st.sampled_from([5.0, 10.0, 15.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0])


def problems(timestamps: NDArray[np.float64] | None, rate_hz: float = 30.0) -> list[Problem]:
    check = ClockCheck()
    check.look(replace(CLEAN[0], spec=SPEC.replace(rate_hz=rate_hz), timestamps=timestamps))
    return check.problems()


def codes(timestamps: NDArray[np.float64] | None, rate_hz: float = 30.0) -> set[str]:
    return {problem.code for problem in problems(timestamps, rate_hz)}


def ticks(rate_hz: float = 30.0) -> NDArray[np.float64]:
    return np.arange(40) / rate_hz


@given(rate_hz=RATES, start=st.floats(0, 2e9), digits=st.sampled_from([3, 6, 9]))
def test_even_clocks_are_clean_wherever_they_start_and_however_they_are_rounded(
    rate_hz: float, start: float, digits: int
) -> None:
    assert codes(np.round(start + ticks(rate_hz), digits), rate_hz) == set()


def test_without_timestamps_nothing_is_claimed() -> None:
    assert codes(None) == set()


@given(declared=RATES, real=RATES)
def test_another_rate_is_named_and_nothing_else(declared: float, real: float) -> None:
    assert codes(ticks(real), declared) == ({"wrong-rate"} if declared != real else set())


def test_both_rates_are_told() -> None:
    (problem,) = problems(ticks(15.0))
    assert "15 Hz, declared are 30 Hz" in problem.message
    assert isinstance(problem.evidence, Curves)


def test_a_frame_stamped_late_is_uneven() -> None:
    late = ticks()
    late[10] += 0.015
    (problem,) = problems(late)
    assert (problem.code, problem.where) == ("time-jitter", "episode 0, after frames 9, 10")


def test_noise_is_not_taken_for_a_rate() -> None:
    noise = np.random.default_rng(0).normal(scale=0.007, size=40)
    assert codes(ticks() + noise) == {"time-jitter"}


def test_dropped_frames_are_named_as_such() -> None:
    (problem,) = problems(np.delete(np.arange(50), [5, 6, 20, 21, 22, 30, 31, 40, 41, 45]) / 30)
    assert problem.code == "time-jitter"
    assert "dropped" in problem.message


def test_doubled_and_backward_times_are_told_apart() -> None:
    doubled, backward = ticks(), ticks()
    doubled[10] = doubled[9]
    backward[10] = backward[8]
    assert {problem.message for problem in problems(doubled)} >= {"timestamps stand still: frames share one time"}
    assert "timestamps run backwards" in {problem.message for problem in problems(backward)}
    assert codes(doubled) == codes(backward) == {"time-jitter"}


def test_a_clock_that_stands_still_is_named() -> None:
    assert codes(np.zeros(40)) == {"time-jitter"}
