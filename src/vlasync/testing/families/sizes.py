"""Settings that the configs of many families share, by the names that most of them use."""

# fmt: off

from __future__ import annotations

from typing import Any

from vlasync.testing.families.family import Token

SIDE, PATCH = 32, 8
"""Side of an image and of a patch, px."""

VISION: dict[str, Any] = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE,
    patch_size=PATCH,
)
TEXT: dict[str, Any] = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    head_dim=16, max_position_embeddings=1024,
)
CLIP = VISION | dict(model_type="clip_vision_model")
SIGLIP = VISION | dict(model_type="siglip_vision_model", vision_use_head=False)
SLIDING = dict(sliding_window=512, layer_types=["sliding_attention", "full_attention"])

SQUARE = dict(size=dict(height=SIDE, width=SIDE))
CROPPED = dict(size=dict(shortest_edge=SIDE), crop_size=dict(height=SIDE, width=SIDE))
LONGEST = dict(size=dict(longest_edge=SIDE))

IMAGE = Token("<image>")
GEMMA_TOKENS = ("<start_of_image>", "<end_of_image>", "<image>", "<audio>", "<boa>", "<eoa>", "<video>")


def decoder(model_type: str, **settings: Any) -> dict[str, Any]:
    """A small decoder of a model type."""
    return TEXT | dict(model_type=model_type, **settings)
