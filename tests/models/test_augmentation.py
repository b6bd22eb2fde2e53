"""Random changes of images against what they are defined by."""

import colorsys

import numpy as np
import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.augmentation import ColorJitter, cut_mix, jitter_colors
from vlasync.models.images import prepare_images
from vlasync.spec import ImageTransform

PLAIN = ImageTransform(height=8, width=8, interpolation="bilinear", mean=(0.0,) * 3, std=(1 / 255,) * 3)


def random_pixels(count: int, seed: int = 0) -> torch.Tensor:
    """Colours far enough from 0 and 255 that nothing is clamped."""
    return 80 + 60 * torch.rand((count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))


def changed(pixels: torch.Tensor, jitter: ColorJitter, *, repeat: int = 1, seed: int = 0) -> torch.Tensor:
    return jitter_colors(pixels, jitter, repeat, torch.Generator().manual_seed(seed))


def test_a_jitter_of_zero_changes_nothing_and_draws_nothing():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    torch.manual_seed(7)
    plain = prepare_images(images, PLAIN, color_jitter=ColorJitter())
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(plain, images.float())


def test_brightness_multiplies_all_colours_by_one_number():
    pixels = random_pixels(64)
    factor = changed(pixels, ColorJitter(brightness=0.4)) / pixels
    by_image = factor.flatten(1)
    assert torch.allclose(by_image, by_image[:, :1].expand_as(by_image), atol=1e-4)
    assert 0.6 <= by_image.min() < 0.7
    assert 1.3 < by_image.max() <= 1.4


def test_contrast_keeps_the_mean_grey_and_multiplies_what_stands_out_from_it():
    pixels = random_pixels(64)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = (pixels * weights).sum(1).mean((1, 2)).view(-1, 1, 1, 1)
    got = changed(pixels, ColorJitter(contrast=0.5))
    factor = ((got - grey) / (pixels - grey)).flatten(1).median(1).values
    assert torch.allclose(got, grey + factor.view(-1, 1, 1, 1) * (pixels - grey), atol=1e-2)
    assert 0.5 <= factor.min() < 0.65
    assert 1.35 < factor.max() <= 1.5


def test_saturation_keeps_each_pixels_grey_and_multiplies_its_colour():
    pixels = random_pixels(64)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = (pixels * weights).sum(1, keepdim=True)
    got = changed(pixels, ColorJitter(saturation=0.5))
    assert torch.allclose((got * weights).sum(1, keepdim=True), grey, atol=1e-2)
    factor = ((got - grey) / (pixels - grey)).flatten(1).median(1).values
    assert torch.allclose(got, grey + factor.view(-1, 1, 1, 1) * (pixels - grey), atol=1e-2)
    assert factor.min() < 0.65 < 1.35 < factor.max()


def test_hue_turns_by_no_more_than_was_said_and_leaves_greys():
    colour = torch.tensor([150.0, 110.0, 100.0]).view(1, 3, 1, 1).expand(200, 3, 8, 8)
    got = changed(colour, ColorJitter(hue=0.1))[:, :, 0, 0] / 255
    start = colorsys.rgb_to_hsv(*(colour[0, :, 0, 0] / 255).tolist())[0]
    hues = np.array([colorsys.rgb_to_hsv(*one.tolist())[0] for one in got])
    turned = (hues - start + 0.5) % 1 - 0.5
    # A circle about the axis of greys and HSV's hexagon part ways by at most 0.01 of the whole turn.
    assert np.abs(turned).max() <= 0.11
    assert turned.min() < -0.08 < 0.08 < turned.max()
    grey = torch.full((5, 3, 8, 8), 99.0)
    assert torch.allclose(changed(grey, ColorJitter(hue=0.5)), grey, atol=1e-3)


def test_frames_of_a_window_change_alike_and_windows_do_not():
    pixels = random_pixels(1).expand(6, 3, 8, 8).contiguous()
    got = changed(pixels, ColorJitter(0.4, 0.4, 0.4, 0.05), repeat=3)
    assert torch.equal(got[0], got[1])
    assert torch.equal(got[0], got[2])
    assert not torch.allclose(got[0], got[3], atol=1.0)


def test_colours_stay_within_their_range_and_a_seed_repeats():
    pixels = torch.randint(0, 256, (32, 3, 8, 8)).float()
    got = changed(pixels, ColorJitter(1.0, 1.0, 1.0, 0.5), seed=3)
    assert got.min() >= 0
    assert got.max() <= 255
    assert torch.equal(got, changed(pixels, ColorJitter(1.0, 1.0, 1.0, 0.5), seed=3))


@pytest.mark.filterwarnings("error")
def test_mixed_precision_leaves_colours_exact():
    pixels = random_pixels(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = changed(pixels, ColorJitter(0.3, 0.3, 0.3, 0.05))
    assert torch.equal(got, changed(pixels, ColorJitter(0.3, 0.3, 0.3, 0.05)))


@pytest.mark.parametrize(("name", "value"), [("brightness", 1.2), ("contrast", -0.1), ("hue", 0.6)])
def test_a_jitter_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(VlasyncError, match=f"{name} is {value}"):
        ColorJitter(**{name: value})


def mixed(images: torch.Tensor, share: float, *, repeat: int = 1, seed: int = 0) -> torch.Tensor:
    return cut_mix(images, share, repeat, torch.Generator().manual_seed(seed))


def test_a_mixed_image_is_its_own_but_for_a_rectangle_that_one_other_shows():
    count, side = 40, 20
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 3, side, side)  # each its number
    seen, areas = mixed(images, 1.0), []
    for number, image in enumerate(seen[:, 0]):
        foreign = image != number
        assert len(image[foreign].unique()) == 1
        rows, columns = foreign.any(1).nonzero(), foreign.any(0).nonzero()
        filled = foreign[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert filled.all()
        assert max(filled.shape) <= 0.7 * side + 1
        areas.append(filled.numel() / side**2)
    assert (seen == seen[:, :1]).all()  # all three colours
    assert min(areas) < 0.08
    assert max(areas) > 0.3


def test_as_many_windows_are_mixed_as_was_said():
    images = torch.arange(200, dtype=torch.uint8).view(-1, 1, 1, 1).expand(200, 3, 16, 16)
    changed = (mixed(images, 0.3) != images).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.4
    assert torch.equal(mixed(images, 0.0), images)


def test_frames_of_a_window_take_those_of_one_other_in_their_order():
    images = torch.arange(30, dtype=torch.uint8).view(-1, 1, 1, 1).expand(30, 3, 16, 16)  # 10 windows of 3 frames
    seen = mixed(images, 1.0, repeat=3).unflatten(0, (10, 3))
    foreign = seen != images.unflatten(0, (10, 3))
    assert (foreign == foreign[:, :1]).all()
    for window, where in zip(seen, foreign[:, 0], strict=True):
        values = window[:, where].unique(dim=1).flatten().tolist()
        assert values == [values[0], values[0] + 1, values[0] + 2]
        assert values[0] % 3 == 0


def test_a_window_alone_stays_as_it_is_and_a_seed_repeats():
    images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    assert torch.equal(mixed(images, 1.0, repeat=6), images)
    assert torch.equal(mixed(images, 1.0, seed=3), mixed(images, 1.0, seed=3))
    assert not torch.equal(mixed(images, 1.0, seed=3), mixed(images, 1.0, seed=4))
