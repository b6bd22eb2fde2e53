"""Sets a VLM up to be computed as a `Compute` says, and halves its weights for acting."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from vlasync.errors import VlasyncError
from vlasync.models.compute import Attention, Compute
from vlasync.models.flops import recomputing
from vlasync.models.vlm import VLM


def set_up(vlm: VLM, compute: Compute, device: torch.device) -> Compute:
    """Compute `vlm` as it is asked for.

    Args:
        vlm: whose layers are changed in place; its weights and their names stay.
        compute: how.
        device: on which it will run.

    Returns:
        What was done, with `auto` decided.

    Raises:
        VlasyncError: the VLM has no such attention, or cannot be computed again in parts.
    """
    attention = _set_attention(vlm, compute.attention, device)
    if compute.checkpointing:
        if not vlm.model.supports_gradient_checkpointing:
            raise VlasyncError(f"{_family(vlm)} has no activation checkpointing in transformers; train without it")
        vlm.model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": _contexts})
    if compute.compile:
        # Layer by layer: all layers of a kind share one compilation, and what differs from call to call stays outside.
        for layer in vlm.model.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.compile()
    return replace(compute, attention=attention)


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


def _set_attention(vlm: VLM, wanted: Attention, device: torch.device) -> Literal["eager", "sdpa"]:
    """Switch to the attention that is wanted; `auto` is `eager` where the family has no other."""
    name = ("sdpa" if device.type == "cuda" else "eager") if wanted == "auto" else wanted
    try:
        vlm.model.set_attn_implementation(name)
    except ValueError as error:
        if wanted != "auto":
            raise VlasyncError(f"attention: got {wanted!r}, which {_family(vlm)} lacks; use 'eager'") from error
        vlm.model.set_attn_implementation("eager")
        return "eager"
    return name


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the first computation of a layer, and around the second one."""
    return nullcontext(), recomputing()


def _family(vlm: VLM) -> str:
    return str(vlm.model.config.model_type)
