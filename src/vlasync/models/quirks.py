"""The few facts about single VLM families that their configs and processors do not tell, in one table.

Everything else in `models/` treats all families alike. An entry belongs here only when transformers offers no way to
ask the model or its processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import PreTrainedConfig, ProcessorMixin


@dataclass(frozen=True, kw_only=True)
class ImageBlock:
    """The places of one image in a prompt, of a processor that writes them itself and takes one image per prompt.

    Attributes:
        field: token field that tells the image places from others.
        value: what it holds there; None stands for the image token of the model's config.
        margin: tokens on either side of the places that belong to the image.
    """

    field: str = "input_ids"
    value: int | None = None
    margin: int = 0


@dataclass(frozen=True, kw_only=True)
class Quirk:
    """How one family departs from the rule.

    Attributes:
        note: the same in words, for the table of families.
        processor_options: option of the processor's call -> name of the config value that it must carry.
        image_block: the part of a prompt to repeat for further cameras; None where the prompt has one placeholder per
            image.
        inserted: token field -> its value at [LRN] and the state token; a field that is not named is 0 there.
        key_mapping: pattern in the names of a checkpoint's weights -> what stands there in the base model.
        hidden_states: field of the model's output that holds the hidden states of the prompt.
        causal: whether the prompt's hidden states stay what they were when [LRN] follows.
    """

    note: str
    processor_options: Mapping[str, str] = field(default_factory=dict)
    image_block: ImageBlock | None = None
    inserted: Mapping[str, int] = field(default_factory=dict)
    key_mapping: Mapping[str, str] = field(default_factory=dict)
    hidden_states: str = "last_hidden_state"
    causal: bool = True


QUIRKS: Mapping[str, Quirk] = {
    # Kosmos-2's processor assumes 64 image tokens and one image, whatever the model's config says.
    "kosmos-2": Quirk(
        note="further cameras repeat the image block",
        processor_options={"num_image_tokens": "latent_query_num"},
        image_block=ImageBlock(field="image_embeds_position_mask", value=1, margin=1),
    ),
    # PaliGemma reads its prompt (type 0) bidirectionally and what follows (type 1) causally; as part of what follows,
    # [LRN] sees the whole prompt and leaves it unchanged.
    "paligemma": Quirk(note="[LRN] is suffix, which the prompt does not see", inserted={"token_type_ids": 1}),
    # BLIP-2's processor puts the places of its one image before the sentence. Its base model ends in vocabulary logits;
    # without the vocabulary layer these are the hidden states.
    "blip-2": Quirk(note="further cameras repeat the image block", image_block=ImageBlock(), hidden_states="logits"),
    # LightOnOCR's base model does not say under which prefix its weights lie in a checkpoint.
    "lighton_ocr": Quirk(note="weights are found under another name", key_mapping={r"^model\.": ""}),
    # Llama 4's base model is the one with vocabulary logits, too.
    "llama4": Quirk(note="base model with its vocabulary layer taken out", hidden_states="logits"),
    # Florence-2's prompt and images are read by an encoder, in both directions; its decoder only starts an answer.
    "florence2": Quirk(
        note="[LRN] is read in the encoder; further cameras repeat the image block",
        image_block=ImageBlock(),
        hidden_states="encoder_last_hidden_state",
        causal=False,
    ),
}

# Processor settings that cut one image into many; a robot's frame stays one image per camera.
_SPLITTING = ("do_image_splitting", "do_pan_and_scan")


def quirk_of(config: PreTrainedConfig) -> Quirk:
    """The entry for a model's family, or the rule."""
    return QUIRKS.get(config.model_type, Quirk(note=""))


def image_block_of(config: PreTrainedConfig) -> ImageBlock | None:
    """The part of a prompt to repeat for further cameras, with its value filled in."""
    block = quirk_of(config).image_block
    if block is None or block.value is not None:
        return block
    names = ("image_token_id", "image_token_index")
    return replace(block, value=next(getattr(config, name) for name in names if hasattr(config, name)))


def processor_options(config: PreTrainedConfig) -> dict[str, Any]:
    """Options that every call of the model's processor needs."""
    return {option: getattr(config, name) for option, name in quirk_of(config).processor_options.items()}


def keep_images_whole(processor: ProcessorMixin) -> None:
    """Switch off the cutting of one image into many, where the processor has such a setting."""
    for name in _SPLITTING:
        if getattr(processor.image_processor, name, False):
            setattr(processor.image_processor, name, False)
