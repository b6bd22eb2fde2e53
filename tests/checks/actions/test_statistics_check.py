"""A policy's normalisation statistics against the actions that it is used on."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import CLEAN, SPEC

from vlasync.actions.frames import convert
from vlasync.actions.normalization import Normalizer
from vlasync.checks.actions.statistics import StatisticsCheck
from vlasync.spec import NormalizationKind, SyncSpec

TCP = SPEC.replace(action_frame="tcp", rotation="rotvec", rotation_composition="right", action_clip=None)


def policy(spec: SyncSpec, kind: NormalizationKind = "quantile", faster: float = 1.0) -> SyncSpec:
    """The SyncSpec of a policy trained on the clean demonstrations in the convention of `spec`."""
    actions = (convert(episode.actions, episode.state, SPEC, spec) * ([faster] * 6 + [1]) for episode in CLEAN)
    return spec.replace(normalization=Normalizer.fit(actions, spec=spec, kind=kind).normalization)


def codes(spec: SyncSpec) -> list[str]:
    first, second = StatisticsCheck(spec), StatisticsCheck(spec)
    for number, episode in enumerate(CLEAN):
        (first if number < 4 else second).look(episode)
    first.merge(second)
    return [problem.code for problem in first.problems()]


@pytest.mark.parametrize("kind", ["quantile", "min_max", "z_score"])
@pytest.mark.parametrize("spec", [SPEC, TCP])
def test_statistics_of_these_actions_fit_in_any_representation(spec: SyncSpec, kind: NormalizationKind) -> None:
    assert codes(policy(spec, kind)) == []


@pytest.mark.parametrize("kind", ["quantile", "min_max", "z_score"])
@pytest.mark.parametrize("faster", [2.0, 0.5])
def test_statistics_of_a_faster_or_slower_robot_are_named(kind: NormalizationKind, faster: float) -> None:
    assert codes(policy(SPEC, kind, faster)) == ["statistics-mismatch"]


def test_statistics_fitted_under_another_representation_are_named_with_the_fields() -> None:
    fitted = policy(TCP).normalization
    check = StatisticsCheck(SPEC.replace(normalization=fitted))
    (problem,) = check.problems()
    assert "action_frame tcp instead of world" in problem.message


def test_a_few_frames_say_nothing() -> None:
    check = StatisticsCheck(policy(SPEC, faster=2.0))
    check.look(CLEAN[0])
    assert check.problems() == []
    assert check.inferred() == {}


def test_ratio_of_spans_is_that_of_the_speeds() -> None:
    check = StatisticsCheck(policy(SPEC, faster=2.0))
    for episode in CLEAN:
        check.look(replace(episode, state=np.array(episode.state)))
    assert check.inferred()["statistics_span_ratio"] == pytest.approx(0.5, abs=0.03)
