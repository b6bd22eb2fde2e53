"""The products of linear layers in float32 on a CPU, by oneDNN in place of MKL.

torch hands them to MKL, which uses AVX-512 on Intel's processors alone. On others that have it, oneDNN multiplies more
than twice as fast, within the same rounding. Products in bfloat16 are oneDNN's anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

_WORTH_A_CALL = 1 << 22
"""Multiplications from which on oneDNN gains a fifth and more, though a call of it takes 15 us longer than MKL's."""


def prefers_onednn(device: torch.device) -> bool:
    """Whether oneDNN multiplies float32 faster on `device` than torch does by itself."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    processor = torch.cpu.get_capabilities()
    return bool(processor.get("avx512_f")) and "intel" not in str(processor.get("cpu_name", "intel")).lower()


def use_onednn(model: nn.Module) -> None:
    """Let oneDNN multiply in all linear layers in float32; weights, their names and hooks stay."""
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.dtype == torch.float32:
            module.__class__ = OneDNNLinear


class OneDNNLinear(nn.Linear):
    """A linear layer whose products, and those of its gradients, are oneDNN's where they are large enough to gain."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """`[..., in]` -> `[..., out]`, float32."""
        if input.numel() * self.out_features < _WORTH_A_CALL:
            return super().forward(input)
        output: torch.Tensor = _Linear.apply(input, self.weight, self.bias)
        return output


def onednn_linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`input @ weight.T + bias` of `[..., in]` and `[out, in]`; the operator that torch's own compiler writes.

    It keeps no record for gradients.
    """
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    """`onednn_linear` with its gradients, which are products of the same kind."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        return onednn_linear(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        for_input, for_weight, for_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)  # [N, out]
        return (
            onednn_linear(gradient, weight.t()) if for_input else None,
            onednn_linear(rows.t(), input.flatten(0, -2).t()) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )
