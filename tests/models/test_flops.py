"""Floating point operations are counted right, and counting leaves no trace."""

import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.compute import Compute
from vlasync.models.flops import FlopCount, peak_flops
from vlasync.models.kernels import set_up
from vlasync.models.products import OneDNNLinear
from vlasync.models.vla import VLA, VLAConfig, build_vla

CPU = torch.device("cpu")


@pytest.fixture
def vla(tiny_folders, spec) -> VLA:
    return build_vla(tiny_folders["smolvlm"], VLAConfig(window_size=2, chunk_size=3), spec).train()


def gradients(vla: VLA, batch) -> tuple[FlopCount, dict[str, torch.Tensor]]:
    vla.zero_grad()
    torch.manual_seed(0)
    with FlopCount() as count:
        vla.loss(batch).total.backward()
    return count, {name: weight.grad for name, weight in vla.named_parameters() if weight.grad is not None}


def test_a_product_takes_two_operations_per_pair_and_its_gradients_twice_as_many():
    left, right = torch.ones(3, 5, requires_grad=True), torch.ones(5, 7, requires_grad=True)
    with FlopCount() as count:
        product = left @ right
        assert count.done == 2 * 3 * 5 * 7
        product.sum().backward()
    assert count.done == 3 * 2 * 3 * 5 * 7
    left @ right
    assert count.needed == count.done == 3 * 2 * 3 * 5 * 7


def test_fused_attention_counts_as_its_products():
    query = torch.rand(1, 2, 4, 8)
    with FlopCount() as fused:
        torch.nn.functional.scaled_dot_product_attention(query, query, query)
    with FlopCount() as plain:
        (query @ query.transpose(-1, -2)).softmax(-1) @ query
    assert fused.done == plain.done


def test_onednns_products_count_as_torchs():
    layer, rows = OneDNNLinear(256, 256), torch.ones(64, 256)
    with FlopCount() as count:
        layer(rows).sum().backward()
    assert count.done == 2 * 2 * 64 * 256 * 256  # none for the gradient of the rows, which ask for none


def test_counting_changes_no_bit_of_a_gradient(vla, make_batch):
    batch = make_batch(2, 2, 3)
    _, counted = gradients(vla, batch)
    vla.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    vla.loss(batch).total.backward()
    for name, weight in vla.named_parameters():
        assert weight.grad is None or torch.equal(weight.grad, counted[name]), name


def test_what_checkpointing_repeats_is_told_apart(vla, make_batch):
    batch = make_batch(2, 2, 3)
    plain, expected = gradients(vla, batch)
    done = [plain.done]
    for every in (2, 1):
        set_up(vla.vlm, Compute(checkpointing=every), CPU, half=True)
        repeated, found = gradients(vla, batch)
        done.append(repeated.done)
        assert repeated.needed == plain.needed == plain.done
        assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())
    none, half, all_layers = done
    assert none < half < all_layers


def test_a_negative_share_of_repeated_layers_is_refused():
    with pytest.raises(VlasyncError, match="checkpointing: got -1"):
        Compute(checkpointing=-1)


def test_a_device_does_some_operations_in_a_second_and_they_leave_the_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert peak_flops(CPU, torch.float32) > 1e7
    assert torch.equal(torch.rand(1), expected)
