"""How a VLM is computed: by which attention, with which activations kept, compiled or not.

All of it changes speed and memory, and of the numbers nothing but their rounding. The record stands apart from what
follows it (`kernels.py`), so that the help of a command that takes it does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlasync.errors import VlasyncError

Attention = Literal["auto", "eager", "sdpa"]
"""eager: matrix products and a softmax. sdpa: torch's fused attention. auto: sdpa, but eager where a CPU computes in
bfloat16, whose fused gradients take twice the time."""

Linear = Literal["auto", "torch", "onednn"]
"""Whose products in float32 linear layers on a CPU are. auto: oneDNN's where they are faster, else torch's."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How a VLM is computed.

    Attributes:
        attention: by which kernels.
        linear: by which library a CPU multiplies in linear layers in float32; oneDNN is faster where MKL, which torch
            takes, has no AVX-512.
        checkpointing: keep of every n-th layer its input alone, and compute the layer again for the backward pass: with
            1 a third more to compute for a fraction of the memory, with 2 half of either, with 0 nothing.
        compile: compile the layers with `torch.compile`, which takes minutes at the first steps.
    """

    attention: Attention = "auto"
    linear: Linear = "auto"
    checkpointing: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        if self.checkpointing < 0:
            raise VlasyncError(f"checkpointing: got {self.checkpointing}; expected 0, or n to repeat every n-th layer")


BY_DEVICE = Compute()
"""What is usual on the device at hand."""
