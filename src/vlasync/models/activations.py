"""QuickGELU as one kernel: CLIP's activation, which stands in the vision towers of Kosmos-2, LLaVA and Qwen2-VL.

As transformers writes it, a product of x and a sigmoid, it keeps two tensors of a layer's largest size for gradients,
which then take five passes over them. As a SiLU it keeps one, and takes three.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import QuickGELUActivation

_SLOPE = 1.702
"""Of the sigmoid in x * sigmoid(1.702 x) (Hendrycks and Gimpel, Gaussian Error Linear Units, 2016)."""


def use_silu(model: nn.Module) -> None:
    """Compute all QuickGELUs of `model` by SiLU; what comes out differs by rounding alone."""
    for module in model.modules():
        if type(module) is QuickGELUActivation:
            module.__class__ = QuickGELU


class QuickGELU(QuickGELUActivation):
    """x * sigmoid(1.702 x), which is silu(1.702 x) / 1.702."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Any shape."""
        return functional.silu(_SLOPE * input).div_(_SLOPE)
