"""What a VLM's own processor writes for a sentence and the images of a frame."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from vlasync.errors import VlasyncError
from vlasync.models.quirks import ImageBlock, image_block_of, keep_images_whole, processor_options


@dataclass(frozen=True, kw_only=True)
class PromptTokens:
    """The tokens that a VLM's processor writes for a sentence and its images.

    Attributes:
        fields: the model's arguments with one value per token, `[L]` int64 each; `input_ids` and, where the model has
            them, token types or image masks.
    """

    fields: Mapping[str, torch.Tensor]

    def __len__(self) -> int:
        return len(self.fields["input_ids"])

    def part(self, start: int, stop: int) -> PromptTokens:
        """The tokens from `start` up to `stop`, which is not among them."""
        return PromptTokens(fields={name: value[start:stop] for name, value in self.fields.items()})


def joined(parts: Sequence[PromptTokens]) -> PromptTokens:
    """Tokens one behind the other; all parts have the same fields."""
    return PromptTokens(fields={name: torch.cat([part.fields[name] for part in parts]) for name in parts[0].fields})


class PromptWriter:
    """Calls a VLM's processor, and tells the model's arguments per token from those for the images."""

    def __init__(self, processor: ProcessorMixin, model: PreTrainedModel) -> None:
        """Take a processor, which from now on leaves images whole, and the model whose arguments it writes."""
        keep_images_whole(processor)
        self._processor = processor
        self._block: ImageBlock | None = image_block_of(model.config)
        self._options: dict[str, Any] = {"return_tensors": "pt", **processor_options(model.config)}
        self._arguments = frozenset(inspect.signature(model.forward).parameters) - {"attention_mask"}

    def tokens(self, sentence: str, images: NDArray[np.uint8]) -> PromptTokens:
        """The VLM's own prompt for a sentence and images `[I, h, w, 3]`."""
        encoded = self._process(sentence, images if self._block is None else images[:1])
        self._require_no_sentence_elsewhere(encoded)
        fields = self._token_fields(encoded)
        if self._block is not None:
            fields = _repeat_image_block(fields, self._block, len(images))
        return PromptTokens(fields=fields)

    def image_arguments(self, images: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
        """The model's arguments for images `[I, h, w, 3]` that stand in one prompt."""
        if self._block is not None and len(images) > 1:
            single = [self.image_arguments(image[None]) for image in images]
            return {name: torch.cat([arguments[name] for arguments in single]) for name in single[0]}
        encoded = self._process("", images)
        tokens = self._token_fields(encoded)
        return {name: value for name, value in encoded.items() if name in self._arguments and name not in tokens}

    def _require_no_sentence_elsewhere(self, encoded: Mapping[str, torch.Tensor]) -> None:
        """Image arguments are made once for all sentences, so nothing of a sentence may lie in them."""
        tokens = self._token_fields(encoded)
        if second := [name for name in encoded if name in self._arguments - set(tokens) and name.endswith("input_ids")]:
            raise VlasyncError(
                f"{type(self._processor).__name__} writes the sentence a second time, as {second}, which vlasync has "
                "no place for; use a VLM that reads it once"
            )

    def _token_fields(self, encoded: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        shape = encoded["input_ids"].shape
        return {name: value[0] for name, value in encoded.items() if name in self._arguments and value.shape == shape}

    def _process(self, sentence: str, images: NDArray[np.uint8]) -> Mapping[str, torch.Tensor]:
        pictures: Any = [Image.fromarray(image) for image in images]  # the one form that every processor takes
        if self._block is not None:
            return self._processor(images=pictures, text=[sentence], **self._options)
        return self._processor(images=[pictures], text=[self._text(sentence, len(images))], **self._options)

    def _text(self, sentence: str, num_images: int) -> str:
        """The prompt as text: the chat template where there is one, else placeholders and sentence."""
        if getattr(self._processor, "chat_template", None):
            content: list[dict[str, Any]] = [{"type": "image"}] * num_images
            content.append({"type": "text", "text": sentence})
            turn = [{"role": "user", "content": content}]
            return self._processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        placeholder: Any = self._processor.image_token  # pyright: ignore[reportAttributeAccessIssue]
        return str(placeholder) * num_images + sentence


def _repeat_image_block(fields: dict[str, torch.Tensor], block: ImageBlock, count: int) -> dict[str, torch.Tensor]:
    """Repeat the image places, with the tokens around them that belong to the image, once per image."""
    places = (fields[block.field] == block.value).nonzero().squeeze(-1)
    first, last = int(places[0]) - block.margin, int(places[-1]) + block.margin
    return {
        name: torch.cat([value[:first], value[first : last + 1].repeat(count), value[last + 1 :]])
        for name, value in fields.items()
    }
