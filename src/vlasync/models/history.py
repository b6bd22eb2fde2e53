"""How a VLA looks back: the policy head over frames that the VLM read one by one, or the VLM over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from vlasync.errors import VlasyncError
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
    """What a rollout remembers where the VLM itself looks back.

    Attributes:
        images: camera name -> `[B, T, 3, H, W']` uint8 of the last T frames, T from 0 to the window size.
        state: `[B, T, S]` float32.
    """

    images: Mapping[str, torch.Tensor]
    state: torch.Tensor

    def followed_by(self, images: Mapping[str, torch.Tensor], state: torch.Tensor, *, window_size: int) -> FrameStream:
        """The last frames with a new one, images `[B, 3, H, W']` and state `[B, S]`, behind them."""

        def append(past: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
            return torch.cat([past.to(new.device), new.unsqueeze(1)], dim=1)[:, -window_size:]

        return FrameStream(
            images={name: append(past, images[name]) for name, past in self.images.items()},
            state=append(self.state, state),
        )


@torch.no_grad()
def require_order(vlm: VLM, tokens: ActionTokens, *, num_images: int, state_size: int) -> None:
    """Make sure, on noise, that no frame of a sequence is read in the light of a later one.

    A policy would be trained on the future then, which it does not have on a robot.

    Raises:
        VlasyncError: what is read of the first frame depends on the second one.
    """
    device = tokens.embeddings.device
    noise = torch.Generator().manual_seed(0)
    size = (vlm.image_transform.height, vlm.image_transform.width)
    first, second, other = torch.rand(3, num_images, 3, *size, generator=noise).to(device)
    state = torch.zeros(2, state_size, device=device)
    trained = vlm.training
    vlm.eval()
    read, again = (tokens.embed(["go on"], torch.stack([first, later]), state)[0] for later in (second, other))
    vlm.train(trained)
    if (change := float((again - read).abs().max() / read.abs().max())) > _CHANGE:
        raise VlasyncError(
            f"history 'interleaved': {vlm.model.config.model_type} reads its prompt in both directions (another later "
            f"frame changes what is read of an earlier one by {change:.0e}), so it would be trained on the future; use "
            "'policy_head' or a VLM that reads causally"
        )
