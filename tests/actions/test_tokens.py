"""Bins lie on the vocabulary as in RoboVLMs, and encoding inverts decoding to bin centres."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from vlasync.actions.tokens import ActionTokenizer
from vlasync.errors import VlasyncError


@st.composite
def tokenizers(draw: st.DrawFn) -> ActionTokenizer:
    bins, special, spare = draw(st.integers(2, 300)), draw(st.integers(0, 20)), draw(st.integers(0, 1000))
    low = draw(st.floats(-10, 10))
    return ActionTokenizer(bins + special + 10 + spare, special, bins, low, low + draw(st.floats(0.01, 10)))


@pytest.mark.parametrize(("name", "bound"), [("pm1", 1.0), ("pm065", 0.65)])
def test_ids_and_centres_are_the_golden_numbers(shared_data, name: str, bound: float) -> None:
    golden = np.load(shared_data / "golden" / "robovlms" / "actions.npz")
    tokenizer = ActionTokenizer(1000, 4, bins=256, low=-bound, high=bound)
    ids = tokenizer.encode(golden[f"tok_{name}_in"])
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(ids, golden[f"tok_{name}_ids"])
    np.testing.assert_allclose(tokenizer.decode(ids), golden[f"tok_{name}_dec"], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(np.array(tokenizer.ids), golden[f"tok_{name}_allids"])
    np.testing.assert_allclose(
        tokenizer.decode(golden[f"tok_{name}_allids"]), golden[f"tok_{name}_alldec"], rtol=0, atol=1e-15
    )


def test_ends_of_the_range_have_the_ends_of_the_ids() -> None:
    tokenizer = ActionTokenizer(1000, 4)
    assert tokenizer.ids == range(730, 986)
    assert tokenizer.encode(np.array([-1.0, 1.0, -np.inf, np.inf])).tolist() == [985, 730, 985, 730]
    assert tokenizer.decode(np.array([730])) == tokenizer.decode(np.array([731]))


@given(tokenizers())
def test_encoding_inverts_decoding(tokenizer: ActionTokenizer) -> None:
    ids = np.array(tokenizer.ids)
    again = tokenizer.encode(tokenizer.decode(ids))
    np.testing.assert_array_equal(again[1:], ids[1:])
    assert again[0] == ids[1]  # the id of `high` itself decodes to the centre of the last bin
    np.testing.assert_array_equal(tokenizer.decode(again), tokenizer.decode(ids))


@given(tokenizers(), npst.arrays(np.float64, npst.array_shapes(max_dims=4), elements=st.floats(-0.2, 1.2)))
def test_a_number_returns_within_half_a_bin_and_in_torch_alike(tokenizer: ActionTokenizer, parts: np.ndarray) -> None:
    low, high = tokenizer.edges[[0, -1]]
    numbers = low + parts * (high - low)
    ids = tokenizer.encode(numbers)
    assert ids.shape == numbers.shape
    half_bin = (high - low) / (len(tokenizer.edges) - 1) / 2
    assert np.abs(tokenizer.decode(ids) - numbers.clip(low, high)).max() <= half_bin * (1 + 1e-9)
    tensor_ids = tokenizer.encode(torch.tensor(numbers))
    assert tensor_ids.dtype == torch.int64
    np.testing.assert_array_equal(tensor_ids, ids)
    np.testing.assert_allclose(tokenizer.decode(tensor_ids), tokenizer.decode(ids), rtol=1e-6, atol=1e-6)


def test_single_precision_gets_the_ids_of_the_same_numbers() -> None:
    tokenizer = ActionTokenizer(1000, 4, low=-0.65, high=0.65)
    # Edges are rounded to either side; numbers outside are clipped to the bounds, not to their roundings.
    numbers = np.concatenate([tokenizer.edges, [-2.0, 2.0]]).astype(np.float32)
    expected = tokenizer.encode(numbers.astype(np.float64))
    np.testing.assert_array_equal(tokenizer.encode(numbers), expected)
    np.testing.assert_array_equal(tokenizer.encode(torch.tensor(numbers)), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((265, 0), "at most 255"),
        ((1000, 4, 1), "1 bins"),
        ((1000, -1), "-1 special"),
        ((1000, 4, 256, 1.0, 1.0), "1.0 and 1.0"),
        ((1000, 4, 256, -1.0, float("inf")), "finite"),
    ],
)
def test_impossible_sizes_are_one_clear_error(arguments, message: str) -> None:
    with pytest.raises(VlasyncError, match=message):
        ActionTokenizer(*arguments)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("ids", "message"), [([729], "730 to 985"), ([[740, 986]], "1 of 2 .* 986"), ([740.0], "float"), ([True], "bool")]
)
def test_ids_that_mean_no_bin_are_refused(make, ids, message: str) -> None:
    with pytest.raises(VlasyncError, match=message):
        ActionTokenizer(1000, 4).decode(make(ids))


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_missing_numbers_have_no_id(make) -> None:
    with pytest.raises(VlasyncError, match="NaN"):
        ActionTokenizer(1000, 4).encode(make([0.0, float("nan")]))
