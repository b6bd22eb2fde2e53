"""Vision features that a rollout computed when a frame was new, handed to the VLM while the frame is in its window.

The models of transformers take the features of their images from their own `get_image_features`, whose output has them
image by image. While a window is read, it is replaced by one that looks at the newest frame alone and remembers the
others. A family whose forward makes its features elsewhere computes those of the whole window: the same numbers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import ModelOutput

from vlasync.models.vlm import VLM

FrameFeatures = Sequence[Mapping[str, Any]]
"""For each of B rollouts, the features of one frame's images, by the fields of the output that has them."""

# Fields of the output that a forward reads, by image; the last by layer and image. Llama 4 alone reads the second.
_FIELDS = ("pooler_output", "last_hidden_state", "deepstack_features")


@contextmanager
def remembered(vlm: VLM, past: Sequence[FrameFeatures], newest: torch.Tensor) -> Iterator[list[FrameFeatures]]:
    """While it lasts, the VLM computes the vision features of the newest frame alone.

    Args:
        vlm: is given the pixels of all frames, row by row, in the meantime.
        past: features of the frames before the newest, in order.
        newest: its pixels, `[B, I, 3, h, w]` after `image_transform`.

    Yields:
        A list that holds the features of all frames once the VLM has run; empty for a VLM that computes all of them.
    """
    model: Any = vlm.model
    compute = model.get_image_features
    names = inspect.signature(compute).parameters
    arguments = vlm.image_arguments(newest)
    frames: list[FrameFeatures] = []

    def get_image_features(*args: Any, **kwargs: Any) -> ModelOutput:
        given = [arguments.get(name, value) for name, value in zip(names, args, strict=False)]
        output = compute(*given, **kwargs | {name: arguments[name] for name in kwargs.keys() & arguments.keys()})
        frames[:] = [*past, _by_row(output, len(newest))]
        return _of_all(output, frames)

    model.get_image_features = get_image_features
    try:
        yield frames
    finally:
        del model.get_image_features


def _by_row(output: ModelOutput, rows: int) -> FrameFeatures:
    """The features of one frame apart for each rollout."""
    there = {name: output[name] for name in _FIELDS if output.get(name) is not None}
    return [{name: _row(value, row, rows) for name, value in there.items()} for row in range(rows)]


def _row(value: Any, row: int, rows: int) -> Any:
    if not torch.is_tensor(value) and not torch.is_tensor(value[0]):
        return [_row(layer, row, rows) for layer in value]
    images = len(value) // rows
    return value[row * images : (row + 1) * images]


def _of_all(output: ModelOutput, frames: Sequence[FrameFeatures]) -> ModelOutput:
    """The output that the VLM would have made of all frames, rollout by rollout."""
    ordered = [features for row in zip(*frames, strict=True) for features in row]
    whole = copy.copy(output)
    for name in ordered[0]:
        whole[name] = _joined([features[name] for features in ordered])
    return whole


def _joined(parts: Sequence[Any]) -> Any:
    if torch.is_tensor(parts[0]):
        return torch.cat(list(parts))
    if torch.is_tensor(parts[0][0]):
        return [image for part in parts for image in part]
    return [_joined(layers) for layers in zip(*parts, strict=True)]
