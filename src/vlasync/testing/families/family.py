"""A family's tiny random VLM: what makes it, and its making."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel, PreTrainedTokenizerFast

from vlasync.models.processor import UnusedVideoProcessor, for_still_images
from vlasync.models.quiet import quiet_transformers
from vlasync.models.tiny import train_tokenizer

SENTENCES = ("open the drawer", "push the red block to the left side of the table", "lift the blue block")
"""What the tokenizers are trained on, and the instructions of the contract: of different lengths."""

_BASE_TOKENS = ("<unk>", "<s>", "</s>", "<pad>")


class Token(str):
    """A special token by its text, where a config wants its id."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How to make one family tiny.

    Attributes:
        config: settings of the family's config class; a `Token` stands for its id, and a text config is given the size
            of the vocabulary.
        processor: name of its processor class in transformers.
        images: name of its image processor class.
        image_settings: of the image processor.
        processor_settings: of the processor.
        tokens: special tokens beside the usual four.
        names: name under which the tokenizer knows a special token -> the token.
        prompt: what stands for an image in the chat template; None for a processor without a template.
        image_attributes: what the processor reads off an image processor that does not declare it.
        image_size: height and width in px, where the family takes any size.
        audio: name of its feature extractor, where the processor insists on one.
        needs: package without which transformers cannot load the processor.
    """

    config: Mapping[str, Any]
    processor: str
    images: str
    image_settings: Mapping[str, Any]
    processor_settings: Mapping[str, Any] = field(default_factory=dict)
    tokens: tuple[str, ...] = ("<image>",)
    names: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = "<image>"
    image_attributes: Mapping[str, Any] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    audio: str | None = None
    needs: str | None = None

    @property
    def available(self) -> bool:
        """Whether the packages that it needs are installed."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


def make_family(name: str, family: Family, folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny VLM with random weights and its processor to `folder`; equal arguments give equal files.

    Args:
        name: the family's `model_type`.
        family: how to make it tiny.
        folder: where the model goes; created if needed.
        seed: of the weights; the global random state is left as it was.
    """
    special = (*_BASE_TOKENS, *family.tokens)
    usual = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    named = {"extra_special_tokens": dict(family.names)} if family.names else {}
    tokenizer = train_tokenizer(SENTENCES, 300, special, **usual, **named)
    processor = _processor(family, tokenizer)  # before the config: some processors add tokens
    config = AutoConfig.for_model(name, **_with_ids(family.config, tokenizer))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(config)
        _redraw(model)
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _with_ids(settings: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The settings with ids in place of tokens, and text configs that know the tokenizer's vocabulary."""
    known = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }

    def resolve(key: str, value: Any) -> Any:
        if isinstance(value, Token):
            return tokenizer.convert_tokens_to_ids(str(value))
        if isinstance(value, list):
            return [resolve("", item) for item in value]
        if isinstance(value, Mapping):
            inner = {name: resolve(name, item) for name, item in value.items()}
            return {**known, **inner} if key == "text_config" else inner
        return value

    return resolve("", settings)


def _processor(family: Family, tokenizer: PreTrainedTokenizerFast) -> Any:
    images = getattr(transformers, family.images)(**family.image_settings)
    for name, value in family.image_attributes.items():
        setattr(images, name, value)
    processor = getattr(transformers, family.processor)
    parts: dict[str, Any] = {"image_processor": images, "tokenizer": tokenizer}
    if "video_processor" in processor.get_attributes():
        processor = for_still_images(processor)
        parts["video_processor"] = UnusedVideoProcessor({})
    if family.audio is not None:
        parts["feature_extractor"] = getattr(transformers, family.audio)()
    if family.prompt is not None:
        parts["chat_template"] = _TEMPLATE.replace("IMAGE", family.prompt)
    return processor(**parts, **family.processor_settings)


_TEMPLATE = (
    "{% for message in messages %}User: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}Assistant:"
)


@torch.no_grad()
def _redraw(model: PreTrainedModel) -> None:
    """Draw all matrices anew so that a layer keeps the scale of what passes through it.

    Families start from weights so small, at some places zero, that images would hardly show in a tiny model's output.
    """
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
