"""Tiny VLMs with random weights, built in code: the real architectures and processors, but small enough for a CPU.

`build_tiny_vlm` writes a folder that transformers' Auto classes load by path, just as they load a downloaded model, so
everything behind it runs the code that a real VLM runs. Nothing is fetched from anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    GemmaConfig,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    Kosmos2Config,
    Kosmos2ForConditionalGeneration,
    Kosmos2Processor,
    LlamaConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    SiglipImageProcessorPil,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.image_utils import PILImageResampling

from vlasync.errors import VlasyncError
from vlasync.models.quiet import quiet_transformers

Family = Literal["smolvlm", "paligemma", "kosmos2"]

# What SmolVLM-Instruct's template does for one user turn, without its system message.
_SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<image>{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True, kw_only=True)
class TinySize:
    """How small: the numbers that set speed and capacity of a tiny VLM.

    Attributes:
        image_size: side of the square image that the vision tower receives, px.
        patch_size: side of a patch, px; must divide `image_size`.
        hidden: width of vision tower and decoder.
        vision_layers: transformer layers of the vision tower.
        text_layers: transformer layers of the decoder.
        heads: attention heads of both.
        expansion: width of the feed-forward layers as a multiple of `hidden`.
        pixel_shuffle: SmolVLM only, side of the square of patches that become one image token.
        latent_queries: Kosmos-2 only, image tokens per image.
        vocabulary: largest size of the trained text vocabulary (special tokens come on top).
    """

    image_size: int
    patch_size: int
    hidden: int = 128
    vision_layers: int = 2
    text_layers: int = 2
    heads: int = 4
    expansion: int = 4
    pixel_shuffle: int = 2
    latent_queries: int = 8
    vocabulary: int = 512

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise VlasyncError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        if self.hidden % self.heads:
            raise VlasyncError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")
        if self.grid % self.pixel_shuffle:
            raise VlasyncError(f"{self.grid} patches a side do not divide into pixel_shuffle {self.pixel_shuffle}")

    @property
    def grid(self) -> int:
        """Patches along a side of the image."""
        return self.image_size // self.patch_size

    @property
    def weight_std(self) -> float:
        """Standard deviation of the random weights: a layer then keeps the scale of what passes through it.

        The families' default of 0.02 is that of models some 2500 wide; at width 128 it takes so long to grow out of it
        that short runs learn nothing from images.
        """
        return self.hidden**-0.5


def build_tiny_vlm(family: Family, folder: Path, *, corpus: Sequence[str], size: TinySize, seed: int = 0) -> Path:
    """Write a randomly initialised VLM with its processor to `folder`; equal arguments give equal files.

    Args:
        family: which architecture.
        folder: where the model goes; created if needed.
        corpus: sentences that the tokenizer is trained on; any other text still has tokens, byte by byte.
        size: the dimensions.
        seed: of the weights; the global random state is left as it was.

    Returns:
        `folder`, loadable by `AutoProcessor` and `AutoModelForImageTextToText`.
    """
    if family not in _BUILDERS:
        raise VlasyncError(f"unknown tiny VLM {family!r}; there are {', '.join(get_args(Family))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = _BUILDERS[family](corpus, size)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def train_tokenizer(
    corpus: Sequence[str], vocabulary: int, special: Sequence[str], **names: Any
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on a few sentences.

    Args:
        corpus: the sentences; any other text still has tokens, byte by byte.
        vocabulary: largest number of ordinary tokens.
        special: special tokens; their ids follow their order, from 0.
        names: which of them are `pad_token`, `unk_token`, ..., as transformers' tokenizers take them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary + len(special),
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The template's words are in every prompt: as whole tokens they cost two places, letter by letter thirteen.
    tokenizer.train_from_iterator([*corpus, *["User:", "Assistant:"] * (1 + len(corpus))], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="right", **names)


def _build_smolvlm(corpus: Sequence[str], size: TinySize) -> tuple[PreTrainedModel, ProcessorMixin]:
    """SmolVLM: SigLIP patches, pixel shuffle, Llama decoder.

    The processor is Idefics3's, which writes the same prompt: SmolVLM's own insists on a video processor and with it on
    torchvision and num2words, which still images do not need.
    """
    special = ["<unk>", "<|im_start|>", "<|im_end|>", "<image>", "<fake_token_around_image>", "<global-img>"]
    special += ["<end_of_utterance>"]
    tokenizer = train_tokenizer(
        corpus, size.vocabulary, special, unk_token="<unk>", bos_token="<|im_start|>", pad_token="<|im_end|>"
    )
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": size.image_size},
        max_image_size={"longest_edge": size.image_size},
        do_image_splitting=False,
        resample=PILImageResampling.BILINEAR,
    )
    tokens_per_image = (size.grid // size.pixel_shuffle) ** 2
    processor = Idefics3Processor(images, tokenizer, image_seq_len=tokens_per_image, chat_template=_SMOLVLM_TEMPLATE)
    config = SmolVLMConfig(
        vision_config=_siglip(size),
        text_config=LlamaConfig(**_decoder(size, tokenizer), tie_word_embeddings=True).to_dict(),
        image_token_id=special.index("<image>"),
        scale_factor=size.pixel_shuffle,
        tie_word_embeddings=True,
    )
    return SmolVLMForConditionalGeneration(config), processor


def _build_paligemma(corpus: Sequence[str], size: TinySize) -> tuple[PreTrainedModel, ProcessorMixin]:
    """PaliGemma: SigLIP patches, linear projector, Gemma decoder with a bidirectional prefix."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<image>"]
    tokenizer = train_tokenizer(
        corpus,
        size.vocabulary,
        special,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    images: Any = SiglipImageProcessorPil(
        size={"height": size.image_size, "width": size.image_size}, resample=PILImageResampling.BILINEAR
    )
    images.image_seq_length = size.grid**2  # PaliGemma's processor asks for it, SigLIP's does not declare it
    processor = PaliGemmaProcessor(images, tokenizer)
    decoder = _decoder(size, tokenizer)
    config = PaliGemmaConfig(
        vision_config={**_siglip(size), "model_type": "siglip_vision_model", "vision_use_head": False},
        text_config=GemmaConfig(**decoder, head_dim=size.hidden // size.heads).to_dict(),
        image_token_index=special.index("<image>"),
        vocab_size=decoder["vocab_size"],
        projection_dim=size.hidden,
        hidden_size=size.hidden,
    )
    return PaliGemmaForConditionalGeneration(config), processor


def _build_kosmos2(corpus: Sequence[str], size: TinySize) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Kosmos-2: CLIP patches, latent queries, decoder with sinusoidal positions."""
    # `<unk>` stands right before a run of ordinary ids: the processor writes image places as the ids that follow it.
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = train_tokenizer(
        corpus, size.vocabulary, special, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    images = CLIPImageProcessorPil(
        size={"shortest_edge": size.image_size},
        crop_size={"height": size.image_size, "width": size.image_size},
        resample=PILImageResampling.BILINEAR,
    )
    processor = Kosmos2Processor(images, tokenizer, num_patch_index_tokens=4)
    config = Kosmos2Config(
        vision_config=_siglip(size),
        text_config={
            "vocab_size": len(tokenizer),
            "embed_dim": size.hidden,
            "layers": size.text_layers,
            "ffn_dim": size.expansion * size.hidden,
            "attention_heads": size.heads,
            "max_position_embeddings": 512,
            "init_std": size.weight_std,
            "dropout": 0.0,
            "attention_dropout": 0.0,
        },
        latent_query_num=size.latent_queries,
    )
    return Kosmos2ForConditionalGeneration(config), processor


def _siglip(size: TinySize) -> dict[str, Any]:
    """Vision tower settings, in the names that SigLIP's and CLIP's configs share."""
    return {
        "hidden_size": size.hidden,
        "intermediate_size": size.expansion * size.hidden,
        "num_hidden_layers": size.vision_layers,
        "num_attention_heads": size.heads,
        "image_size": size.image_size,
        "patch_size": size.patch_size,
        "initializer_range": size.weight_std,
    }


def _decoder(size: TinySize, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Decoder settings, in the names that Llama's and Gemma's configs share."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": size.expansion * size.hidden,
        "num_hidden_layers": size.text_layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": 1024,
        "initializer_range": size.weight_std,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


_BUILDERS: dict[str, Callable[[Sequence[str], TinySize], tuple[PreTrainedModel, ProcessorMixin]]] = {
    "smolvlm": _build_smolvlm,
    "paligemma": _build_paligemma,
    "kosmos2": _build_kosmos2,
}
