"""Any image-text-to-text model of transformers, as a policy needs it: tokens and pixels in, hidden states out.

The model's own processor writes the prompt and the model's own forward fuses it, so positions, masks and image merging
stay as they were in pretraining. The base model is loaded without its language-modelling head: no logits over the
vocabulary are ever computed or stored.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoProcessor, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

from vlasync.errors import VlasyncError
from vlasync.models.images import transform_of
from vlasync.models.quiet import without_bars
from vlasync.models.quirks import keep_images_whole, processor_options, quirk_of
from vlasync.spec import ImageTransform

Attention = Literal["eager", "sdpa"]


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


class VLM(nn.Module):
    """A vision-language model as a function from prompt and images to hidden states."""

    def __init__(self, model: PreTrainedModel, processor: ProcessorMixin) -> None:
        """Wrap a loaded base model (one without vocabulary logits) and its processor."""
        super().__init__()
        keep_images_whole(processor)
        self.model = model
        self.processor = processor
        self.image_transform: ImageTransform = transform_of(processor.image_processor)
        self._quirk = quirk_of(model.config)
        self._arguments = frozenset(inspect.signature(model.forward).parameters)
        self._prompts: dict[tuple[str, int], PromptTokens] = {}
        self._images_per_row = self._process("", 1)["pixel_values"].ndim == 5

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, attention: Attention = "eager", dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a VLM by Hugging Face name or by folder.

        Args:
            name_or_path: what transformers' Auto classes accept.
            attention: `eager` is the faster one for training on a CPU in bfloat16, `sdpa` on a GPU.
            dtype: of the weights.

        Raises:
            VlasyncError: nothing that transformers can load lies there.
        """
        processor = _load_processor(name_or_path)
        try:
            with without_bars():
                model = AutoModel.from_pretrained(name_or_path, attn_implementation=attention, dtype=dtype)
        except (OSError, ValueError) as error:
            raise _not_loadable("VLM", name_or_path, error) from error
        return cls(model, processor)

    @classmethod
    def from_config(
        cls, folder: str | Path, *, attention: Attention = "eager", dtype: torch.dtype = torch.float32
    ) -> Self:
        """The same architecture and processor with weights still to be loaded, from a folder without weights."""
        processor = _load_processor(folder)
        try:
            config = AutoConfig.from_pretrained(folder)
            model = AutoModel.from_config(config, attn_implementation=attention, dtype=dtype)
        except (OSError, ValueError) as error:
            raise _not_loadable("VLM config", folder, error) from error
        return cls(model, processor)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The processor's tokenizer."""
        return self.processor.tokenizer  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def padding_id(self) -> int:
        """Token id at padding, which the attention mask hides; 0 where the tokenizer names none."""
        padding: Any = self.tokenizer.pad_token_id
        return 0 if padding is None else int(padding)

    @property
    def hidden_size(self) -> int:
        """Width D of the hidden states."""
        return self.model.config.get_text_config().hidden_size

    @property
    def token_embedding(self) -> nn.Module:
        """The text embedding, `[..., L]` ids -> `[..., L, D]`."""
        return self.model.get_input_embeddings()

    def inserted_value(self, field: str) -> int:
        """What a token field holds at tokens that follow the prompt."""
        return self._quirk.inserted.get(field, 0)

    def prompt(self, sentence: str, num_images: int) -> PromptTokens:
        """Tokens of the VLM's own prompt for `num_images` images and a sentence; remembered per sentence."""
        key = (sentence, num_images)
        if key not in self._prompts:
            self._prompts[key] = self._write_prompt(sentence, num_images)
        return self._prompts[key]

    def forward(
        self, fields: Mapping[str, torch.Tensor], attention_mask: torch.Tensor, pixel_values: torch.Tensor
    ) -> torch.Tensor:
        """Last hidden states of the VLM's own forward.

        Args:
            fields: per-token arguments, `[N, L]` int64 each.
            attention_mask: `[N, L]`, 1 at tokens and 0 at padding.
            pixel_values: `[N, I, 3, h, w]`, I images per row in the order of the prompt.

        Returns:
            `[N, L, D]`.
        """
        pixels = pixel_values if self._images_per_row else pixel_values.flatten(0, 1)
        return self.model(
            **fields, attention_mask=attention_mask, pixel_values=pixels, use_cache=False
        ).last_hidden_state

    def _write_prompt(self, sentence: str, num_images: int) -> PromptTokens:
        mask_name = self._quirk.image_mask
        encoded = self._process(sentence, num_images if mask_name is None else 1)
        shape = encoded["input_ids"].shape
        fields = {
            name: value[0]
            for name, value in encoded.items()
            if name in self._arguments and name != "attention_mask" and value.shape == shape
        }
        if mask_name is not None:
            fields = _repeat_image_block(fields, mask_name, num_images)
        return PromptTokens(fields=fields)

    def _process(self, sentence: str, num_images: int) -> Mapping[str, torch.Tensor]:
        """Run the processor on grey images: the tokens depend on their number and size alone."""
        size = (self.image_transform.height, self.image_transform.width, 3)
        images: Any = [np.full(size, 128, dtype=np.uint8)] * num_images
        options: dict[str, Any] = {"return_tensors": "pt", **processor_options(self.model.config)}
        if self._quirk.image_mask is not None:
            return self.processor(images=images, text=[sentence], **options)
        return self.processor(images=[images], text=[self._text(sentence, num_images)], **options)

    def _text(self, sentence: str, num_images: int) -> str:
        """The prompt as text: the chat template where there is one, else placeholders and sentence."""
        if getattr(self.processor, "chat_template", None):
            content: list[dict[str, Any]] = [{"type": "image"}] * num_images
            content.append({"type": "text", "text": sentence})
            turn = [{"role": "user", "content": content}]
            return self.processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return self.processor.image_token * num_images + sentence  # pyright: ignore[reportAttributeAccessIssue]


def _repeat_image_block(fields: dict[str, torch.Tensor], mask_name: str, count: int) -> dict[str, torch.Tensor]:
    """Repeat the image places with the token on either side of them, once per image."""
    places = fields[mask_name].nonzero().squeeze(-1)
    first, last = int(places[0]) - 1, int(places[-1]) + 1
    return {
        name: torch.cat([value[:first], value[first : last + 1].repeat(count), value[last + 1 :]])
        for name, value in fields.items()
    }


def _load_processor(name_or_path: str | Path) -> ProcessorMixin:
    try:
        return AutoProcessor.from_pretrained(name_or_path)
    except (OSError, ValueError, ImportError) as error:
        raise _not_loadable("processor", name_or_path, error) from error


def _not_loadable(what: str, name_or_path: str | Path, error: Exception) -> VlasyncError:
    return VlasyncError(f"{name_or_path}: no {what} that transformers can load ({error})")
