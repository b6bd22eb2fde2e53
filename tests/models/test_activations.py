"""QuickGELU as a SiLU: the same numbers, less kept for the gradient."""

import pytest
import torch
from torch import nn
from transformers.activations import GELUActivation, QuickGELUActivation

from vlasync.models.activations import QuickGELU, use_silu


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_values_and_gradients_are_those_of_the_product(dtype, error):
    plain, inputs = QuickGELUActivation(), torch.linspace(-30, 30, 601, dtype=torch.float64)
    exact, found = inputs.clone().requires_grad_(), inputs.to(dtype).requires_grad_()
    expected, values = plain(exact), QuickGELU()(found)
    assert values.dtype == dtype
    torch.testing.assert_close(values.double(), expected, rtol=error, atol=error)
    expected.sum().backward()
    values.sum().backward()
    torch.testing.assert_close(found.grad.double(), exact.grad, rtol=error, atol=error)


def test_one_tensor_is_kept_for_the_gradient_where_the_product_keeps_two():
    def kept(activation):
        storages = set()
        inputs = torch.randn(4, 8, requires_grad=True) * 1  # no leaf, as what a linear layer gives
        with torch.autograd.graph.saved_tensors_hooks(lambda t: storages.add(t.untyped_storage().data_ptr()) or t, id):
            output = activation(inputs)
        return len(storages), output

    assert kept(QuickGELUActivation())[0] == 2
    assert kept(QuickGELU())[0] == 1


def test_only_quickgelus_are_changed():
    model = nn.Sequential(nn.Linear(2, 2), QuickGELUActivation(), GELUActivation())
    names = list(model.state_dict())
    use_silu(model)
    assert [type(layer) for layer in model] == [nn.Linear, QuickGELU, GELUActivation]
    assert list(model.state_dict()) == names
