"""RoboVLMs' names of weights, and where each of them lies in a VLA."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from vlasync.compat.robovlms.heads import is_constant
from vlasync.errors import CheckpointError
from vlasync.models.vla import VLA

_WRAPPERS = ("module.", "model.")
"""What DeepSpeed, distributed training and Lightning put before each name."""

_PARTS = {"backbone.": "vlm.model.", "act_head.": "head."}

_VOCABULARY = "backbone.text_model.lm_head.weight"
"""Kosmos-2's logits over the vocabulary, which the original computes and discards; they share the text embedding."""

_ACTION_TOKEN, _TOKENS = "action_token", "tokens.embeddings"


def load_weights(vla: VLA, weights: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Put a whole RoboVLMs model into a VLA, every weight of it.

    Args:
        vla: takes the weights.
        weights: by RoboVLMs' names, whatever wrapped them.
        source: where they come from, for messages.

    Raises:
        CheckpointError: weights are missing, left over or of another shape; the message lists them.
    """
    ours = {name: tuple(value.shape) for name, value in vla.state_dict().items()}
    given = weights_by_our_names(weights)
    if _TOKENS in given:
        given[_TOKENS] = given[_TOKENS].expand(ours[_TOKENS])  # one token, repeated `latent` times
    theirs = {name: tuple(value.shape) for name, value in given.items()}
    _require_equal(ours, theirs, source)
    vla.load_state_dict(given)


def weights_by_our_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a RoboVLMs model has, or what is said of it weight by weight, by the names of a VLA.

    The logits over the vocabulary and the constants of GPT-2 are left out, which a VLA does not have.
    """
    named = {_unwrapped(name): value for name, value in weights.items()}
    return {_our_name(name): value for name, value in named.items() if name != _VOCABULARY and not is_constant(name)}


def _unwrapped(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.split(".", 1)[1]
    return name


def _our_name(name: str) -> str:
    if name == _ACTION_TOKEN:
        return _TOKENS
    for theirs, ours in _PARTS.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def _require_equal(ours: dict[str, tuple[int, ...]], theirs: dict[str, tuple[int, ...]], source: str) -> None:
    missing, unexpected = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
    shapes = [
        f"{name} {theirs[name]} instead of {ours[name]}"
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] != theirs[name]
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    if found := [f"{len(names)} {kind}: {', '.join(names)}" for kind, names in kinds.items() if names]:
        raise CheckpointError(
            f"{source}: the weights are not those of the model that the config describes; " + "; ".join(found)
        )
