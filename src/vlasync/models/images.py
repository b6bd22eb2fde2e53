"""From a camera's uint8 pixels to what the vision tower expects, in batched calls on the device of the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from transformers.image_utils import PILImageResampling

from vlasync.models.augmentation import NO_JITTER, ColorJitter, cut_mix, jitter_colors, shift_images
from vlasync.spec import ImageTransform

PIL_BACKEND = "pil"
"""An `ImageTransform.backend`: PIL itself resizes, bit for bit, one image after the other on the CPU. For models that
were trained with it and whose actions are to be theirs; torch differs by one grey level in some pixels."""

# torch has no Lanczos filter; its antialiased bicubic is the closest one.
_INTERPOLATION: dict[int, Literal["bilinear", "bicubic", "nearest"]] = {
    PILImageResampling.BILINEAR: "bilinear",
    PILImageResampling.BICUBIC: "bicubic",
    PILImageResampling.LANCZOS: "bicubic",
    PILImageResampling.NEAREST: "nearest",
}


def transform_of(processor: Any, height: int, width: int) -> ImageTransform:
    """The transform that a VLM's image processor declares, for images brought to `height` x `width`.

    Images of another shape are stretched to that size.

    Args:
        processor: an image processor of transformers; the attributes that it must have are declared by its subclasses.
        height: of the images that the processor leaves at their size, px.
        width: likewise.
    """
    normalizes = bool(getattr(processor, "do_normalize", False))
    return ImageTransform(
        height=height,
        width=width,
        interpolation=_interpolation(processor),
        mean=_per_channel(processor.image_mean if normalizes else 0.0),
        std=_per_channel(processor.image_std if normalizes else 1.0),
    )


def levels_of(processor: Any, height: int, width: int) -> ImageTransform:
    """Resize alone: grey levels 0..255 of `height` x `width`, for a processor that does the rest itself."""
    return ImageTransform(
        height=height,
        width=width,
        interpolation=_interpolation(processor),
        mean=(0.0, 0.0, 0.0),
        std=(1 / 255, 1 / 255, 1 / 255),
        backend=type(processor).__name__,
    )


def prepare_images(
    images: torch.Tensor,
    transform: ImageTransform,
    *,
    cut_mix_share: float = 0.0,
    shift_px: int = 0,
    color_jitter: ColorJitter = NO_JITTER,
    frames_per_draw: int = 1,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Mix and shift at random, resize with antialiasing, change colours at random, scale to 0..1 and normalise.

    Args:
        images: `[N, 3, H, W']` uint8.
        transform: what the vision tower expects.
        cut_mix_share: share of the windows that show in part what another one shows, see `cut_mix`.
        shift_px: largest shift along each axis, in pixels of `images`; 0 leaves them where they are.
        color_jitter: how far colours change.
        frames_per_draw: this many consecutive images change alike, as the frames of a window from one camera do.
        generator: source of what is random, on the device of `images`.

    Returns:
        `[N, 3, h, w]` float32.
    """
    if cut_mix_share:
        images = cut_mix(images, cut_mix_share, frames_per_draw, generator)
    if shift_px:
        images = shift_images(images, shift_px, frames_per_draw, generator)
    size = (transform.height, transform.width)
    pixels = images.float() if images.shape[-2:] == size else _resize(images, transform)
    if color_jitter:
        pixels = jitter_colors(pixels, color_jitter, frames_per_draw, generator)
    mean = torch.tensor(transform.mean, device=images.device).view(3, 1, 1)
    std = torch.tensor(transform.std, device=images.device).view(3, 1, 1)
    return pixels.sub_(255.0 * mean).div_(255.0 * std)  # (pixels / 255 - mean) / std


def _resize(images: torch.Tensor, transform: ImageTransform) -> torch.Tensor:
    """Resize to whole numbers 0..255, as PIL does, which the processors use.

    On a CPU torch resizes bytes by PIL's own integer method, seven times faster than floats; other devices resize
    floats, which differ from it by at most one level.
    """
    size, interpolation = (transform.height, transform.width), transform.interpolation
    if transform.backend == PIL_BACKEND:
        return _resize_by_pil(images, size, interpolation)
    source = images if images.device.type == "cpu" else images.float()
    resized = functional.interpolate(source, size, mode=interpolation, antialias=interpolation != "nearest")
    return resized.float().round_().clamp_(0.0, 255.0)


def _resize_by_pil(images: torch.Tensor, size: tuple[int, int], interpolation: str) -> torch.Tensor:
    height, width = size
    pictures = [Image.fromarray(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()]
    resized = [
        np.asarray(picture.resize((width, height), Image.Resampling[interpolation.upper()])) for picture in pictures
    ]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(images.device).float()


def _interpolation(processor: Any) -> Literal["bilinear", "bicubic", "nearest"]:
    """A processor's resampling filter; bicubic where it has none of torch's."""
    return _INTERPOLATION.get(getattr(processor, "resample", PILImageResampling.BICUBIC), "bicubic")


def _per_channel(value: float | Sequence[float]) -> tuple[float, float, float]:
    """A processor's mean or std, which may be one number for all channels, as (r, g, b)."""
    red, green, blue = [value] * 3 if isinstance(value, int | float) else value
    return float(red), float(green), float(blue)
