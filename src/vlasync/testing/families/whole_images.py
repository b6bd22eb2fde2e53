"""Families that take images whole, of one size, in some with tiles of them."""

# A table, laid out by hand: one setting a line would hide what sets a family apart.
# fmt: off

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlasync.testing.families.family import Family, Token
from vlasync.testing.families.sizes import (
    CLIP,
    CROPPED,
    GEMMA_TOKENS,
    IMAGE,
    LONGEST,
    PATCH,
    SIDE,
    SIGLIP,
    SQUARE,
    TEXT,
    VISION,
    decoder,
)

_LLAVA_COUNT = dict(patch_size=PATCH, vision_feature_select_strategy="default", num_additional_image_tokens=1)
_WIDE, _TALL, _LARGE = [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]
_IDEFICS_TOKENS = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
_IDEFICS3: dict[str, Any] = dict(
    config=dict(vision_config=VISION, text_config=decoder("llama"), image_token_id=IMAGE, scale_factor=2),
    processor="Idefics3Processor", images="Idefics3ImageProcessorPil",
    image_settings=LONGEST | dict(max_image_size=dict(longest_edge=SIDE), do_image_splitting=False),
    processor_settings=dict(image_seq_len=4), tokens=_IDEFICS_TOKENS,
)
_LLAMA4_TOKENS = (
    "<|image|>", "<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>",
)


def _llava(processor: str, images: str, tiles: list[list[int]], **config: Any) -> Family:
    grids = {"image_grid_pinpoints": tiles} if tiles else {}
    return Family(
        config=dict(vision_config=CLIP, text_config=decoder("llama"), image_token_index=IMAGE, **grids, **config),
        processor=processor, images=images, image_settings=CROPPED | grids, processor_settings=_LLAVA_COUNT,
    )


def _internvl(processor: str, model_type: str, placeholder: str) -> Family:
    named = dict(start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>")
    return Family(
        config=dict(
            vision_config=VISION | dict(image_size=[SIDE, SIDE], patch_size=[PATCH, PATCH]),
            text_config=decoder(model_type), image_token_id=Token("<IMG_CONTEXT>"), downsample_ratio=0.5,
        ),
        processor=processor, images="GotOcr2ImageProcessorPil", image_settings=SQUARE,
        processor_settings=dict(image_seq_length=4),
        tokens=("<IMG_CONTEXT>", "<img>", "</img>", "<image>", "<video>"),
        names=named | dict(image_token="<IMG_CONTEXT>", video_token="<video>"), prompt=placeholder,
    )


def _deepseek(processor: str, images: str, **config: Any) -> Family:
    high = {"high_res_size": {"height": 64, "width": 64}} if config else {}
    return Family(
        config=dict(vision_config=SIGLIP, text_config=decoder("llama"), image_token_id=IMAGE, **config),
        processor=processor, images=images, image_settings=SQUARE | dict(min_size=14, **high),
        processor_settings=dict(num_image_tokens=16), names=dict(image_token="<image>"),
    )


def _pixtral(processor: str, patch: int, counting: dict[str, Any], text: str) -> Family:
    named = dict(image_token="<image>", image_break_token="<break>", image_end_token="<end>")
    return Family(
        config=dict(
            vision_config=VISION | dict(model_type="pixtral", head_dim=16, image_size=64), text_config=decoder(text),
            image_token_id=IMAGE, image_token_index=IMAGE, spatial_merge_size=2,
        ),
        processor=processor, images="PixtralImageProcessorPil", image_settings=LONGEST | dict(patch_size=patch),
        processor_settings=counting, tokens=("<image>", "<break>", "<end>"), names=named,
    )


WHOLE_IMAGES: Mapping[str, Family] = {
    "kosmos-2": Family(
        config=dict(
            vision_config=VISION,
            text_config=dict(
                embed_dim=32, layers=2, ffn_dim=64, attention_heads=2, dropout=0.0, max_position_embeddings=512,
                attention_dropout=0.0,
            ),
            latent_query_num=4,
        ),
        processor="Kosmos2Processor", images="CLIPImageProcessorPil", image_settings=CROPPED,
        processor_settings=dict(num_patch_index_tokens=4), prompt=None,
    ),
    "paligemma": Family(
        config=dict(
            vision_config=SIGLIP, text_config=decoder("gemma"), image_token_index=IMAGE, projection_dim=32,
            hidden_size=32,
        ),
        processor="PaliGemmaProcessor", images="SiglipImageProcessorPil", image_settings=SQUARE,
        image_attributes=dict(image_seq_length=16), prompt=None,
    ),
    # SmolVLM's own processor insists on num2words, for videos; Idefics3's writes the same prompt.
    "smolvlm": Family(**_IDEFICS3),
    "idefics3": Family(**_IDEFICS3),
    "idefics2": Family(
        config=dict(
            vision_config=VISION, text_config=decoder("mistral"),
            perceiver_config=dict(
                hidden_size=32, resampler_n_latents=4, resampler_depth=1, resampler_n_heads=2, resampler_head_dim=16,
                num_key_value_heads=2,
            ),
            image_token_id=IMAGE,
        ),
        processor="Idefics2Processor", images="Idefics2ImageProcessorPil",
        image_settings=dict(size=dict(shortest_edge=SIDE, longest_edge=SIDE), do_image_splitting=False),
        processor_settings=dict(image_seq_len=4), tokens=_IDEFICS_TOKENS,
    ),
    "llava": _llava("LlavaProcessor", "CLIPImageProcessorPil", []),
    "vipllava": _llava("LlavaProcessor", "CLIPImageProcessorPil", [], vision_feature_layer=[-1, -2]),
    "llava_next": _llava("LlavaNextProcessor", "LlavaNextImageProcessorPil", [_WIDE, _TALL, _LARGE]),
    "llava_onevision": Family(
        config=dict(
            vision_config=SIGLIP, text_config=decoder("qwen2"), image_token_index=IMAGE,
            video_token_index=Token("<video>"), image_grid_pinpoints=[[SIDE, SIDE], _WIDE, _TALL],
        ),
        processor="LlavaOnevisionProcessor", images="LlavaOnevisionImageProcessorPil",
        image_settings=SQUARE | dict(image_grid_pinpoints=[[SIDE, SIDE], _WIDE, _TALL]),
        processor_settings=dict(num_image_tokens=16, vision_feature_select_strategy="full"),
        tokens=("<image>", "<video>"),
    ),
    "internvl": _internvl("InternVLProcessor", "qwen2", "<IMG_CONTEXT>"),
    "qianfan_ocr": _internvl("QianfanOCRProcessor", "qwen3", "<image>"),
    "gemma3": Family(
        config=dict(
            vision_config=SIGLIP, text_config=TEXT | dict(query_pre_attn_scalar=16, sliding_window=512),
            mm_tokens_per_image=4, image_token_index=IMAGE, image_token_id=IMAGE,
            boi_token_index=Token("<start_of_image>"), eoi_token_index=Token("<end_of_image>"),
        ),
        processor="Gemma3Processor", images="Gemma3ImageProcessorPil", image_settings=SQUARE,
        processor_settings=dict(image_seq_length=4), tokens=GEMMA_TOKENS,
        names=dict(image_token="<image>", boi_token="<start_of_image>", eoi_token="<end_of_image>"),
        prompt="<start_of_image>",
    ),
    # Pixtral's own processor needs torchvision; LLaVA's counts the same places, without row breaks.
    "mistral3": _pixtral(
        "LlavaProcessor", 2 * PATCH, dict(patch_size=2 * PATCH, vision_feature_select_strategy="full"), "mistral",
    ),
    "lighton_ocr": _pixtral("LightOnOcrProcessor", PATCH, dict(patch_size=PATCH, spatial_merge_size=2), "qwen3"),
    "aya_vision": Family(
        config=dict(
            vision_config=SIGLIP, text_config=decoder("cohere2", sliding_window=512),
            image_token_index=Token("<|IMG_PATCH|>"), image_token_id=Token("<|IMG_PATCH|>"), downsample_factor=2,
            alignment_intermediate_size=64,
        ),
        processor="AyaVisionProcessor", images="GotOcr2ImageProcessorPil", image_settings=SQUARE,
        processor_settings=dict(patch_size=PATCH, img_size=SIDE, downsample_factor=2),
        tokens=("<image>", "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE", "TILE_GLOBAL"),
    ),
    "ovis2": Family(
        config=dict(
            vision_config=VISION | dict(hidden_stride=2, num_visual_indicator_tokens=5, vocab_size=64),
            text_config=decoder("qwen2"), hidden_size=32, image_token_id=Token("<IMG_ATOM>"),
        ),
        processor="Ovis2Processor", images="Ovis2ImageProcessorPil",
        image_settings=SQUARE | dict(crop_to_patches=False), processor_settings=dict(image_seq_length=4),
        tokens=("<image>", "<IMG_ATOM>", "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"),
    ),
    "janus": Family(
        config=dict(
            vision_config=VISION | dict(projection_dim=32, num_image_tokens=16, mlp_ratio=2.0),
            vq_config=dict(
                embed_dim=8, num_embeddings=16, latent_channels=8, base_channels=32, num_patches=4,
                channel_multiplier=[1], num_res_blocks=1, projection_dim=32, image_token_embed_dim=32,
            ),
            text_config=decoder("llama"), image_token_id=IMAGE,
        ),
        processor="JanusProcessor", images="JanusImageProcessorPil", image_settings=SQUARE,
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
            image_token_id=IMAGE,
        ),
        processor="Florence2Processor", images="CLIPImageProcessorPil", image_settings=CROPPED,
        image_attributes=dict(image_seq_length=17), names=dict(image_token="<image>"), prompt=None,
    ),
    "blip-2": Family(
        config=dict(
            vision_config=VISION,
            qformer_config=dict(
                hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                encoder_hidden_size=32, vocab_size=10,
            ),
            text_config=dict(
                model_type="opt", hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2,
                word_embed_proj_dim=32, max_position_embeddings=256,
            ),
            num_query_tokens=4, image_token_index=IMAGE,
        ),
        processor="Blip2Processor", images="BlipImageProcessorPil", image_settings=SQUARE,
        processor_settings=dict(num_query_tokens=4), prompt=None,
    ),
    "cohere2_vision": Family(
        config=dict(
            vision_config=SIGLIP, text_config=decoder("cohere2", sliding_window=512), downsample_factor=2,
            alignment_intermediate_size=64, image_token_id=IMAGE,
        ),
        processor="Cohere2VisionProcessor", images="Cohere2VisionImageProcessor",
        image_settings=SQUARE | dict(crop_to_patches=False, patch_size=2),
        tokens=("<image>", "<boi>", "<eoi>", "<break>"),
        names=dict(image_token="<image>", boi_token="<boi>", eoi_token="<eoi>", img_line_break_token="<break>"),
        needs="torchvision",
    ),
    "llama4": Family(
        config=dict(
            vision_config=VISION | dict(
                intermediate_size=128, vision_output_dim=32, projector_input_dim=32, projector_output_dim=32,
            ),
            text_config=TEXT | dict(intermediate_size_mlp=64, num_local_experts=2),
            image_token_index=Token("<|patch|>"), boi_token_index=Token("<|image_start|>"),
            eoi_token_index=Token("<|image_end|>"),
        ),
        processor="Llama4Processor", images="Llama4ImageProcessor", image_settings=SQUARE | dict(max_patches=1),
        processor_settings=dict(patch_size=PATCH, pixel_shuffle_ratio=0.5), tokens=_LLAMA4_TOKENS,
        prompt="<|image|>", needs="torchvision",
    ),
}
"""`model_type` -> how to make the family tiny."""
