"""From prepared pixels to the arguments that a VLM's forward takes for its images, whatever their layout.

Families lay pixels out in many ways: whole images, tiles, sequences of patches with their grid, all with or without
padding. Yet once an image has the size that a processor leaves alone, each value of its output is one pixel,
normalised, or a constant. So the layout can be learned once, from images whose pixels spell their own address, and is
then one gather on the device of the pixels. Where that does not hold (tiles that are resized again), the processor
itself is called for each frame: the same numbers, but slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.models.images import prepare_images
from vlasync.spec import ImageTransform

_Argument = TypeVar("_Argument", "PixelArgument", "FixedArgument")

Process = Callable[[NDArray[np.uint8]], Mapping[str, torch.Tensor]]
"""Images of one frame, `[I, h, w, 3]` uint8 -> the model's arguments for them, made by the VLM's own processor."""

# What float32 normalisation may differ by between numpy and torch; a grey level is at least 1/255 = 4e-3.
_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class PixelArgument:
    """One argument that is made of pixels, for one frame.

    Attributes:
        shape: its shape.
        source: `[V]` int64, for each of its V values the pixel among the frame's `I * 3 * h * w`; None where they are
            those pixels in their own order.
        constant: `[V]` values where no pixel goes, NaN where one does; None where pixels go everywhere.
    """

    shape: tuple[int, ...]
    source: torch.Tensor | None
    constant: torch.Tensor | None

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """`[N, I, 3, h, w]` -> the argument for N frames, one behind the other."""
        values = pixels.flatten(1)
        if self.source is not None:
            values = values[:, self.source]
        if self.constant is not None:
            values = torch.where(self.constant.isnan(), values, self.constant)
        return values.reshape(len(pixels) * self.shape[0], *self.shape[1:]).contiguous()  # as processors give it


@dataclass(frozen=True, kw_only=True)
class FixedArgument:
    """One argument that is the same for all images of one size, for one frame: grids, sizes, masks, indices.

    Attributes:
        value: for the first frame.
        step: what each further frame adds to it, where indices count on through a batch; None where nothing does.
    """

    value: torch.Tensor
    step: torch.Tensor | None

    def __call__(self, count: int) -> torch.Tensor:
        """The argument for `count` frames, one behind the other."""
        if self.step is None:
            return torch.cat([self.value] * count)
        return torch.cat([self.value + frame * self.step for frame in range(count)])


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """Arguments for the images of frames, by a learned layout.

    Attributes:
        moved: argument -> how it is made of pixels.
        fixed: argument -> what it is without looking at them.
    """

    moved: Mapping[str, PixelArgument]
    fixed: Mapping[str, FixedArgument]

    def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Arguments for N frames from `[N, I, 3, h, w]` normalised pixels."""
        made = {name: argument(pixels) for name, argument in self.moved.items()}
        return made | {name: argument(len(pixels)) for name, argument in self.fixed.items()}

    def to(self, device: torch.device) -> PixelLayout:
        """The same layout on `device`."""
        return PixelLayout(
            moved={name: _moved_to(device, argument) for name, argument in self.moved.items()},
            fixed={name: _moved_to(device, argument) for name, argument in self.fixed.items()},
        )


@dataclass(frozen=True, kw_only=True)
class ProcessorCalls:
    """Arguments for the images of frames, by calling the VLM's own processor for each frame."""

    process: Process

    def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Arguments for N frames from `[N, I, 3, h, w]` levels 0..255."""
        levels = pixels.round().to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy()
        frames = [self.process(images) for images in levels]
        return {name: torch.cat([frame[name] for frame in frames]).to(pixels.device) for name in frames[0]}

    def to(self, device: torch.device) -> ProcessorCalls:
        """Itself: the processor works on the CPU, and its output follows the pixels."""
        return self


def learn_layout(process: Process, transform: ImageTransform, num_images: int) -> PixelLayout | None:
    """Find out where a processor puts each pixel of `num_images` images that have the size of `transform`.

    Returns:
        The layout, or None where the processor's output is not one normalised pixel or constant per value, or where it
        skips pixels, as it does with images of a size that it does not expect.
    """
    shape = (num_images, 3, transform.height, transform.width)
    black, white = (process(_as_images(np.full(shape, level))) for level in (0, 255))
    moved = [name for name, value in black.items() if not torch.equal(value, white[name])]
    sources = {name: _addresses(process, shape, name, black[name], white[name]) for name in moved}
    if any(source is None for source in sources.values()) or not _uses_all(sources.values(), math.prod(shape)):
        return None
    layout = PixelLayout(
        moved={
            name: _argument(source, black[name], math.prod(shape))
            for name, source in sources.items()
            if source is not None
        },
        fixed={
            name: FixedArgument(value=value, step=_step(process, shape, name, value))
            for name, value in black.items()
            if name not in moved
        },
    )
    return layout if _agrees(layout, process, transform, shape) else None


def _addresses(
    process: Process, shape: tuple[int, ...], name: str, black: torch.Tensor, white: torch.Tensor
) -> torch.Tensor | None:
    """`[V]` address of the pixel behind each value, -1 at constants; None where there is no such address."""
    slope = (white.double() - black.double()) / 255.0
    moves = slope != 0
    address = torch.zeros_like(slope)
    total = math.prod(shape)
    for place in range(math.ceil(math.log(total, 256))):
        spelled = np.arange(total).reshape(shape) // 256**place % 256
        digit = (process(_as_images(spelled))[name].double() - black)[moves] / slope[moves]
        address[moves] += digit.round() * 256**place
    address[~moves] = -1
    # Where pixels were mixed, their digits spell nonsense.
    return address.long().flatten() if address.min() >= -1 and address.max() < total else None


def _uses_all(sources: Iterable[torch.Tensor | None], total: int) -> bool:
    used = torch.zeros(total, dtype=torch.bool)
    for source in sources:
        if source is not None:
            used[source[source >= 0]] = True
    return bool(used.all())


def _argument(source: torch.Tensor, black: torch.Tensor, total: int) -> PixelArgument:
    constant = torch.where(source < 0, black.flatten().float(), torch.nan)
    in_order = len(source) == total and torch.equal(source, torch.arange(total))
    return PixelArgument(
        shape=tuple(black.shape),
        source=None if in_order else source.clamp(min=0),
        constant=None if bool((source >= 0).all()) else constant,
    )


def _step(process: Process, shape: tuple[int, ...], name: str, value: torch.Tensor) -> torch.Tensor | None:
    """What a second frame's images add to an argument when they follow those of the first; None for nothing."""
    twice = process(_as_images(np.zeros((2 * shape[0], *shape[1:]), dtype=np.uint8)))[name]
    if len(twice) != 2 * len(value) or value.dtype == torch.bool:
        return None
    step = twice[len(value) :] - value
    return step if bool(step.any()) else None


def _moved_to(device: torch.device, argument: _Argument) -> _Argument:
    """The same argument with its tensors on `device`."""
    values = {field.name: getattr(argument, field.name) for field in fields(argument)}
    return replace(argument, **{name: value.to(device) for name, value in values.items() if torch.is_tensor(value)})


def _agrees(layout: PixelLayout, process: Process, transform: ImageTransform, shape: tuple[int, ...]) -> bool:
    """Whether layout and processor give the same arguments for images of noise."""
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = process(_as_images(noise))
    got = layout(prepare_images(torch.from_numpy(noise), transform).unsqueeze(0))
    return all(
        got[name].shape == value.shape and torch.allclose(got[name].float(), value.float(), rtol=0, atol=_TOLERANCE)
        for name, value in expected.items()
    )


def _as_images(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """`[I, 3, h, w]` -> `[I, h, w, 3]` uint8."""
    return np.ascontiguousarray(values.astype(np.uint8).transpose(0, 2, 3, 1))
