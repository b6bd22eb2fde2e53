"""How a VLA looks back: the policy head over frames that the VLM read one by one, or the VLM over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from vlasync.errors import VlasyncError
from vlasync.models.features import FrameFeatures, remembered
from vlasync.models.images import prepare_images
from vlasync.models.sequence import ActionTokens
from vlasync.models.vlm import VLM

History = Literal["policy_head", "interleaved", "one_step"]
"""Who looks back on the frames of a window.

policy_head: the VLM reads each frame by itself, the policy head reads what it read of W frames.
interleaved: the VLM reads a sentence and all frames in one sequence, the policy head reads frame by frame.
one_step: nobody; VLM and policy head read frame by frame.
"""

_CHANGE = 1e-5  # of hidden states relative to the largest; what is masked changes nothing but rounding


@dataclass(frozen=True, kw_only=True)
class FrameStream:
    """What a rollout remembers where the VLM itself looks back: the last T frames, T from 0 to the window size.

    Attributes:
        pixels: `[B, T, I, 3, h, w]` after the VLM's `image_transform`.
        state: `[B, T, S]` float32.
        features: of each frame's images; see `remembered`.
    """

    pixels: torch.Tensor
    state: torch.Tensor
    features: Sequence[FrameFeatures] = ()


def no_frames(vlm: VLM, rows: int, *, num_images: int, state_size: int) -> FrameStream:
    """The beginning of `rows` rollouts."""
    device = vlm.model.device
    size = (vlm.image_transform.height, vlm.image_transform.width)
    return FrameStream(
        pixels=torch.zeros(rows, 0, num_images, 3, *size, device=device),
        state=torch.zeros(rows, 0, state_size, device=device),
    )


def read_next(
    vlm: VLM,
    tokens: ActionTokens,
    stream: FrameStream,
    pixels: torch.Tensor,
    state: torch.Tensor,
    sentences: Sequence[str],
    *,
    window_size: int,
) -> tuple[FrameStream, torch.Tensor]:
    """Read the window that ends with a new frame; equal to the last frame of the window read at once.

    The VLM reads the whole window, whose oldest frame leaves it, but sees the images of the new frame alone.

    Args:
        vlm: reads.
        tokens: what it reads, interleaved.
        stream: the frames before.
        pixels: `[B, I, 3, h, w]` of the new frame, after `image_transform`.
        state: `[B, S]` of the new frame.
        sentences: B instructions.
        window_size: W, frames in a full window.

    Returns:
        The new stream, and action embeddings `[B, n, D]` of the new frame.
    """
    past = slice(max(0, stream.state.shape[1] + 1 - window_size), None)
    window = torch.cat([stream.pixels[:, past], pixels.unsqueeze(1)], dim=1)
    states = torch.cat([stream.state[:, past], state.unsqueeze(1)], dim=1)
    with remembered(vlm, stream.features[past], pixels) as features:
        embeddings = tokens.embed(sentences, window.flatten(0, 1), states.flatten(0, 1))
    newest = embeddings.unflatten(0, states.shape[:2])[:, -1]
    return FrameStream(pixels=window, state=states, features=features), newest


@torch.no_grad()
def require_order(vlm: VLM, tokens: ActionTokens, *, num_images: int, state_size: int) -> None:
    """Make sure, on noise, that no frame of a sequence is read in the light of a later one.

    A policy would be trained on the future then, which it does not have on a robot.

    Raises:
        VlasyncError: what is read of the first frame depends on the second one.
    """
    first, second, other = noise_pixels(vlm, 3, num_images=num_images)
    state = torch.zeros(2, state_size, device=first.device)
    trained = vlm.training
    vlm.eval()
    read, again = (tokens.embed(["go on"], torch.stack([first, later]), state)[0] for later in (second, other))
    vlm.train(trained)
    if (change := float((again - read).abs().max() / read.abs().max())) > _CHANGE:
        raise VlasyncError(
            f"history 'interleaved': {vlm.model.config.model_type} reads its prompt in both directions: what it reads "
            f"of a frame changes by {change:.0e} with the next one, so it would be trained on the future; use "
            "'policy_head' or a VLM that reads causally"
        )


def noise_pixels(vlm: VLM, frames: int, *, num_images: int) -> torch.Tensor:
    """Images of noise, the same at every call, as the VLM wants them: `[N, I, 3, h, w]`."""
    transform = vlm.image_transform
    shape = (frames * num_images, 3, transform.height, transform.width)
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return prepare_images(images.to(vlm.model.device), transform).unflatten(0, (frames, num_images))
