"""Random changes of images in training, the same for all frames of a window, on the device of the images."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from vlasync.errors import VlasyncError


@dataclass(frozen=True)
class ColorJitter:
    """How far colours change at random in training; numbers mean what those of torchvision's transform do.

    Attributes:
        brightness: b; all colours are multiplied by 1 - b to 1 + b.
        contrast: c; distances from the mean grey are multiplied by 1 - c to 1 + c.
        saturation: s; distances from grey are multiplied by 1 - s to 1 + s.
        hue: h; hues turn by -h to h of the colour circle.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        highest = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
        for name, value in asdict(self).items():
            if not 0 <= value <= highest[name]:
                raise VlasyncError(f"color jitter: {name} is {value}; expected 0 to {highest[name]:g}")

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return any(asdict(self).values())


NO_JITTER = ColorJitter()
"""Colours stay as they were recorded."""

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601), as torchvision's and PIL's grey images have them."""


def jitter_colors(
    pixels: torch.Tensor, jitter: ColorJitter, repeat: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Change colours at random.

    All four changes are affine in (r, g, b), so a group of images takes one 3 x 4 matrix. Hues turn about the axis of
    greys in RGB, which keeps r + g + b.

    Args:
        pixels: `[N, 3, h, w]` float, 0 to 255.
        jitter: how far.
        repeat: this many consecutive images take the same change.
        generator: of the random numbers, on the device of `pixels`.

    Returns:
        `[N, 3, h, w]`, clamped to 0 to 255.
    """
    groups = pixels.unflatten(0, (len(pixels) // repeat, repeat)).flatten(3)  # [G, n, 3, h * w]
    drawn = torch.rand((4, len(groups), 1, 1), generator=generator, device=pixels.device) * 2 - 1  # -1 to 1
    brightness, contrast = 1 + jitter.brightness * drawn[0], 1 + jitter.contrast * drawn[1]
    saturation, angle = 1 + jitter.saturation * drawn[2], 2 * torch.pi * jitter.hue * drawn[3]
    luma = torch.tensor(_LUMA, device=pixels.device)
    with torch.autocast(pixels.device.type, enabled=False):  # in bf16 colours would be off by half a level
        grey = (groups.mean((1, 3)) @ luma).view(-1, 1, 1)
        matrix = _turn_hue(angle) @ (saturation * torch.eye(3, device=pixels.device) + (1 - saturation) * luma)
        # Turning and saturating leave greys what they are, so what contrast adds may come last.
        changed = (brightness * contrast * matrix).unsqueeze(1) @ groups
        changed += (brightness * (1 - contrast) * grey).unsqueeze(1)
    return changed.clamp_(0.0, 255.0).view_as(pixels)


_CUT_SIDES = 0.2, 0.7
"""Shortest and longest side of a rectangle in `cut_mix`, of the image's."""


def cut_mix(images: torch.Tensor, share: float, repeat: int, generator: torch.Generator | None = None) -> torch.Tensor:
    """Show in a rectangle what another window of the batch shows there (Yun et al., CutMix, 2019); actions stay.

    A few training scenes are soon told apart by anything in view, and then each thing's place is known by heart; here
    no part of the view vouches for the rest. What that brought and what not: `docs/calvin.md`.

    Args:
        images: `[N, 3, H, W']` of one camera; those of a single window stay as they are.
        share: of the windows that are changed, 0 to 1.
        repeat: this many consecutive images are a window, and share a rectangle.
        generator: of the random numbers, on the device of `images`.
    """
    windows, device = images.unflatten(0, (-1, repeat)), images.device  # [G, n, 3, H, W']
    count, (height, width) = len(windows), images.shape[-2:]
    if count == 1:
        return images
    away = 1 + torch.randint(count - 1, (), generator=generator, device=device)
    shortest, longest = _CUT_SIDES
    sides = shortest + (longest - shortest) * torch.rand((2, count, 1), generator=generator, device=device)
    centres = torch.rand((2, count, 1), generator=generator, device=device)
    chosen = torch.rand((count, 1, 1), generator=generator, device=device) < share
    low, high = centres - sides / 2, centres + sides / 2
    y, x = torch.arange(height, device=device) / height, torch.arange(width, device=device) / width
    rows, columns = (y >= low[0]) & (y < high[0]), (x >= low[1]) & (x < high[1])  # [G, H], [G, W']
    inside = rows.unsqueeze(2) & columns.unsqueeze(1) & chosen
    others = windows[(torch.arange(count, device=device) - away) % count]
    return torch.where(inside[:, None, None], others, windows).flatten(0, 1)


def shift_images(
    images: torch.Tensor, limit: int, repeat: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Random shift with replicated borders (Yarats et al., Image Augmentation Is All You Need, 2020).

    Padding by replication and cropping at an offset reads source pixel `clamp(i + offset)`, so one gather does both.

    Args:
        images: `[N, 3, H, W']`.
        limit: largest shift along each axis, px.
        repeat: this many consecutive images share one shift.
        generator: of the random numbers, on the device of `images`.
    """
    count, channels, height, width = images.shape
    groups = images.reshape(count // repeat, repeat * channels, height * width)
    offsets = torch.randint(-limit, limit + 1, (2, len(groups), 1), generator=generator, device=images.device)
    rows = (torch.arange(height, device=images.device) + offsets[0]).clamp_(0, height - 1)  # [N / repeat, H]
    columns = (torch.arange(width, device=images.device) + offsets[1]).clamp_(0, width - 1)  # [N / repeat, W']
    index = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).flatten(1)  # [N / repeat, H * W']
    return groups.gather(2, index.unsqueeze(1).expand_as(groups)).view_as(images)


def _turn_hue(angle: torch.Tensor) -> torch.Tensor:
    """`[G, 3, 3]` rotations about (1, 1, 1) by `angle` `[G, 1, 1]`, rad: Rodrigues' formula."""
    around = 3**-0.5 * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angle.device)
    return torch.eye(3, device=angle.device) + angle.sin() * around + (1 - angle.cos()) * around @ around
