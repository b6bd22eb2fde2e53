"""Sets a VLM up to be computed as a `Compute` says, and halves its weights for acting."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from vlasync.errors import VlasyncError
from vlasync.models.activations import use_silu
from vlasync.models.allocation import keep_freed_memory
from vlasync.models.compute import Attention, Compute
from vlasync.models.flops import recomputing
from vlasync.models.products import prefers_onednn, use_onednn
from vlasync.models.vlm import VLM


def set_up(vlm: VLM, compute: Compute, device: torch.device, *, half: bool) -> Compute:
    """Compute `vlm` as it is asked for; once, before its weights are shared or halved.

    Args:
        vlm: whose layers are changed in place; its weights and their names stay.
        compute: how.
        device: on which it will run; a CPU's process then keeps the memory that it frees.
        half: whether products are in bfloat16.

    Returns:
        What was done, with `auto` decided.

    Raises:
        VlasyncError: the VLM has no such attention, cannot be computed again in parts, or its linear layers are not
            oneDNN's to compute.
    """
    if device.type == "cpu":
        keep_freed_memory()
    attention = _set_attention(vlm, compute.attention, fused=device.type == "cuda" or not half)
    linear = _choose_linear(compute, device, half=half)
    if linear == "onednn":
        use_onednn(vlm.model)
    use_silu(vlm.model)
    if compute.checkpointing:
        if not vlm.model.supports_gradient_checkpointing:
            raise VlasyncError(f"{_family(vlm)} has no activation checkpointing in transformers; train without it")
        how = {"use_reentrant": False, "context_fn": _contexts}
        vlm.model.activation_checkpointing_enable(how, every_n_layers=compute.checkpointing)
    if compute.compile:
        # Layer by layer: all layers of a kind share one compilation, and what differs from call to call stays outside.
        for layer in vlm.model.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.compile()
    return replace(compute, attention=attention, linear=linear)


def halve_weights(vlm: VLM) -> None:
    """Keep the weights of a VLM's linear layers in bfloat16, for acting under autocast without casting at each step.

    What comes out is bit for bit what autocast makes of weights in float32. All else stays as it is; so does the first
    parameter, off which transformers reads the dtype that it brings images to.
    """
    first = next(vlm.model.parameters())
    for module in vlm.model.modules():
        if isinstance(module, nn.Linear) and module.weight is not first:
            module.to(torch.bfloat16)


def has_half_weights(vlm: VLM) -> bool:
    """Whether `halve_weights` was here."""
    return any(parameter.dtype == torch.bfloat16 for parameter in vlm.model.parameters())


def _set_attention(vlm: VLM, wanted: Attention, *, fused: bool) -> Literal["eager", "sdpa"]:
    """Switch to the attention that is wanted; `auto` is `eager` where the family has no other, or fused is no gain."""
    name = ("sdpa" if fused else "eager") if wanted == "auto" else wanted
    try:
        vlm.model.set_attn_implementation(name)
    except ValueError as error:
        if wanted != "auto":
            raise VlasyncError(f"attention: got {wanted!r}, which {_family(vlm)} lacks; use 'eager'") from error
        vlm.model.set_attn_implementation("eager")
        return "eager"
    return name


def _choose_linear(compute: Compute, device: torch.device, *, half: bool) -> Literal["torch", "onednn"]:
    """Whose products those of linear layers are to be; compiled layers keep torch's, which the compiler follows."""
    possible = device.type == "cpu" and not half and not compute.compile and torch.backends.mkldnn.is_available()
    if compute.linear == "auto":
        return "onednn" if possible and prefers_onednn(device) else "torch"
    if compute.linear == "onednn" and not possible:
        raise VlasyncError(
            "linear: got 'onednn', which multiplies in float32 on a CPU, and not in compiled layers; use 'torch'"
        )
    return compute.linear


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the first computation of a layer, and around the second one."""
    return nullcontext(), recomputing()


def _family(vlm: VLM) -> str:
    return str(vlm.model.config.model_type)
