"""The families whose contract is tested, one entry each: what makes a tiny VLM of their real classes."""

# A table, laid out by hand: one setting a line would hide what sets a family apart.
# fmt: off

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vlasync.testing.families import Family, Token

_SIDE, _PATCH = 32, 8
_ANY_SIZE = (_SIDE, _SIDE)  # asked of families that take images of any size
# Settings of vision towers and decoders, by the names that the configs of many families share.
_VISION: dict[str, Any] = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=_SIDE,
    patch_size=_PATCH,
)
_TEXT: dict[str, Any] = dict(
    hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    head_dim=16, max_position_embeddings=1024,
)
_CLIP = _VISION | dict(model_type="clip_vision_model")
_SIGLIP = _VISION | dict(model_type="siglip_vision_model", vision_use_head=False)
_SQUARE = dict(size=dict(height=_SIDE, width=_SIDE))
_CROPPED = dict(size=dict(shortest_edge=_SIDE), crop_size=dict(height=_SIDE, width=_SIDE))
_LONGEST = dict(size=dict(longest_edge=_SIDE))
_IMAGE = Token("<image>")


def _text(model_type: str, **settings: Any) -> dict[str, Any]:
    return _TEXT | dict(model_type=model_type, **settings)


def _rotary(*sections: int, **settings: Any) -> dict[str, Any]:
    """A decoder whose rotary positions have a part for time, for height and for width."""
    rope = dict(rope_type="default", mrope_section=list(sections), rope_theta=10_000.0)
    return _TEXT | dict(rope_parameters=rope, **settings)


_LINEAR_LAYERS = dict(
    layer_types=["linear_attention", "full_attention"], linear_key_head_dim=8, linear_value_head_dim=8,
    linear_num_key_heads=2, linear_num_value_heads=2,
)
_EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, decoder_sparse_step=1)
_SLIDING = dict(sliding_window=512, layer_types=["sliding_attention", "full_attention"])
_LLAVA_COUNT = dict(patch_size=_PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1)
_WIDE, _TALL, _LARGE = [_SIDE, 2 * _SIDE], [2 * _SIDE, _SIDE], [2 * _SIDE, 2 * _SIDE]


def _llava(processor: str, images: str, tiles: list[list[int]], **config: Any) -> Family:
    grids = {"image_grid_pinpoints": tiles} if tiles else {}
    return Family(
        config=dict(vision_config=_CLIP, text_config=_text("llama"), image_token_index=_IMAGE, **grids, **config),
        processor=processor, images=images, image_settings=_CROPPED | grids, processor_settings=_LLAVA_COUNT,
    )


def _patches(processor: str, images: str, tokens: tuple[str, str, str, str], **config: Any) -> Family:
    """A family that takes images of any size as sequences of patches; tokens: start, image, end, video."""
    start, image, end, video = tokens
    return Family(
        config=dict(image_token_id=Token(image), video_token_id=Token(video), **config), processor=processor,
        images=images,
        image_settings=dict(patch_size=_PATCH, merge_size=2, size=dict(shortest_edge=256, longest_edge=1_000_000)),
        tokens=tokens, prompt=f"{start}{image}{end}", image_size=_ANY_SIZE,
    )


_QWEN_TOKENS = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
_QWEN_VISION = dict(
    depth=2, hidden_size=32, embed_dim=32, num_heads=2, intermediate_size=64, mlp_ratio=2, patch_size=_PATCH,
    out_hidden_size=32, spatial_merge_size=2, temporal_patch_size=2,
)
_QWEN_WINDOWS = _QWEN_VISION | dict(window_size=32, fullatt_block_indexes=[1])
_QWEN3_VISION = _QWEN_VISION | dict(num_position_embeddings=64)


def _qwen(processor: str, vision: dict[str, Any], text: dict[str, Any]) -> Family:
    start, _, end, _ = map(Token, _QWEN_TOKENS)
    special = dict(vision_start_token_id=start, vision_end_token_id=end)
    return _patches(
        processor, "Qwen2VLImageProcessorPil", _QWEN_TOKENS, vision_config=vision, text_config=text, **special,
    )


_GLM_TOKENS = ("<|begin_of_image|>", "<|image|>", "<|end_of_image|>", "<|video|>")
_GLM_VISION = dict(
    depth=2, hidden_size=32, num_heads=2, image_size=_SIDE, patch_size=_PATCH, intermediate_size=64,
    out_hidden_size=32,
)
_GLM_EXPERTS = dict(n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1)


def _glm(processor: str, images: str, text: dict[str, Any]) -> Family:
    start, _, end, _ = map(Token, _GLM_TOKENS)
    special = dict(image_start_token_id=start, image_end_token_id=end)
    return _patches(processor, images, _GLM_TOKENS, vision_config=_GLM_VISION, text_config=text, **special)


def _internvl(processor: str, model_type: str, placeholder: str) -> Family:
    named = dict(start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>")
    return Family(
        config=dict(
            vision_config=_VISION | dict(image_size=[_SIDE, _SIDE], patch_size=[_PATCH, _PATCH]),
            text_config=_text(model_type), image_token_id=Token("<IMG_CONTEXT>"), downsample_ratio=0.5,
        ),
        processor=processor, images="GotOcr2ImageProcessorPil", image_settings=_SQUARE,
        processor_settings=dict(image_seq_length=4),
        tokens=("<IMG_CONTEXT>", "<img>", "</img>", "<image>", "<video>"),
        names=named | dict(image_token="<IMG_CONTEXT>", video_token="<video>"), prompt=placeholder,
    )


def _deepseek(processor: str, images: str, **config: Any) -> Family:
    high = {"high_res_size": {"height": 64, "width": 64}} if config else {}
    return Family(
        config=dict(vision_config=_SIGLIP, text_config=_text("llama"), image_token_id=_IMAGE, **config),
        processor=processor, images=images, image_settings=_SQUARE | dict(min_size=14, **high),
        processor_settings=dict(num_image_tokens=16), names=dict(image_token="<image>"),
    )


def _pixtral(processor: str, patch: int, counting: dict[str, Any], text: str) -> Family:
    named = dict(image_token="<image>", image_break_token="<break>", image_end_token="<end>")
    return Family(
        config=dict(
            vision_config=_VISION | dict(model_type="pixtral", head_dim=16, image_size=64), text_config=_text(text),
            image_token_id=_IMAGE, image_token_index=_IMAGE, spatial_merge_size=2,
        ),
        processor=processor, images="PixtralImageProcessorPil", image_settings=_LONGEST | dict(patch_size=patch),
        processor_settings=counting, tokens=("<image>", "<break>", "<end>"), names=named,
    )


_IDEFICS_TOKENS = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
_IDEFICS3: dict[str, Any] = dict(
    config=dict(vision_config=_VISION, text_config=_text("llama"), image_token_id=_IMAGE, scale_factor=2),
    processor="Idefics3Processor", images="Idefics3ImageProcessorPil",
    image_settings=_LONGEST | dict(max_image_size=dict(longest_edge=_SIDE), do_image_splitting=False),
    processor_settings=dict(image_seq_len=4), tokens=_IDEFICS_TOKENS,
)
_GEMMA_TOKENS = ("<start_of_image>", "<end_of_image>", "<image>", "<audio>", "<boa>", "<eoa>", "<video>")
_LLAMA4_TOKENS = (
    "<|image|>", "<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>",
)

FAMILIES: Mapping[str, Family] = {
    "kosmos-2": Family(
        config=dict(
            vision_config=_VISION,
            text_config=dict(
                embed_dim=32, layers=2, ffn_dim=64, attention_heads=2, dropout=0.0, max_position_embeddings=512,
                attention_dropout=0.0,
            ),
            latent_query_num=4,
        ),
        processor="Kosmos2Processor", images="CLIPImageProcessorPil", image_settings=_CROPPED,
        processor_settings=dict(num_patch_index_tokens=4), prompt=None,
    ),
    "paligemma": Family(
        config=dict(
            vision_config=_SIGLIP, text_config=_text("gemma"), image_token_index=_IMAGE, projection_dim=32,
            hidden_size=32,
        ),
        processor="PaliGemmaProcessor", images="SiglipImageProcessorPil", image_settings=_SQUARE,
        image_attributes=dict(image_seq_length=16), prompt=None,
    ),
    # SmolVLM's own processor insists on num2words, for videos; Idefics3's writes the same prompt.
    "smolvlm": Family(**_IDEFICS3),
    "idefics3": Family(**_IDEFICS3),
    "idefics2": Family(
        config=dict(
            vision_config=_VISION, text_config=_text("mistral"),
            perceiver_config=dict(
                hidden_size=32, resampler_n_latents=4, resampler_depth=1, resampler_n_heads=2, resampler_head_dim=16,
                num_key_value_heads=2,
            ),
            image_token_id=_IMAGE,
        ),
        processor="Idefics2Processor", images="Idefics2ImageProcessorPil",
        image_settings=dict(size=dict(shortest_edge=_SIDE, longest_edge=_SIDE), do_image_splitting=False),
        processor_settings=dict(image_seq_len=4), tokens=_IDEFICS_TOKENS,
    ),
    "llava": _llava("LlavaProcessor", "CLIPImageProcessorPil", []),
    "vipllava": _llava("LlavaProcessor", "CLIPImageProcessorPil", [], vision_feature_layer=[-1, -2]),
    "llava_next": _llava("LlavaNextProcessor", "LlavaNextImageProcessorPil", [_WIDE, _TALL, _LARGE]),
    "llava_onevision": Family(
        config=dict(
            vision_config=_SIGLIP, text_config=_text("qwen2"), image_token_index=_IMAGE,
            video_token_index=Token("<video>"), image_grid_pinpoints=[[_SIDE, _SIDE], _WIDE, _TALL],
        ),
        processor="LlavaOnevisionProcessor", images="LlavaOnevisionImageProcessorPil",
        image_settings=_SQUARE | dict(image_grid_pinpoints=[[_SIDE, _SIDE], _WIDE, _TALL]),
        processor_settings=dict(num_image_tokens=16, vision_feature_select_strategy="full"),
        tokens=("<image>", "<video>"),
    ),
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
        "Exaone4_5_Processor", _QWEN_WINDOWS | dict(num_key_value_heads=2), _text("exaone4", **_SLIDING),
    ),
    "glm4v": _glm("Glm4vProcessor", "Glm4vImageProcessorPil", _rotary(2, 3, 3)),
    "glm4v_moe": _glm("Glm4vProcessor", "Glm4vImageProcessorPil", _rotary(1, 1, 2, **_GLM_EXPERTS)),
    "glm46v": _glm("Glm46VProcessor", "Glm46VImageProcessorPil", _rotary(2, 3, 3)),
    "glm_ocr": _glm("Glm46VProcessor", "Glm46VImageProcessorPil", _rotary(2, 3, 3)),
    "paddleocr_vl": replace(
        _patches(
            "PaddleOCRVLProcessor", "PaddleOCRVLImageProcessorPil", _QWEN_TOKENS,
            vision_config=_VISION | dict(spatial_merge_size=2), text_config=_rotary(2, 3, 3),
            vision_start_token_id=Token(_QWEN_TOKENS[0]), vision_end_token_id=Token(_QWEN_TOKENS[2]),
        ),
        names=dict(image_token="<|image_pad|>"),
    ),
    "video_llama_3": Family(
        config=dict(
            vision_config=_VISION, text_config=_text("qwen2"), image_token_id=_IMAGE, video_token_id=Token("<video>"),
        ),
        processor="VideoLlama3Processor", images="VideoLlama3ImageProcessorPil",
        image_settings=dict(patch_size=_PATCH, merge_size=1, size=dict(shortest_edge=256, longest_edge=1_000_000)),
        tokens=("<image>", "<video>"), names=dict(image_token="<image>", video_token="<video>"), image_size=_ANY_SIZE,
    ),
    "internvl": _internvl("InternVLProcessor", "qwen2", "<IMG_CONTEXT>"),
    "qianfan_ocr": _internvl("QianfanOCRProcessor", "qwen3", "<image>"),
    "gemma3": Family(
        config=dict(
            vision_config=_SIGLIP, text_config=_TEXT | dict(query_pre_attn_scalar=16, sliding_window=512),
            mm_tokens_per_image=4, image_token_index=_IMAGE, image_token_id=_IMAGE,
            boi_token_index=Token("<start_of_image>"), eoi_token_index=Token("<end_of_image>"),
        ),
        processor="Gemma3Processor", images="Gemma3ImageProcessorPil", image_settings=_SQUARE,
        processor_settings=dict(image_seq_length=4), tokens=_GEMMA_TOKENS,
        names=dict(image_token="<image>", boi_token="<start_of_image>", eoi_token="<end_of_image>"),
        prompt="<start_of_image>",
    ),
    "gemma4": Family(
        config=dict(
            vision_config=dict(
                hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=2, head_dim=16, patch_size=4, pooling_kernel_size=3, position_embedding_size=64,
            ),
            text_config=_TEXT | _SLIDING | dict(vocab_size_per_layer_input=320, hidden_size_per_layer_input=8),
            audio_config=None, image_token_id=_IMAGE, video_token_id=Token("<video>"),
            audio_token_id=Token("<audio>"), boi_token_id=Token("<start_of_image>"),
            eoi_token_id=Token("<end_of_image>"), boa_token_id=Token("<boa>"), eoa_token_index=Token("<eoa>"),
        ),
        processor="Gemma4Processor", images="Gemma4ImageProcessorPil",
        image_settings=dict(patch_size=4, max_soft_tokens=70, pooling_kernel_size=3),
        processor_settings=dict(image_seq_length=64), tokens=_GEMMA_TOKENS,
        names=dict(
            image_token="<image>", boi_token="<start_of_image>", eoi_token="<end_of_image>", audio_token="<audio>",
            boa_token="<boa>", eoa_token="<eoa>", video_token="<video>",
        ),
        audio="Gemma4AudioFeatureExtractor",
    ),
    # Pixtral's own processor needs torchvision; LLaVA's counts the same places, without row breaks.
    "mistral3": _pixtral(
        "LlavaProcessor", 2 * _PATCH, dict(patch_size=2 * _PATCH, vision_feature_select_strategy="full"), "mistral",
    ),
    "lighton_ocr": _pixtral("LightOnOcrProcessor", _PATCH, dict(patch_size=_PATCH, spatial_merge_size=2), "qwen3"),
    "aya_vision": Family(
        config=dict(
            vision_config=_SIGLIP, text_config=_text("cohere2", sliding_window=512),
            image_token_index=Token("<|IMG_PATCH|>"), image_token_id=Token("<|IMG_PATCH|>"), downsample_factor=2,
            alignment_intermediate_size=64,
        ),
        processor="AyaVisionProcessor", images="GotOcr2ImageProcessorPil", image_settings=_SQUARE,
        processor_settings=dict(patch_size=_PATCH, img_size=_SIDE, downsample_factor=2),
        tokens=("<image>", "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE", "TILE_GLOBAL"),
    ),
    "ovis2": Family(
        config=dict(
            vision_config=_VISION | dict(hidden_stride=2, num_visual_indicator_tokens=5, vocab_size=64),
            text_config=_text("qwen2"), hidden_size=32, image_token_id=Token("<IMG_ATOM>"),
        ),
        processor="Ovis2Processor", images="Ovis2ImageProcessorPil",
        image_settings=_SQUARE | dict(crop_to_patches=False), processor_settings=dict(image_seq_length=4),
        tokens=("<image>", "<IMG_ATOM>", "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
    ),
    "janus": Family(
        config=dict(
            vision_config=_VISION | dict(projection_dim=32, num_image_tokens=16, mlp_ratio=2.0),
            vq_config=dict(
                embed_dim=8, num_embeddings=16, latent_channels=8, base_channels=32, num_patches=4,
                channel_multiplier=[1], num_res_blocks=1, projection_dim=32, image_token_embed_dim=32,
            ),
            text_config=_text("llama"), image_token_id=_IMAGE,
        ),
        processor="JanusProcessor", images="JanusImageProcessorPil", image_settings=_SQUARE,
        processor_settings=dict(num_image_tokens=16), tokens=("<image>", "<begin_of_image>", "<end_of_image>"),
        names=dict(image_token="<image>", boi_token="<begin_of_image>", eoi_token="<end_of_image>"),
    ),
    "deepseek_vl": _deepseek("DeepseekVLProcessor", "DeepseekVLImageProcessorPil"),
    "deepseek_vl_hybrid": _deepseek(
        "DeepseekVLHybridProcessor", "DeepseekVLHybridImageProcessorPil",
        high_res_vision_config=dict(
            model_type="sam_vision_model", hidden_size=32, output_channels=16, num_hidden_layers=2,
            num_attention_heads=2, image_size=64, patch_size=8, window_size=4, mlp_dim=64, global_attn_indexes=[1],
        ),
    ),
    "florence2": Family(
        config=dict(
            vision_config=dict(
                depths=[1, 1], patch_size=[7, 3], patch_stride=[4, 2], patch_padding=[3, 1],
                patch_prenorm=[False, True], embed_dim=[16, 32], num_heads=[2, 2], num_groups=[2, 2], window_size=4,
                projection_dim=32,
            ),
            text_config=dict(
                d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
                encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=512,
            ),
            image_token_id=_IMAGE,
        ),
        processor="Florence2Processor", images="CLIPImageProcessorPil", image_settings=_CROPPED,
        image_attributes=dict(image_seq_length=17), names=dict(image_token="<image>"), prompt=None,
    ),
    "blip-2": Family(
        config=dict(
            vision_config=_VISION,
            qformer_config=dict(
                hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                encoder_hidden_size=32, vocab_size=10,
            ),
            text_config=dict(
                model_type="opt", hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2,
                word_embed_proj_dim=32, max_position_embeddings=256,
            ),
            num_query_tokens=4, image_token_index=_IMAGE,
        ),
        processor="Blip2Processor", images="BlipImageProcessorPil", image_settings=_SQUARE,
        processor_settings=dict(num_query_tokens=4), prompt=None,
    ),
    "lfm2_vl": Family(
        config=dict(
            vision_config=_SIGLIP | dict(model_type="siglip2_vision_model", num_patches=64),
            text_config=_text("lfm2", layer_types=["conv", "full_attention"], block_multiple_of=8),
            projector_hidden_size=32, image_token_id=_IMAGE,
        ),
        processor="Lfm2VlProcessor", images="Lfm2VlImageProcessor",
        image_settings=dict(
            do_image_splitting=False, use_thumbnail=False, encoder_patch_size=_PATCH, tile_size=_SIDE,
            min_image_tokens=4, max_image_tokens=16,
        ),
        tokens=("<image>", "<|image_start|>", "<|image_end|>", "<|img_thumbnail|>"),
        names=dict(image_token="<image>"), image_size=_ANY_SIZE, needs="torchvision",
    ),
    "cohere2_vision": Family(
        config=dict(
            vision_config=_SIGLIP, text_config=_text("cohere2", sliding_window=512), downsample_factor=2,
            alignment_intermediate_size=64, image_token_id=_IMAGE,
        ),
        processor="Cohere2VisionProcessor", images="Cohere2VisionImageProcessor",
        image_settings=_SQUARE | dict(crop_to_patches=False, patch_size=2),
        tokens=("<image>", "<boi>", "<eoi>", "<break>"),
        names=dict(image_token="<image>", boi_token="<boi>", eoi_token="<eoi>", img_line_break_token="<break>"),
        needs="torchvision",
    ),
    "llama4": Family(
        config=dict(
            vision_config=_VISION | dict(
                intermediate_size=128, vision_output_dim=32, projector_input_dim=32, projector_output_dim=32,
            ),
            text_config=_TEXT | dict(intermediate_size_mlp=64, num_local_experts=2),
            image_token_index=Token("<|patch|>"), boi_token_index=Token("<|image_start|>"),
            eoi_token_index=Token("<|image_end|>"),
        ),
        processor="Llama4Processor", images="Llama4ImageProcessor", image_settings=_SQUARE | dict(max_patches=1),
        processor_settings=dict(patch_size=_PATCH, pixel_shuffle_ratio=0.5), tokens=_LLAMA4_TOKENS,
        prompt="<|image|>", needs="torchvision",
    ),
}
"""`model_type` -> how to make the family tiny."""
