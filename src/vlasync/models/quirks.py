"""The few facts about single VLM families that their configs and processors do not tell, in one table.

Everything else in `models/` treats all families alike. An entry belongs here only when transformers offers no way to
ask the model or its processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedConfig, ProcessorMixin


@dataclass(frozen=True, kw_only=True)
class Quirk:
    """How one family departs from the rule.

    Attributes:
        processor_options: option of the processor's call -> name of the config value that it must carry.
        image_mask: token field that marks the image places of a processor which writes the image places itself and
            takes one image per prompt; further cameras repeat the image block. None where the prompt has one
            placeholder per image.
        inserted: token field -> its value at [LRN] and the state token; a field that is not named is 0 there.
    """

    processor_options: Mapping[str, str] = field(default_factory=dict)
    image_mask: str | None = None
    inserted: Mapping[str, int] = field(default_factory=dict)


QUIRKS: Mapping[str, Quirk] = {
    # Kosmos-2's processor assumes 64 image tokens and one image, whatever the model's config says.
    "kosmos-2": Quirk(
        processor_options={"num_image_tokens": "latent_query_num"}, image_mask="image_embeds_position_mask"
    ),
    # PaliGemma reads its prompt (type 0) bidirectionally and what follows (type 1) causally; as part of what follows,
    # [LRN] sees the whole prompt and leaves it unchanged.
    "paligemma": Quirk(inserted={"token_type_ids": 1}),
}

# Processor settings that cut one image into many; a robot's frame stays one image per camera.
_SPLITTING = ("do_image_splitting", "do_pan_and_scan")


def quirk_of(config: PreTrainedConfig) -> Quirk:
    """The entry for a model's family, or the rule."""
    return QUIRKS.get(config.model_type, Quirk())


def processor_options(config: PreTrainedConfig) -> dict[str, Any]:
    """Options that every call of the model's processor needs."""
    return {option: getattr(config, name) for option, name in quirk_of(config).processor_options.items()}


def keep_images_whole(processor: ProcessorMixin) -> None:
    """Switch off the cutting of one image into many, where the processor has such a setting."""
    for name in _SPLITTING:
        if getattr(processor.image_processor, name, False):
            setattr(processor.image_processor, name, False)
