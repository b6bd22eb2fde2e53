"""Floating point operations: those that a step takes, and those that a device does in a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vlasync.models.products import onednn_linear, prefers_onednn

_active: list[FlopCount] = []
"""Counts that are going on; no context variable, since a GPU's backward pass runs in a thread of its own."""


def _linear_flops(input: torch.Tensor, weight: torch.Tensor, *_: Any, out_val: torch.Tensor, **__: Any) -> int:
    return 2 * out_val.numel() * weight.shape[-1]


_FORMULAS: Mapping[Any, Callable[..., int]] = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        flop_registry[torch.ops.aten._scaled_dot_product_flash_attention]
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        flop_registry[torch.ops.aten._scaled_dot_product_flash_attention_backward]
    ),
    **({torch.ops.mkldnn._linear_pointwise: _linear_flops} if torch.backends.mkldnn.is_available() else {}),
}
"""Torch's registry with a CPU's kernels that it lacks."""


class FlopCount(TorchDispatchMode):
    """Floating point operations of matrix products, convolutions and attention while it is entered.

    These are nearly all of a VLA's. What activation checkpointing computes a second time is told apart, as in the model
    FLOPs of PaLM (arXiv 2204.02311, appendix B); recurrent networks are left out, since torch's registry has none.
    torch's own `FlopCounterMode` takes some operations apart, and so changes the last bits of gradients; this does not.

    Attributes:
        done: operations so far.
        recomputed: those of them that were done a second time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.recomputed = 0

    @property
    def needed(self) -> int:
        """Operations so far, each once."""
        return self.done - self.recomputed

    def __enter__(self) -> FlopCount:
        _active.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        _active.remove(self)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what would have been done, and count it."""
        out = func(*args, **(kwargs or {}))
        if (formula := _FORMULAS.get(func.overloadpacket)) is not None:
            self.done += formula(*args, **(kwargs or {}), out_val=out)
        return out


@contextmanager
def recomputing() -> Iterator[None]:
    """What is computed while this lasts has been computed before."""
    before = [count.done for count in _active]
    try:
        yield
    finally:
        for count, then in zip(_active, before, strict=True):
            count.recomputed += count.done - then


@cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating point operations a second of a square matrix product on this device: the best of five.

    Measured, and not read from a data sheet, since few devices reach theirs, no CPU has one, and a CPU's share of a
    machine differs from process to process. The utilisation that comes of it is thus higher than that of papers, by the
    sheet's number over this one.

    Args:
        device: where.
        dtype: of the factors.
    """
    side = 8192 if device.type == "cuda" else 1024  # enough to fill a GPU; 20 ms of a CPU core
    # Neither zeros, for which a GPU needs less power and runs faster, nor random, which would move the generators.
    factor = torch.linspace(-1.0, 1.0, side * side, device=device).sin().view(side, side).to(dtype)
    multiply = onednn_linear if dtype == torch.float32 and prefers_onednn(device) else torch.matmul
    seconds = []
    for _ in range(6):
        _wait(device)
        started = time.perf_counter()
        _ = multiply(factor, factor)
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2.0 * side**3 / min(seconds[1:])


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
