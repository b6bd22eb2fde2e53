"""Families that take images of any size, as sequences of patches with their grid or positions."""

# A table, laid out by hand: one setting a line would hide what sets a family apart.
# fmt: off

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vlasync.testing.families.family import Family, Token
from vlasync.testing.families.sizes import (
    GEMMA_TOKENS,
    IMAGE,
    PATCH,
    SIDE,
    SIGLIP,
    SLIDING,
    SQUARE,
    TEXT,
    VISION,
    decoder,
)

_ANY_SIZE = (SIDE, SIDE)

_LINEAR_LAYERS = dict(
    layer_types=["linear_attention", "full_attention"], linear_key_head_dim=8, linear_value_head_dim=8,
    linear_num_key_heads=2, linear_num_value_heads=2,
)
_EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, decoder_sparse_step=1)

_QWEN_TOKENS = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
_QWEN_VISION = dict(
    depth=2, hidden_size=32, embed_dim=32, num_heads=2, intermediate_size=64, mlp_ratio=2, patch_size=PATCH,
    out_hidden_size=32, spatial_merge_size=2, temporal_patch_size=2,
)
_QWEN_WINDOWS = _QWEN_VISION | dict(window_size=32, fullatt_block_indexes=[1])
_QWEN3_VISION = _QWEN_VISION | dict(num_position_embeddings=64)

_GLM_TOKENS = ("<|begin_of_image|>", "<|image|>", "<|end_of_image|>", "<|video|>")
_GLM_VISION = dict(
    depth=2, hidden_size=32, num_heads=2, image_size=SIDE, patch_size=PATCH, intermediate_size=64,
    out_hidden_size=32,
)
_GLM_EXPERTS = dict(n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1)

_MOLMO_TOKENS = (
    "<|image|>", "<im_patch>", "<im_start>", "<im_end>", "<low_res_im_start>", "<im_col>", "<frame_start>",
    "<frame_end>",
)


def _rotary(*sections: int, **settings: Any) -> dict[str, Any]:
    """A decoder whose rotary positions have a part for time, for height and for width."""
    rope = dict(rope_type="default", mrope_section=list(sections), rope_theta=10_000.0)
    return TEXT | dict(rope_parameters=rope, **settings)


def _patches(processor: str, images: str, tokens: tuple[str, str, str, str], **config: Any) -> Family:
    """A family that takes images of any size as sequences of patches; tokens: start, image, end, video."""
    start, image, end, video = tokens
    return Family(
        config=dict(image_token_id=Token(image), video_token_id=Token(video), **config), processor=processor,
        images=images,
        image_settings=dict(patch_size=PATCH, merge_size=2, size=dict(shortest_edge=256, longest_edge=1_000_000)),
        tokens=tokens, prompt=f"{start}{image}{end}", image_size=_ANY_SIZE,
    )


def _qwen(processor: str, vision: dict[str, Any], text: dict[str, Any]) -> Family:
    start, _, end, _ = map(Token, _QWEN_TOKENS)
    special = dict(vision_start_token_id=start, vision_end_token_id=end)
    return _patches(
        processor, "Qwen2VLImageProcessorPil", _QWEN_TOKENS, vision_config=vision, text_config=text, **special,
    )


def _glm(processor: str, images: str, text: dict[str, Any]) -> Family:
    start, _, end, _ = map(Token, _GLM_TOKENS)
    special = dict(image_start_token_id=start, image_end_token_id=end)
    return _patches(processor, images, _GLM_TOKENS, vision_config=_GLM_VISION, text_config=text, **special)


PATCHES: Mapping[str, Family] = {
    "qwen2_vl": _qwen("Qwen2VLProcessor", _QWEN_VISION, _rotary(2, 3, 3)),
    "qwen2_5_vl": _qwen("Qwen2_5_VLProcessor", _QWEN_WINDOWS, _rotary(2, 3, 3)),
    "qwen3_vl": _qwen("Qwen3VLProcessor", _QWEN3_VISION | dict(deepstack_visual_indexes=[0]), _rotary(4, 2, 2)),
    "qwen3_vl_moe": _qwen(
        "Qwen3VLProcessor", _QWEN3_VISION | dict(deepstack_visual_indexes=[0]), _rotary(4, 2, 2, **_EXPERTS),
    ),
    "qwen3_5": _qwen("Qwen3VLProcessor", _QWEN3_VISION, _rotary(4, 2, 2, **_LINEAR_LAYERS)),
    "qwen3_5_moe": _qwen(
        "Qwen3VLProcessor", _QWEN3_VISION,
        _rotary(4, 2, 2, **_LINEAR_LAYERS, **_EXPERTS, shared_expert_intermediate_size=32),
    ),
    "exaone4_5": _qwen(
        "Exaone4_5_Processor", _QWEN_WINDOWS | dict(num_key_value_heads=2), decoder("exaone4", **SLIDING),
    ),
    "glm4v": _glm("Glm4vProcessor", "Glm4vImageProcessorPil", _rotary(2, 3, 3)),
    "glm4v_moe": _glm("Glm4vProcessor", "Glm4vImageProcessorPil", _rotary(1, 1, 2, **_GLM_EXPERTS)),
    "glm46v": _glm("Glm46VProcessor", "Glm46VImageProcessorPil", _rotary(2, 3, 3)),
    "glm_ocr": _glm("Glm46VProcessor", "Glm46VImageProcessorPil", _rotary(2, 3, 3)),
    "paddleocr_vl": replace(
        _patches(
            "PaddleOCRVLProcessor", "PaddleOCRVLImageProcessorPil", _QWEN_TOKENS,
            vision_config=VISION | dict(spatial_merge_size=2), text_config=_rotary(2, 3, 3),
            vision_start_token_id=Token(_QWEN_TOKENS[0]), vision_end_token_id=Token(_QWEN_TOKENS[2]),
        ),
        names=dict(image_token="<|image_pad|>"),
    ),
    "video_llama_3": Family(
        config=dict(
            vision_config=VISION, text_config=decoder("qwen2"), image_token_id=IMAGE, video_token_id=Token("<video>"),
        ),
        processor="VideoLlama3Processor", images="VideoLlama3ImageProcessorPil",
        image_settings=dict(patch_size=PATCH, merge_size=1, size=dict(shortest_edge=256, longest_edge=1_000_000)),
        tokens=("<image>", "<video>"), names=dict(image_token="<image>", video_token="<video>"), image_size=_ANY_SIZE,
    ),
    "gemma4": Family(
        config=dict(
            vision_config=dict(
                hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=2, head_dim=16, patch_size=4, pooling_kernel_size=3, position_embedding_size=64,
            ),
            text_config=TEXT | SLIDING | dict(vocab_size_per_layer_input=320, hidden_size_per_layer_input=8),
            audio_config=None, image_token_id=IMAGE, video_token_id=Token("<video>"),
            audio_token_id=Token("<audio>"), boi_token_id=Token("<start_of_image>"),
            eoi_token_id=Token("<end_of_image>"), boa_token_id=Token("<boa>"), eoa_token_index=Token("<eoa>"),
        ),
        processor="Gemma4Processor", images="Gemma4ImageProcessorPil",
        image_settings=dict(patch_size=4, max_soft_tokens=70, pooling_kernel_size=3),
        processor_settings=dict(image_seq_length=64), tokens=GEMMA_TOKENS,
        names=dict(
            image_token="<image>", boi_token="<start_of_image>", eoi_token="<end_of_image>", audio_token="<audio>",
            boa_token="<boa>", eoa_token="<eoa>", video_token="<video>",
        ),
        audio="Gemma4AudioFeatureExtractor",
    ),
    "lfm2_vl": Family(
        config=dict(
            vision_config=SIGLIP | dict(model_type="siglip2_vision_model", num_patches=64),
            text_config=decoder("lfm2", layer_types=["conv", "full_attention"], block_multiple_of=8),
            projector_hidden_size=32, image_token_id=IMAGE,
        ),
        processor="Lfm2VlProcessor", images="Lfm2VlImageProcessor",
        image_settings=dict(
            do_image_splitting=False, use_thumbnail=False, encoder_patch_size=PATCH, tile_size=SIDE,
            min_image_tokens=4, max_image_tokens=16,
        ),
        tokens=("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>"),
        names=dict(image_token="<image>"), image_size=_ANY_SIZE, needs="torchvision",
    ),
    "molmo2": Family(
        config=dict(
            vision_config=VISION | dict(
                image_size=[SIDE, SIDE], num_key_value_heads=2, head_dim=16, num_position_embeddings=16,
            ),
            adapter_config=dict(
                vision_feature_layer=[-1], hidden_size=32, num_attention_heads=2, num_key_value_heads=2, head_dim=16,
                intermediate_size=64, text_hidden_size=32,
            ),
            text_config=TEXT | dict(additional_vocab_size=16), image_patch_id=Token("<im_patch>"),
            image_start_token_id=Token("<im_start>"), image_end_token_id=Token("<im_end>"),
            low_res_image_start_token_id=Token("<low_res_im_start>"), frame_start_token_id=Token("<frame_start>"),
            frame_end_token_id=Token("<frame_end>"),
        ),
        processor="Molmo2Processor", images="Molmo2ImageProcessor",
        image_settings=SQUARE | dict(max_crops=1, overlap_margins=[1, 1], patch_size=PATCH, pooling_size=[2, 2]),
        tokens=_MOLMO_TOKENS, prompt="<|image|>", image_size=_ANY_SIZE, needs="torchvision",
    ),
}
"""`model_type` -> how to make the family tiny."""
