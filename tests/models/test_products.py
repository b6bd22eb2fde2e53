"""Linear layers compute the same by oneDNN, whatever trains of them."""

import copy

import pytest
import torch
from torch import nn

from vlasync.models import products
from vlasync.models.products import OneDNNLinear, use_onednn


@pytest.mark.parametrize("rows", [(7,), (2, 5), (1, 3, 4)])
@pytest.mark.parametrize(("bias", "trains"), [(True, True), (False, True), (True, False)])
def test_a_layer_and_its_gradients_are_torchs(rows, bias, trains, monkeypatch):
    monkeypatch.setattr(products, "_WORTH_A_CALL", 0)
    plain = nn.Linear(192, 1024, bias=bias)
    plain.weight.requires_grad_(trains)
    onednn = copy.deepcopy(plain)
    use_onednn(onednn)
    assert type(onednn) is OneDNNLinear
    inputs = torch.randn(*rows, 192)
    expected, found = (inputs.clone().requires_grad_(), inputs.clone().requires_grad_())
    for layer, read in ((plain, expected), (onednn, found)):
        layer(read).square().sum().backward()
    torch.testing.assert_close(onednn(inputs), plain(inputs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-3)
    for (name, one), (_, other) in zip(onednn.named_parameters(), plain.named_parameters(), strict=True):
        if other.grad is None:
            assert one.grad is None, name
        else:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-3)


def test_products_too_small_to_gain_stay_torchs_to_the_bit():
    layer, row = nn.Linear(8, 8), torch.randn(1, 8)
    expected = layer(row)
    use_onednn(layer)
    assert torch.equal(layer(row), expected)


def test_only_float32_layers_of_torchs_own_kind_are_changed():
    class Own(nn.Linear):
        """A layer of somebody else's."""

    model = nn.Sequential(nn.Linear(4, 4), Own(4, 4), nn.Linear(4, 4, dtype=torch.bfloat16), nn.Embedding(3, 4))
    names = [name for name, _ in model.named_parameters()]
    use_onednn(model)
    assert [type(layer) for layer in model] == [OneDNNLinear, Own, nn.Linear, nn.Embedding]
    assert [name for name, _ in model.named_parameters()] == names


def test_intels_processors_keep_mkl(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": "Intel Xeon", "avx512_f": True})
    assert not products.prefers_onednn(torch.device("cpu"))
    assert not products.prefers_onednn(torch.device("cuda"))
