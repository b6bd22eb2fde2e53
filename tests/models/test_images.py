import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from vlasync.models.images import PIL_BACKEND, prepare_images, transform_of
from vlasync.models.vlm import VLM
from vlasync.spec import ImageTransform

PLAIN = ImageTransform(height=20, width=20, interpolation="bilinear", mean=(0.0,) * 3, std=(1 / 255,) * 3)


def smooth_image(size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    channels = [127 + 120 * np.sin(5 * x + 2 * phase) * np.cos(3 * y + phase) for phase in range(3)]
    return np.stack(channels, -1).astype(np.uint8)


@pytest.mark.parametrize("size", [32, 84, 200], ids=["same", "gripper", "static"])
def test_pixels_equal_those_of_the_vlms_own_processor(tiny_folder, size):
    processor = VLM.from_pretrained(tiny_folder).processor.image_processor
    transform = transform_of(processor, 32, 32)
    image = smooth_image(size)
    expected = torch.as_tensor(processor(images=[image], return_tensors="pt")["pixel_values"]).reshape(1, 3, 32, 32)
    got = prepare_images(torch.from_numpy(image).permute(2, 0, 1)[None], transform)
    level = 1 / 255 / min(transform.std)
    assert (got - expected).abs().max() <= (1e-5 if size == 32 else 2 * level)
    assert (got - expected).abs().mean() <= 0.1 * level


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_where_the_spec_says_so_pil_resizes(interpolation):
    transform = dataclasses.replace(PLAIN, height=31, interpolation=interpolation, backend=PIL_BACKEND)
    images = torch.randint(0, 256, (2, 3, 50, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    got = prepare_images(images, transform)
    for image, pixels in zip(images, got, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        expected = np.asarray(picture.resize((20, 31), getattr(Image.Resampling, interpolation.upper())))
        assert np.array_equal(pixels.permute(1, 2, 0).numpy().round(), expected)


def test_a_shift_moves_the_whole_image_and_repeats_its_border():
    image = torch.arange(400).remainder(251).to(torch.uint8).reshape(1, 1, 20, 20).expand(64, 3, 20, 20)
    padded = torch.nn.functional.pad(image.float(), (3, 3, 3, 3), mode="replicate")
    crops = {padded[0, :, y : y + 20, x : x + 20].numpy().tobytes() for y in range(7) for x in range(7)}
    shifted = prepare_images(image, PLAIN, shift_px=3, generator=torch.Generator().manual_seed(0)).round()
    seen = {one.numpy().tobytes() for one in shifted}
    assert seen <= crops
    assert len(seen) > 20


def test_frames_of_a_window_share_their_shift():
    image = torch.randint(0, 256, (1, 3, 20, 20), dtype=torch.uint8).expand(24, 3, 20, 20)
    shifted = prepare_images(image, PLAIN, shift_px=4, frames_per_draw=8).unflatten(0, (3, 8))
    assert (shifted == shifted[:, :1]).all()
    assert not (shifted[0] == shifted[1]).all() or not (shifted[0] == shifted[2]).all()


def test_without_a_shift_nothing_is_random():
    image = torch.randint(0, 256, (2, 3, 30, 30), dtype=torch.uint8)
    assert torch.equal(prepare_images(image, PLAIN), prepare_images(image, PLAIN))
