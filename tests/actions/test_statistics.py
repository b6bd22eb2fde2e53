"""Statistics are exact and do not depend on how the actions were split, and count what they clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlasync.actions.statistics import ActionStatistics, FitSettings
from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.spec import NormalizationKind, SyncSpec

SPEC = SyncSpec.CALVIN
KINDS: list[NormalizationKind] = ["quantile", "min_max", "z_score", "bounds", "mu_law", "identity"]


def some_actions(count: int = 1000, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    actions = random.normal(size=(count, 7)) * [1, 0.5, 2, 0.3, 0.003, 0.6, 0] + 0.1
    actions[:, 6] = random.choice([-1.0, 1.0], count)
    return actions


def gathered(*parts: np.ndarray) -> ActionStatistics:
    statistics = ActionStatistics(SPEC)
    for part in parts:
        statistics.add(part)
    return statistics


@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 1000), max_size=6),
    order=st.randoms(use_true_random=False),
    kind=st.sampled_from(KINDS),
    single=st.booleans(),
)
def test_merged_parts_in_any_order_are_one_pass_bit_for_bit(seed, cuts, order, kind, single) -> None:
    actions = some_actions(seed=seed).astype(np.float32 if single else np.float64)
    settings = FitSettings(kind=kind)
    parts = [gathered(part) for part in np.split(actions, sorted(cuts))]
    order.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged.normalization(settings) == gathered(actions).normalization(settings)


def test_statistics_are_those_of_numpy() -> None:
    actions = some_actions()
    statistics = gathered(*np.array_split(actions, 3))
    for percentiles in [(1.0, 99.0), (0.0, 100.0), (12.5, 40.0)]:
        found = statistics.normalization(FitSettings(percentiles=percentiles))
        np.testing.assert_array_equal([found.low, found.high], np.percentile(actions, percentiles, axis=0))
    z_score = statistics.normalization(FitSettings(kind="z_score"))
    np.testing.assert_allclose([z_score.low, z_score.high], [actions.mean(0), actions.std(0)], rtol=1e-12)
    min_max = statistics.normalization(FitSettings(kind="min_max"))
    np.testing.assert_array_equal([min_max.low, min_max.high], [actions.min(0), actions.max(0)])


def test_single_precision_costs_no_digits() -> None:
    actions = some_actions().astype(np.float32)
    for kind in KINDS:
        settings = FitSettings(kind=kind)
        assert gathered(actions).normalization(settings) == gathered(actions.astype(float)).normalization(settings)


def test_a_reader_may_fill_its_buffer_again() -> None:
    actions, buffer, statistics = some_actions(20), np.empty((10, 7)), ActionStatistics(SPEC)
    for half in np.split(actions, 2):
        buffer[:] = half
        statistics.add(buffer)
    settings = FitSettings(kind="min_max")
    assert statistics.normalization(settings) == gathered(actions).normalization(settings)


def test_the_clipped_share_is_counted_in_every_kind() -> None:
    actions = np.zeros((100, 7))
    actions[:, 0] = np.linspace(-1, 1, 100)
    actions[:5, 1], actions[:, 6] = 2.0, 3.0
    statistics = gathered(actions)
    share = {kind: statistics.normalization(FitSettings(kind=kind)).clipped_share for kind in KINDS}
    assert share["bounds"] == (0.36, 0.05, 0, 0, 0, 0, 0)
    assert share["mu_law"] == (0, 0.05, 0, 0, 0, 0, 0)
    assert share["quantile"] == (0.02, 0, 0, 0, 0, 0, 0)
    assert share["min_max"] == share["z_score"] == share["identity"] == (0,) * 7


def test_a_bound_that_single_precision_rounds_outwards_clips_nothing() -> None:
    bound = 0.3  # the nearest float32 is larger
    actions = np.array([[-bound] * 7, [bound] * 7], np.float32)
    found = gathered(actions).normalization(FitSettings(kind="bounds", bounds=(-bound, bound)))
    assert found.clipped_share == (0,) * 7


def test_declared_bounds_may_differ_between_dimensions() -> None:
    low, high = (-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0), 8.0
    found = gathered(some_actions()).normalization(FitSettings(kind="bounds", bounds=(low, high)))
    assert found.low == low
    assert found.high == (high,) * 7
    assert found.identity == (6,)  # nothing was fitted, so nothing can be too small


def test_any_number_of_dimensions_with_the_gripper_anywhere() -> None:
    actions = np.random.default_rng(0).normal(size=(4, 50, 9))
    assert gathered(actions).normalization(FitSettings()).identity == (8,)
    assert gathered(actions).normalization(FitSettings(gripper_index=2)).identity == (2,)
    assert gathered(actions).count == 200


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ([], DatasetError, "none to fit"),
        ([np.zeros((0, 7))], DatasetError, "none to fit"),
        ([np.zeros(7)], DatasetError, r"\(7,\).*\[N, D\]"),
        ([np.zeros((3, 7)), np.zeros((3, 6))], DatasetError, r"\(3, 6\).*\[N, 7\]"),
        ([np.full((3, 7), np.nan)], DatasetError, "NaN"),
        ([np.full((3, 7), np.inf)], DatasetError, "infinite"),
    ],
)
def test_actions_that_cannot_be_fitted_are_one_clear_error(parts, error, message: str) -> None:
    with pytest.raises(error, match=message):
        gathered(*parts).normalization(FitSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "percentile"}, "'percentile'; give one of quantile"),
        ({"percentiles": (99, 1)}, "99 and 1"),
        ({"min_span": 0.0}, "spans nothing"),
        ({"bounds": (-1.0, 1.0)}, "own bounds"),
        ({"kind": "bounds", "bounds": (1.0, -1.0)}, "low < high"),
        ({"kind": "bounds", "bounds": ((-1.0,) * 6, 1.0)}, "one number or 7"),
        ({"gripper_index": 7}, "7 dimensions"),
    ],
)
def test_impossible_settings_are_one_clear_error(settings, message: str) -> None:
    with pytest.raises(VlasyncError, match=message):
        gathered(some_actions(10)).normalization(FitSettings(**settings))


def test_statistics_of_other_actions_do_not_merge() -> None:
    other = ActionStatistics(SPEC.replace(action_frame="tcp"))
    with pytest.raises(SpecMismatchError, match="action_frame=tcp"):
        gathered(some_actions(10)).merge(other)
    with pytest.raises(DatasetError, match=r"\[6, 7\]"):
        gathered(some_actions(10)).merge(gathered(np.zeros((3, 6))))
