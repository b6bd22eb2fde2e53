"""Decoding inverts encoding, statistics are exact, and they refuse actions that mean something else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlasync.actions.normalization import Normalizer
from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.spec import Normalization, SyncSpec

SPEC = SyncSpec.CALVIN


def some_actions(count: int = 4000) -> np.ndarray:
    random = np.random.default_rng(0)
    actions = random.normal(size=(count, 7)) * [1, 0.5, 2, 0.3, 0.3, 0.6, 0] + 0.1
    actions[:, 4] = 0.003 * random.normal(size=count)  # a dimension that hardly moves
    actions[:, 6] = random.choice([-1.0, 1.0], count)
    return actions


def test_bounds_are_the_percentiles_whatever_the_parts() -> None:
    actions = some_actions()
    whole = Normalizer.fit([actions], spec=SPEC).normalization
    parts = Normalizer.fit(np.array_split(actions, 13), spec=SPEC).normalization
    assert whole == parts
    assert whole.count == len(actions)
    inside = (actions[:, 0] >= whole.low[0]) & (actions[:, 0] <= whole.high[0])
    assert inside.mean() == pytest.approx(0.98, abs=1e-3)


def test_gripper_and_still_dimensions_pass_unchanged() -> None:
    actions = some_actions()
    normalizer = Normalizer.fit([actions], spec=SPEC)
    assert normalizer.normalization.identity == (4, 6)
    np.testing.assert_array_equal(normalizer.encode(actions)[:, [4, 6]], actions[:, [4, 6]])


def test_encoded_numbers_fill_the_unit_range_and_stay_in_it() -> None:
    actions = some_actions()
    encoded = Normalizer.fit([actions], spec=SPEC).encode(actions)
    assert encoded[:, :4].min() == -1
    assert encoded[:, :4].max() == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from(["quantile", "min_max", "z_score", "identity"]))
def test_decode_inverts_encode_inside_the_bounds(seed: int, kind: str) -> None:
    normalizer = Normalizer.fit([some_actions(100)], spec=SPEC, kind=kind)
    encoded = np.random.default_rng(seed).uniform(-1, 1, (3, 2, 7))
    np.testing.assert_allclose(normalizer.encode(normalizer.decode(encoded)), encoded, atol=1e-12)


def test_torch_gives_what_numpy_gives() -> None:
    actions = some_actions(50)
    normalizer = Normalizer.fit([actions], spec=SPEC)
    for method in (normalizer.encode, normalizer.decode):
        np.testing.assert_array_equal(method(torch.tensor(actions)), method(actions))
    single = torch.tensor(actions, dtype=torch.float32)
    assert normalizer.encode(single).dtype == torch.float32
    assert normalizer.encode(actions.astype(np.float32)).dtype == np.float32


def test_statistics_of_other_actions_are_refused() -> None:
    normalizer = Normalizer.fit([some_actions()], spec=SPEC)
    normalizer.require_fits(SPEC.replace(rate_hz=10.0), where="checkpoint")
    with pytest.raises(SpecMismatchError, match="action_frame=tcp"):
        normalizer.require_fits(SPEC.replace(action_frame="tcp"), where="checkpoint")


@pytest.mark.parametrize(
    ("actions", "settings", "error", "message"),
    [
        ([], {}, DatasetError, "none to fit"),
        ([np.zeros((3, 6))], {}, DatasetError, r"\(3, 6\)"),
        ([np.full((3, 7), np.nan)], {}, DatasetError, "NaN"),
        ([np.zeros((3, 7))], {"low_percentile": 99, "high_percentile": 1}, VlasyncError, "99 and 1"),
        ([np.zeros((3, 7))], {"kind": "bounds"}, VlasyncError, "declared bounds"),
        ([np.zeros((3, 7))], {"min_span": 0.0}, VlasyncError, "span nothing"),
    ],
)
def test_what_cannot_be_fitted_is_one_clear_error(actions, settings, error, message) -> None:
    with pytest.raises(error, match=message):
        Normalizer.fit(actions, spec=SPEC, **settings)


def test_declared_bounds_are_the_affine_map_of_the_contract() -> None:
    bounds = Normalization(
        kind="bounds", low=(-2.0,) * 7, high=(4.0,) * 7, identity=(6,), fitted_on=SPEC.representation(), count=0
    )
    encoded = Normalizer(bounds).encode(np.array([-2.0, 4.0, 1.0, -3.0, 9.0, 2.5, 9.0]))
    np.testing.assert_allclose(encoded, [-1, 1, 0, -1, 1, 0.5, 9])
