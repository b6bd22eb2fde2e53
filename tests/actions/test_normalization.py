"""Decoding inverts encoding, numpy and torch agree, and a normaliser refuses actions that mean something else."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlasync.actions.normalization import Normalizer
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.spec import Normalization, NormalizationKind, SyncSpec

SPEC = SyncSpec.CALVIN
KINDS: list[NormalizationKind] = ["quantile", "min_max", "z_score", "bounds", "mu_law", "identity"]


def some_actions(count: int = 4000) -> np.ndarray:
    random = np.random.default_rng(0)
    actions = random.normal(size=(count, 7)) * [1, 0.5, 2, 0.3, 0.3, 0.6, 0] + 0.1
    actions[:, 4] = 0.003 * random.normal(size=count)  # a dimension that hardly moves
    actions[:, 6] = random.choice([-1.0, 1.0], count)
    return actions


def declared(kind: NormalizationKind, low: float | np.ndarray, high: float | np.ndarray) -> Normalizer:
    return Normalizer(
        Normalization(
            kind=kind,
            low=tuple(np.full(7, low).tolist()),
            high=tuple(np.full(7, high).tolist()),
            identity=(6,),
            fitted_on=SPEC.representation(),
            count=0,
        )
    )


@pytest.fixture(scope="session")
def golden(shared_data):
    return np.load(shared_data / "golden" / "robovlms" / "actions.npz")


def test_bounds_are_the_percentiles_whatever_the_parts() -> None:
    actions = some_actions()
    whole = Normalizer.fit([actions], spec=SPEC).normalization
    parts = Normalizer.fit(np.array_split(actions, 13), spec=SPEC).normalization
    assert whole == parts
    assert whole.count == len(actions)
    inside = (actions[:, 0] >= whole.low[0]) & (actions[:, 0] <= whole.high[0])
    assert inside.mean() == pytest.approx(0.98, abs=1e-3)


@pytest.mark.parametrize("kind", ["quantile", "min_max", "z_score", "identity"])
def test_gripper_and_still_dimensions_pass_unchanged(kind: NormalizationKind) -> None:
    actions = some_actions()
    normalizer = Normalizer.fit([actions], spec=SPEC, kind=kind)
    assert normalizer.normalization.identity == ((6,) if kind == "identity" else (4, 6))
    for method in (normalizer.encode, normalizer.decode):
        np.testing.assert_array_equal(method(actions)[:, [4, 6]], actions[:, [4, 6]])


def test_encoded_numbers_fill_the_unit_range_and_stay_in_it() -> None:
    actions = some_actions()
    encoded = Normalizer.fit([actions], spec=SPEC).encode(actions)
    assert encoded[:, :4].min() == -1
    assert encoded[:, :4].max() == 1


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    shape=st.lists(st.integers(1, 3), max_size=4),
    single=st.booleans(),
)
def test_decode_inverts_encode_inside_the_bounds(seed, kind, shape, single) -> None:
    normalizer = Normalizer.fit([some_actions(100)], spec=SPEC, kind=kind)
    encoded = np.random.default_rng(seed).uniform(-1, 1, (*shape, 7)).astype(np.float32 if single else np.float64)
    tolerance = 2e-6 if single else 1e-12
    np.testing.assert_allclose(normalizer.encode(normalizer.decode(encoded)), encoded, atol=tolerance)
    tensor = torch.tensor(encoded)
    np.testing.assert_allclose(normalizer.encode(normalizer.decode(tensor)), encoded, atol=tolerance)
    assert normalizer.encode(normalizer.decode(tensor)).dtype == tensor.dtype


@pytest.mark.parametrize("kind", KINDS)
def test_torch_gives_what_numpy_gives(kind: NormalizationKind) -> None:
    actions = some_actions(50)
    normalizer = Normalizer.fit([actions], spec=SPEC, kind=kind)
    for method in (normalizer.encode, normalizer.decode):
        np.testing.assert_allclose(method(torch.tensor(actions)), method(actions), rtol=1e-14, atol=1e-15)
        assert method(torch.tensor(actions, dtype=torch.float32)).dtype == torch.float32
        assert method(actions.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_match_finite_differences(kind: NormalizationKind) -> None:
    normalizer = Normalizer.fit([some_actions(100)], spec=SPEC, kind=kind)
    inside = torch.linspace(-0.5, 0.5, 35, dtype=torch.float64).reshape(5, 7).requires_grad_()
    assert torch.autograd.gradcheck(normalizer.decode, (inside,))
    assert torch.autograd.gradcheck(normalizer.encode, (normalizer.decode(inside).detach().requires_grad_(),))


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_the_mu_law_has_its_slope_at_zero(name: str) -> None:
    method = getattr(declared("mu_law", -0.5, 0.5), name)
    zero = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    method(zero).sum().backward()
    step = torch.full((7,), 1e-9, dtype=torch.float64)
    np.testing.assert_allclose(zero.grad, (method(step) - method(-step)) / (2 * step), rtol=1e-5)


def test_a_large_gripper_logit_leaves_the_gradients_of_a_mu_law_finite() -> None:
    encoded = torch.zeros(7, requires_grad=True)
    declared("mu_law", -1.0, 1.0).decode(encoded + torch.tensor([0.0] * 6 + [1000.0])).sum().backward()
    assert torch.isfinite(encoded.grad).all()


@given(st.lists(st.integers(0, 500), max_size=5), st.sampled_from(KINDS))
def test_merged_normalizers_are_one_fit_over_everything(cuts: list[int], kind: NormalizationKind) -> None:
    actions = some_actions(500)
    parts = [part for part in np.split(actions, sorted(cuts)) if len(part)]
    merged, *rest = (Normalizer.fit([part], spec=SPEC, kind=kind) for part in parts)
    for part in rest:
        merged = merged.merge(part)
    assert merged.normalization == Normalizer.fit([actions], spec=SPEC, kind=kind).normalization


def test_a_normalizer_without_its_actions_or_of_others_does_not_merge() -> None:
    fitted = Normalizer.fit([some_actions(10)], spec=SPEC)
    spec = SyncSpec.from_json(SPEC.replace(normalization=fitted.normalization).to_json())
    read = Normalizer(spec.normalization)
    assert read.normalization == fitted.normalization
    for ours, theirs in [(fitted, read), (read, fitted)]:
        with pytest.raises(VlasyncError, match="has bounds but no actions"):
            ours.merge(theirs)
    with pytest.raises(VlasyncError, match="different settings"):
        fitted.merge(Normalizer.fit([some_actions(10)], spec=SPEC, kind="min_max"))
    with pytest.raises(SpecMismatchError, match="action_frame=tcp"):
        fitted.merge(Normalizer.fit([some_actions(10)], spec=SPEC.replace(action_frame="tcp")))


def test_statistics_of_other_actions_are_refused() -> None:
    normalizer = Normalizer.fit([some_actions()], spec=SPEC)
    normalizer.require_fits(SPEC.replace(rate_hz=10.0), where="checkpoint")
    with pytest.raises(SpecMismatchError, match="action_frame=tcp"):
        normalizer.require_fits(SPEC.replace(action_frame="tcp"), where="checkpoint")


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_the_share_of_clipped_values_is_told_per_dimension(make) -> None:
    normalizer = declared("bounds", -0.65, 0.65)
    actions = make([[[0.65, 0.66, -0.7, 0, 0, 0, 1], [0, 0, 3, 0, 0, 0, -1]]])
    np.testing.assert_array_equal(normalizer.clipped_share(actions), [0, 0.5, 1, 0, 0, 0, 0])
    fitted = Normalizer.fit([some_actions()], spec=SPEC)
    np.testing.assert_array_equal(fitted.clipped_share(some_actions()), fitted.normalization.clipped_share)
    with pytest.raises(VlasyncError, match="no values"):
        normalizer.clipped_share(np.zeros((0, 7)))


@pytest.mark.parametrize("wrong", [np.zeros((3, 6)), np.zeros((3, 1)), np.zeros((3, 7), int), torch.zeros(7).long()])
def test_actions_of_another_size_or_type_are_refused(wrong) -> None:
    normalizer = declared("bounds", -0.65, 0.65)
    for method in (normalizer.encode, normalizer.decode, normalizer.clipped_share):
        with pytest.raises(VlasyncError, match=r"expected floating point of shape \[..., 7\]"):
            method(wrong)


def test_a_record_that_cannot_be_applied_is_refused() -> None:
    record = declared("bounds", -1.0, 1.0).normalization
    with pytest.raises(VlasyncError, match=r"\[0, 1, 2, 3, 4, 5\] span nothing"):
        declared("bounds", 1.0, 1.0)
    with pytest.raises(VlasyncError, match="same dimensions"):
        Normalizer(dataclasses.replace(record, high=(1.0,) * 6))
    with pytest.raises(VlasyncError, match="same dimensions"):
        Normalizer(dataclasses.replace(record, identity=(7,)))


def test_declared_bounds_are_the_affine_map_of_the_contract() -> None:
    encoded = declared("bounds", -2.0, 4.0).encode(np.array([-2.0, 4.0, 1.0, -3.0, 9.0, 2.5, 9.0]))
    np.testing.assert_allclose(encoded, [-1, 1, 0, -1, 1, 0.5, 9])


def test_bounds_reproduce_the_golden_numbers(golden) -> None:
    """With the gripper kept: the `F` variant scales it too, so that its labels are right only by their sign."""
    actions = golden["norm_in"]
    normalizer = Normalizer.fit([actions], spec=SPEC, kind="bounds")
    encoded = normalizer.encode(actions)
    np.testing.assert_allclose(encoded, golden["normalize_T"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(normalizer.decode(encoded), golden["unnormalize_T"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(encoded[:, :6], golden["normalize_F"][:, :6], rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        normalizer.decode(actions)[:, :6], golden["unnormalize_of_raw_in_F"][:, :6], rtol=0, atol=1e-15
    )
    single = normalizer.encode(torch.tensor(actions, dtype=torch.float32))
    np.testing.assert_allclose(single, golden["normalize_torchf32_T"], rtol=0, atol=3e-7)


@pytest.mark.parametrize("variant", ["vec_T", "mat_T", "vec_F", "mat_F"])
def test_mu_law_reproduces_the_golden_numbers(golden, variant: str) -> None:
    """All variants agree, for the curve leaves a gripper of +-1 where it is."""
    normalizer = Normalizer.fit([golden["mu_in"]], spec=SPEC, kind="mu_law")
    encoded = normalizer.encode(golden["mu_in"])
    np.testing.assert_allclose(encoded, golden[f"mu_{variant}"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(normalizer.decode(encoded), golden[f"mu_inv_{variant}"], rtol=0, atol=2e-15)


@pytest.mark.parametrize("variant", ["vec_T", "mat_T", "vec_F", "mat_F"])
def test_z_score_reproduces_the_golden_numbers(golden, variant: str) -> None:
    """The reference divides by `std + 1e-6`, declared here as the standard deviation.

    Given all frames as one matrix ("mat") it scales the gripper with the rest, though asked to keep it, so that its
    labels are no longer +-1. That is a defect and not reproduced: there the pose alone agrees.
    """
    normalizer = declared("z_score", golden["reg_mean"], golden["reg_std"] + 1e-6)
    encoded = normalizer.encode(golden["mu_in"])
    kept = slice(None) if variant == "vec_T" else slice(6)
    np.testing.assert_allclose(encoded[:, kept], golden[f"reg_{variant}"][:, kept], rtol=0, atol=1e-14)
    if variant.startswith("vec"):
        np.testing.assert_allclose(normalizer.decode(encoded), golden[f"unreg_{variant}"], rtol=0, atol=1e-14)
