"""Where RoboVLMs puts [LRN] while it trains: before the last place of the padded batch.

Its rows are `<s> images text [LRN] </s>` for the longest sentence of a batch, and
`<s> images text </s> <pad> ... <pad> [LRN] <pad>` for a shorter one, whose padding takes up positions, too. So the
actions for a sentence depend on the length of its batch-mates: in training alone, for a rollout has one sentence. In a
VLA [LRN] stands right behind each row's own text, which is what the original does in a rollout. This module has the
other placement, defect and all, for who compares with the original's training or goes on with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vlasync.models.sequence import TokenBatch
from vlasync.models.vla import VLA


def embed_batch(vla: VLA, pixels: torch.Tensor, sentences: Sequence[str]) -> torch.Tensor:
    """Action embeddings of single frames, as the original computes them for a batch.

    Args:
        vla: a converted one.
        pixels: `[N, I, 3, h, w]` after the VLA's `image_transform`, images in the order of its cameras.
        sentences: N instructions.

    Returns:
        `[N, n, D]`.
    """
    rows = batch_rows(vla, sentences, pixels.device)
    nothing = torch.zeros(len(pixels), 0, device=pixels.device)  # the original has no state token
    with vla.tokens.inserted(vla.tokens.values(nothing)):
        hidden = vla.vlm(rows.fields, rows.attention_mask, pixels)
    return rows.read(hidden)


def batch_rows(vla: VLA, sentences: Sequence[str], device: torch.device) -> TokenBatch:
    """Token rows of N sentences as the original writes them for a batch; arguments as for `embed_batch`."""
    own = vla.tokens.assemble(sentences, device)
    count, length = own.attention_mask.shape
    last = own.places.squeeze(-1)  # [N, n], of [LRN]
    latent = last.shape[1]
    longest, end_of_text, padding = length - latent, length, length + 1
    index = torch.full((count, longest + 1), padding, device=device)  # places of `own`, and two more behind them
    for row, end in zip(index, last[:, 0].tolist(), strict=True):
        row[:end] = torch.arange(end)
        row[end] = end_of_text
    index = torch.cat([index[:, :longest], last, index[:, longest:]], dim=1)
    fields = {
        name: torch.cat([value, _ends(vla, name).to(device).expand(count, -1)], dim=1).gather(1, index)
        for name, value in own.fields.items()
    }
    # Kosmos-2 counts positions from behind the padding's id and, left to itself, leaves padding out.
    fields["position_ids"] = torch.arange(index.shape[1], device=device).expand(count, -1) + vla.vlm.padding_id + 1
    return TokenBatch(
        fields=fields,
        attention_mask=(index != padding).long(),
        places=torch.arange(longest, length, device=device).expand(count, -1).unsqueeze(-1),
    )


def _ends(vla: VLA, field: str) -> torch.Tensor:
    """What a token field holds at the end of a text and at padding, `[2]`."""
    if field != "input_ids":
        return torch.tensor([vla.vlm.inserted_value(field)] * 2)
    return torch.tensor([vla.vlm.tokenizer.eos_token_id, vla.vlm.padding_id])
