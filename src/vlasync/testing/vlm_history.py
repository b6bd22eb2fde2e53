"""The clause of a VLM's contract about the history that it carries itself."""

from __future__ import annotations

import math

import torch

from vlasync.errors import VlasyncError
from vlasync.models.history import no_frames, noise_pixels, read_next, require_order
from vlasync.models.sequence import ActionTokens
from vlasync.models.vla import VLA
from vlasync.testing.clause import TOLERANCE, BrokenClauseError, difference, require_equal
from vlasync.testing.families import SENTENCES

REFUSED = "refused: "
"""How the clause begins where a VLM is refused as one that carries history, which keeps the contract, too."""

AGAIN = "at each step"
"""How it ends where a VLM computes its vision features in a way that they cannot be remembered."""

_WINDOW = 3


@torch.no_grad()
def frames_follow_one_another(vla: VLA) -> str:
    """Interleaved, a frame reaches itself and later ones alone, and streaming equals windowed; or it is refused."""
    vlm, images, sentences = vla.vlm, len(vla.config.cameras), SENTENCES[:2]
    torch.manual_seed(0)  # of [LRN]
    tokens = ActionTokens(vlm, latent=2, num_images=images, state=vla.tokens.state, interleaved=True)
    tokens.to(vla.tokens.embeddings.device)
    try:
        require_order(vlm, tokens, num_images=images, state_size=vla.spec.state_size)
    except VlasyncError as error:
        return f"{REFUSED}{error}"
    rows = (len(sentences), _WINDOW)
    pixels = noise_pixels(vlm, math.prod(rows), num_images=images).unflatten(0, rows)
    state = torch.rand(*rows, vla.spec.state_size, generator=torch.Generator().manual_seed(0)).to(pixels.device)

    def read(pixels: torch.Tensor) -> torch.Tensor:
        return tokens.embed(sentences, pixels.flatten(0, 1), state.flatten(0, 1)).unflatten(0, rows)

    window = read(pixels)
    for camera, name in enumerate(vla.config.cameras):
        changed = pixels.clone()
        changed[:, 1, camera] = pixels[:, 0, camera]
        _require_order_of(read(changed), window, name)
    stream = no_frames(vlm, len(sentences), num_images=images, state_size=vla.spec.state_size)
    streamed = []
    for frame in range(_WINDOW):
        stream, newest = read_next(
            vlm, tokens, stream, pixels[:, frame], state[:, frame], sentences, window_size=_WINDOW
        )
        streamed.append(newest)
    equal = require_equal(torch.stack(streamed, dim=1), window)
    return f"{equal}; streaming looks at the images of a frame {'once' if stream.features else AGAIN}"


def _require_order_of(again: torch.Tensor, window: torch.Tensor, camera: str) -> None:
    """With another second frame, the first of `[B, 3, n, D]` stays and the others do not."""
    first, *later = (difference(again[:, frame], window[:, frame]) for frame in range(_WINDOW))
    if first > TOLERANCE:
        raise BrokenClauseError(f"{camera} of the second frame changes what is read of the first by {first:.1e}")
    if min(later) <= TOLERANCE:
        raise BrokenClauseError(f"{camera} of the second frame does not change what is read of it and the third")
