"""What it could save to compute the text of frames that follow one sentence once, in floating point operations.

    python benchmarks/text_sharing.py

Frames of a window, and steps of a rollout, repeat their sentence. Where a decoder reads causally, what it computes for
tokens before the first image does not depend on the frame, and could be computed once. So this counts these tokens in
the families' own prompts, and all tokens of text, which a prompt with its text first would have there. A token costs a
decoder two operations per weight, and a patch the tower; the largest saving is that of a rollout, which computes shared
tokens not at all. Models of the published sizes lie on the meta device: nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from gpu import MODELS, SENTENCE, ModelSize, random_vlm
from vlasync.models.parts import vlm_parts
from vlasync.models.pieces import cut_prompt

CAMERAS = 2
PATCHES = (224 // 14) ** 2  # of an image, in both published towers


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """The prompt of one frame, and what of its forward pass text costs.

    Attributes:
        tokens: of the prompt.
        text: those that are no image's.
        before: those before the first image.
        cost: share of all operations that the decoder spends on one token.
    """

    tokens: int
    text: int
    before: int
    cost: float


def sharing(size: ModelSize) -> Sharing:
    """Count for a VLM of this size."""
    vlm = random_vlm(size, torch.device("meta"))
    prompt, pieces = vlm.prompt(SENTENCE, CAMERAS), cut_prompt(vlm.prompt, SENTENCE, CAMERAS)
    first = prompt.fields["input_ids"][: len(pieces.text)] == pieces.text.fields["input_ids"]
    weights = {"vision": 0, "decoder": 0}
    for name, part in vlm_parts(vlm).items():
        if part in weights:
            weights[part] += vlm.model.get_parameter(name).numel()
    all_operations = CAMERAS * PATCHES * weights["vision"] + len(prompt) * weights["decoder"]
    return Sharing(
        tokens=len(prompt),
        text=len(prompt) - len(pieces.images),
        before=int(first.long().cumprod(0).sum()),
        cost=weights["decoder"] / all_operations,
    )


def main() -> None:
    """Count and show."""
    table = Table("", "tokens", "of text", "before the images", "saved by sharing these", "with all text first")
    for name in ("kosmos2", "paligemma"):
        found = sharing(MODELS[name])
        counts = (str(count) for count in (found.tokens, found.text, found.before))
        table.add_row(name, *counts, f"{found.before * found.cost:.1%}", f"{found.text * found.cost:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
