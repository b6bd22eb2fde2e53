"""Any layout of pixels is learned from the outside; what is no layout is told from one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlasync.models.images import prepare_images
from vlasync.models.pixels import ProcessorCalls, learn_layout
from vlasync.spec import ImageTransform

TRANSFORM = ImageTransform(
    height=6, width=4, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25), backend="test"
)


def normalised(images: np.ndarray) -> torch.Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (TRANSFORM.mean, TRANSFORM.std))
    return (pixels - mean) / std


def shuffling(order: torch.Tensor):
    """A processor that puts the pixels of an image in any order, some twice, with a constant at each -1."""

    def process(images):
        values = torch.where(order < 0, 0.7, normalised(images).flatten(1)[:, order.clamp(min=0)])
        return {"pixel_values": values.reshape(len(images) * 2, -1), "grid": torch.tensor([[6, 4]] * len(images))}

    return process


def noise(frames, images):
    return torch.randint(0, 256, (frames, images, 3, 6, 4), dtype=torch.uint8)


def prepared(images):
    return prepare_images(images.flatten(0, 1), TRANSFORM).unflatten(0, images.shape[:2])


@settings(max_examples=25, deadline=None)
@given(
    st.permutations(range(72)),
    st.lists(st.integers(0, 71), max_size=20),
    st.lists(st.integers(0, 72), max_size=20),
    st.integers(1, 3),
)
def test_any_order_with_repeats_and_constants_is_learned(order, repeats, padding, count):
    places = [*order, *repeats]
    for place in padding:
        places.insert(place, -1)
    places += [-1] * (len(places) % 2)
    process = shuffling(torch.tensor(places))
    layout = learn_layout(process, TRANSFORM, count)
    images = noise(2, count)
    expected = [process(frame.permute(0, 2, 3, 1).numpy()) for frame in images]
    got = layout(prepared(images))
    torch.testing.assert_close(got["pixel_values"], torch.cat([one["pixel_values"] for one in expected]))
    assert torch.equal(got["grid"], torch.cat([one["grid"] for one in expected]))


def test_a_processor_that_skips_a_pixel_wants_another_size():
    assert learn_layout(shuffling(torch.arange(72)), TRANSFORM, 1) is not None
    assert learn_layout(shuffling(torch.arange(70)), TRANSFORM, 1) is None


def test_indices_that_count_on_through_a_batch_are_learned():
    def process(images):
        places = torch.arange(4 * len(images)).reshape(-1, 4)
        places[:, 3] = -1  # no place
        return {"pixel_values": normalised(images), "places": places}

    got = learn_layout(process, TRANSFORM, 2)(prepared(noise(3, 2)))["places"]
    assert torch.equal(got, process(np.zeros((6, 6, 4, 3), dtype=np.uint8))["places"])


def test_pixels_in_their_own_order_need_no_gather():
    layout = learn_layout(lambda images: {"pixel_values": normalised(images)}, TRANSFORM, 2)
    assert layout.moved["pixel_values"].source is None
    assert layout.moved["pixel_values"].constant is None


def blurred(images):
    return {"pixel_values": torch.nn.functional.avg_pool2d(normalised(images), 2)}


def rounded_blur(images):
    """Mixed pixels that are whole levels again, as Pillow's resize leaves them."""
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(images).permute(0, 3, 1, 2).float(), 2).round()
    return {"pixel_values": normalised(smooth.byte().permute(0, 2, 3, 1).numpy())}


def other_mean(images):
    return {"pixel_values": normalised(images) + 0.01}


def squared(images):
    return {"pixel_values": normalised(images).square()}


@pytest.mark.parametrize("process", [blurred, rounded_blur, other_mean, squared])
def test_what_is_not_one_normalised_pixel_per_value_is_refused(process):
    assert learn_layout(process, TRANSFORM, 1) is None


def test_the_processor_itself_sees_the_levels():
    seen = []

    def process(images):
        seen.append(images)
        return {"pixel_values": normalised(images)}

    images = noise(3, 2)
    levels = replace(TRANSFORM, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    pixels = prepare_images(images.flatten(0, 1), levels).unflatten(0, (3, 2))
    got = ProcessorCalls(process=process)(pixels)
    assert np.array_equal(np.stack(seen), images.permute(0, 1, 3, 4, 2).numpy())
    torch.testing.assert_close(got["pixel_values"], prepared(images).flatten(0, 1))
