"""Any image-text-to-text model of transformers, as a policy needs it: tokens and pixels in, hidden states out.

The model's own processor writes the prompt and the model's own forward fuses it, so positions, masks and image merging
stay as they were in pretraining. The base model is loaded without its language-modelling head: no logits over the
vocabulary are ever computed or stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

from vlasync.errors import VlasyncError
from vlasync.models.images import levels_of, transform_of
from vlasync.models.pixels import PixelLayout, ProcessorCalls, learn_layout
from vlasync.models.processor import load_processor
from vlasync.models.prompt import PromptTokens, PromptWriter
from vlasync.models.quiet import quiet_transformers
from vlasync.models.quirks import quirk_of
from vlasync.progress import error_console
from vlasync.spec import ImageTransform

DEFAULT_IMAGE_SIZE = 224
"""Side in px of the images for a VLM that takes any size; what most VLAs are trained with."""


class VLM(nn.Module):
    """A vision-language model as a function from prompt and images to hidden states.

    Attributes:
        model: the base model of transformers, without vocabulary logits.
        processor: its processor.
        image_transform: what `forward` expects to have been done to the cameras' pixels.
        source: name or folder that the weights were read from; None for weights from anywhere else.
        missing_weights: names of the weights that a pretrained VLM lacked, and which are random.
    """

    def __init__(
        self, model: PreTrainedModel, processor: ProcessorMixin, *, image_size: tuple[int, int] | None = None
    ) -> None:
        """Wrap a loaded base model (one without vocabulary logits) and its processor.

        Args:
            model: the base model.
            processor: its processor.
            image_size: height and width in px of the images, for a VLM that takes any size; None is the VLM's own
                size, or `DEFAULT_IMAGE_SIZE` where it has none.
        """
        super().__init__()
        if model.get_output_embeddings() is not None:
            model.set_output_embeddings(nn.Identity())  # no logits over the vocabulary
        self.model = model
        self.processor = processor
        self.source: str | Path | None = None
        self.missing_weights: tuple[str, ...] = ()
        self._quirk = quirk_of(model.config)
        self._writer = PromptWriter(processor, model)
        self._prompts: dict[tuple[str, int], PromptTokens] = {}
        self._layouts: dict[tuple[int, torch.device], PixelLayout | ProcessorCalls] = {}
        self.image_transform: ImageTransform = self._fit_images(image_size)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        image_size: tuple[int, int] | None = None,
        processor: str | Path | None = None,
    ) -> Self:
        """Load a VLM by Hugging Face name or by folder; with plain attention, until `compute.set_up` says otherwise.

        Args:
            name_or_path: what transformers' Auto classes accept.
            dtype: of the weights.
            image_size: see `VLM`.
            processor: name or folder of the processor, where it is not the VLM's own.

        Raises:
            VlasyncError: nothing that transformers can load lies there.
        """
        tools = load_processor(name_or_path if processor is None else processor)
        try:
            with quiet_transformers():
                quirk = quirk_of(AutoConfig.from_pretrained(name_or_path))
                model, loading = AutoModel.from_pretrained(
                    name_or_path,
                    attn_implementation="eager",
                    dtype=dtype,
                    key_mapping=dict(quirk.key_mapping) or None,
                    output_loading_info=True,
                )
        except (OSError, ValueError) as error:
            raise _not_loadable("VLM", name_or_path, error) from error
        vlm = cls(model, tools, image_size=image_size)
        vlm.source = name_or_path
        vlm.missing_weights = tuple(sorted(loading["missing_keys"]))
        if vlm.missing_weights:
            count, first = len(vlm.missing_weights), vlm.missing_weights[0]
            error_console.print(f"{name_or_path}: {count} weights are not there and start at random, first {first}")
        return vlm

    @classmethod
    def from_config(
        cls,
        folder: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        image_size: tuple[int, int] | None = None,
    ) -> Self:
        """The same architecture and processor with weights still to be loaded, from a folder without weights."""
        processor = load_processor(folder)
        try:
            config = AutoConfig.from_pretrained(folder)
            model = AutoModel.from_config(config, attn_implementation="eager", dtype=dtype)
        except (OSError, ValueError) as error:
            raise _not_loadable("VLM config", folder, error) from error
        return cls(model, processor, image_size=image_size)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The processor's tokenizer."""
        return self.processor.tokenizer

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

    @property
    def calls_processor(self) -> bool:
        """Whether each frame passes through the family's own processor, on the CPU, since its layout is no gather."""
        return isinstance(self._layout(1, torch.device("cpu")), ProcessorCalls)

    @property
    def quirk(self) -> str:
        """How the family departs from the rule, in words; empty for those that do not."""
        return self._quirk.note

    @property
    def is_causal(self) -> bool:
        """Whether the prompt's hidden states stay what they were when [LRN] follows."""
        return self._quirk.causal

    def inserted_value(self, field: str) -> int:
        """What a token field holds at tokens that follow the prompt."""
        return self._quirk.inserted.get(field, 0)

    def prompt(self, sentence: str, num_images: int) -> PromptTokens:
        """Tokens of the VLM's own prompt for `num_images` images and a sentence; remembered per sentence."""
        key = (sentence, num_images)
        if key not in self._prompts:
            # The tokens depend on number and size of the images alone, so grey ones do.
            shape = (num_images, self.image_transform.height, self.image_transform.width, 3)
            self._prompts[key] = self._writer.tokens(sentence, np.full(shape, 128, dtype=np.uint8))
        return self._prompts[key]

    def process_images(self, images: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
        """The model's arguments for the images of one frame, as the VLM's own processor makes them.

        Args:
            images: `[I, h, w, 3]` uint8 of the size of `image_transform`.
        """
        return self._writer.image_arguments(images)

    def forward(
        self, fields: Mapping[str, torch.Tensor], attention_mask: torch.Tensor, pixel_values: torch.Tensor
    ) -> torch.Tensor:
        """Last hidden states of the VLM's own forward.

        Args:
            fields: per-token arguments, `[N, L]` int64 each.
            attention_mask: `[N, L]`, 1 at tokens and 0 at padding.
            pixel_values: `[N, I, 3, h, w]` after `image_transform`, I images per row in the order of the prompt.

        Returns:
            `[N, L, D]`.
        """
        images = self.image_arguments(pixel_values)
        output = self.model(**fields, **images, attention_mask=attention_mask, use_cache=False)
        return getattr(output, self._quirk.hidden_states)

    def image_arguments(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The model's arguments for the images of N frames, as its processor would make them.

        Args:
            pixels: `[N, I, 3, h, w]` after `image_transform`, I images per frame in the order of the prompt.
        """
        arguments = self._layout(pixels.shape[1], pixels.device)(pixels)
        return {
            name: value.to(self.model.dtype) if value.is_floating_point() else value
            for name, value in arguments.items()
        }

    def _fit_images(self, image_size: tuple[int, int] | None) -> ImageTransform:
        """The image size and transform with which the processor's layout can be learned, else its resize alone."""
        images = self.processor.image_processor
        one, home = 1, torch.device("cpu")
        sizes = [image_size] if image_size is not None else list(dict.fromkeys(_candidate_sizes(self.process_images)))
        for height, width in sizes:
            transform = transform_of(images, height, width)
            layout = learn_layout(self.process_images, transform, one)
            if layout is not None:
                self._layouts[one, home] = layout
                return transform
        self._layouts[one, home] = ProcessorCalls(process=self.process_images)
        return levels_of(images, *sizes[0])

    def _layout(self, num_images: int, device: torch.device) -> PixelLayout | ProcessorCalls:
        """How to make the model's image arguments for frames of `num_images` images; learned at the first call."""
        home = torch.device("cpu")
        if (num_images, home) not in self._layouts:
            self._layouts[num_images, home] = self._learn_layout(num_images)
        if (num_images, device) not in self._layouts:
            self._layouts[num_images, device] = self._layouts[num_images, home].to(device)
        return self._layouts[num_images, device]

    def _learn_layout(self, num_images: int) -> PixelLayout | ProcessorCalls:
        """The layout for more images than the one that `_fit_images` tried, or the processor where it found none."""
        if self.calls_processor:
            return ProcessorCalls(process=self.process_images)
        layout = learn_layout(self.process_images, self.image_transform, num_images)
        if layout is None:
            raise VlasyncError(
                f"{type(self.processor).__name__}: pixels of {num_images} images are laid out in another way than "
                "those of one image, which vlasync has no way to follow; use fewer cameras or another VLM"
            )
        return layout


def _candidate_sizes(process: Any) -> Iterator[tuple[int, int]]:
    """Image sizes (height, width) that a processor may leave alone.

    First the size of the images that it makes of a probe; where it makes patches of them, the probe's own size, then
    the side of a square with as many pixels as it gives, which may repeat each for two instants of a video.
    """
    probe = np.full((1, DEFAULT_IMAGE_SIZE, DEFAULT_IMAGE_SIZE, 3), 128, dtype=np.uint8)
    made = [value for value in process(probe).values() if value.is_floating_point()]
    yield from ((value.shape[-2], value.shape[-1]) for value in made if value.ndim >= 4 and value.shape[-3] == 3)
    yield DEFAULT_IMAGE_SIZE, DEFAULT_IMAGE_SIZE
    for value in made:
        for repeats in (1, 2):
            side = math.isqrt(int(value.count_nonzero()) // (3 * repeats))  # padding is zero, grey is not
            yield side, side


def _not_loadable(what: str, name_or_path: str | Path, error: Exception) -> VlasyncError:
    return VlasyncError(f"{name_or_path}: no {what} that transformers can load ({error})")
