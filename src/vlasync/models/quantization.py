"""Linear layers in 4 bits, for QLoRA: what does not train takes an eighth of the memory.

NormalFloat4 with quantised scales, as in QLoRA (Dettmers et al., arXiv 2305.14314), through bitsandbytes.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from torch import nn

from vlasync.errors import VlasyncError


def quantize(model: nn.Module) -> None:
    """Put every linear layer of a model into 4 bits, in place; its weights no longer train.

    Raises:
        VlasyncError: bitsandbytes is not installed.
    """
    bitsandbytes = _bitsandbytes()
    for name, layer in _linear_layers(model):
        small = bitsandbytes.nn.Linear4bit(
            layer.in_features, layer.out_features, bias=False, quant_type="nf4", device="meta"
        )
        small.weight = bitsandbytes.nn.Params4bit(layer.weight.detach(), requires_grad=False, quant_type="nf4")
        small.bias = layer.bias
        # On CPUs with AVX-512 the layer would be packed anew for acting, which computes otherwise than training did.
        small.support_avx512bf16_for_cpu = False
        model.set_submodule(name, small.to(layer.weight.device))  # moving it quantises it


def dequantize(model: nn.Module) -> None:
    """Give back float32 weights to the layers in 4 bits, in place: they compute what they computed before."""
    for name, layer in _linear_layers(model):
        state = getattr(layer.weight, "quant_state", None)
        if state is not None:
            plain = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
            weight = _bitsandbytes().functional.dequantize_4bit(layer.weight.detach(), state)
            plain.weight, plain.bias = nn.Parameter(weight.float()), layer.bias
            model.set_submodule(name, plain)


def _linear_layers(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _bitsandbytes() -> ModuleType:
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise VlasyncError(
            "tuning mode 'qlora': bitsandbytes is not installed; pip install 'vlasync[qlora]', or use mode 'lora'"
        ) from error
