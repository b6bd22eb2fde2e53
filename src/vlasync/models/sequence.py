"""What a VLM reads, and where the policy head reads it: a frame behind its prompt, or many frames behind one sentence.

Frame by frame, which is the rule, a row is `<prompt> [state] [LRN] ... [LRN] <padding>`, the VLM's own prompt as it is.
Interleaved, a row is `<text> <images> [state] [LRN] ... <images> [state] [LRN] ... <padding>`, one group per frame.

[LRN] and the state token are real special tokens of the tokenizer, but their embeddings are parameters of the VLA, put
in place of the text embedding's output. So they train while the backbone is frozen, and the text table is not touched.
They follow what they summarise, so a causal VLM computes for the prompt what it always computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from vlasync.errors import VlasyncError
from vlasync.models.layout import PromptLayout
from vlasync.models.pieces import cut_prompt
from vlasync.models.prompt import PromptTokens, joined
from vlasync.models.state import StateEncoder
from vlasync.models.vlm import VLM
from vlasync.spec import TokenLayout

Readout = Literal["lrn", "pooled"]
"""What becomes the n action embeddings of a frame: the hidden states at its [LRN], or those of its own tokens, pooled.

Pooled, the tokens of a frame, in order, are cut into n stretches as equal as they can be (adaptive pooling's rule), and
each gives the maximum over its hidden states; no [LRN] is written. RoboVLMs calls this `down_sample: pooling`.
"""

_STATE = "<|state|>"


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Rows of tokens, padded on the right.

    Attributes:
        fields: the VLM's per-token arguments, `[N, L]` int64 each.
        attention_mask: `[N, L]` int64, 0 at padding.
        places: `[N, T * n, M]` int64, for each action embedding of a row's T frames the M places it is read from.
    """

    fields: Mapping[str, torch.Tensor]
    attention_mask: torch.Tensor
    places: torch.Tensor

    def rows(self, index: torch.Tensor) -> TokenBatch:
        """The rows that `index` `[M]` names, on its device."""
        return TokenBatch(
            fields={name: value.to(index.device)[index] for name, value in self.fields.items()},
            attention_mask=self.attention_mask.to(index.device)[index],
            places=self.places.to(index.device)[index],
        )

    def read(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states `[N, L, D]` -> action embeddings `[N, T * n, D]`, the maximum over the places of each."""
        index = self.places.flatten(1).unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        return hidden.gather(1, index).unflatten(1, self.places.shape[1:]).amax(2)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row before padding: its tokens, and where each of its frames ends; the first begins at `start`."""

    tokens: PromptTokens
    start: int
    ends: Sequence[int]


class ActionTokens(nn.Module):
    """The learnable [LRN] and the optional state token behind what a VLM reads of a frame."""

    def __init__(
        self,
        vlm: VLM,
        *,
        latent: int,
        num_images: int,
        state: StateEncoder | None,
        prompt: PromptLayout | None = None,
        interleaved: bool = False,
        readout: Readout = "lrn",
    ) -> None:
        """Add the tokens to the VLM's tokenizer and create their embeddings.

        Args:
            vlm: whose prompt they follow; kept out of this module's parameters.
            latent: number n of action embeddings per frame.
            num_images: images per frame.
            state: encoder of the state token, or None for no such token.
            prompt: what they follow instead of the VLM's own prompt.
            interleaved: write the frames of a window behind one sentence, in place of one prompt per frame.
            readout: where action embeddings are read.
        """
        super().__init__()
        if latent < 1:
            raise VlasyncError(f"latent is {latent}; a frame needs at least 1 action token")
        self._vlm = (vlm,)  # in a tuple, so that it does not become a submodule a second time
        self._num_images, self._latent = num_images, latent
        self._layout, self._interleaved, self._readout = prompt, interleaved, readout
        written = latent if readout == "lrn" else 0
        self._first_id, self._ids = _add_tokens(vlm, written, with_state=state is not None)
        self.state = state
        self.embeddings = nn.Parameter(_like_text(vlm, written))  # [n, D], or [0, D] where none is written

    @property
    def layout(self) -> TokenLayout:
        """The order of the sequence in words, for the SyncSpec."""
        prompt = "prompt" if self._layout is None else self._layout.words
        inserted = [word for word, there in (("[state]", self.state), ("[LRN]", len(self.embeddings))) if there]
        frame = " ".join(["text (images" if self._interleaved else prompt, *inserted])
        words = f"{frame}) for each frame" if self._interleaved else frame
        return TokenLayout(layout=words if self._readout == "lrn" else f"{words}, pooled", latent=self._latent)

    def embed(self, sentences: Sequence[str], pixels: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Action embeddings of the frames of N rows, T frames each, row by row; T is 1 unless rows are interleaved.

        Args:
            sentences: N instructions.
            pixels: `[N * T, I, 3, h, w]` after the VLM's `image_transform`.
            state: `[N * T, S]`.

        Returns:
            `[N * T, n, D]`.
        """
        rows = self.assemble(sentences, pixels.device, frames=len(pixels) // len(sentences))
        with self.inserted(self.values(state)):
            hidden = self._vlm[0](rows.fields, rows.attention_mask, pixels)  # [N, L, D]
        return rows.read(hidden).reshape(len(pixels), self._latent, -1)

    def assemble(self, sentences: Sequence[str], device: torch.device, *, frames: int = 1) -> TokenBatch:
        """Token rows for N sentences with `frames` frames each; equal sentences are written once."""
        unique = list(dict.fromkeys(sentences))
        row_of = {sentence: row for row, sentence in enumerate(unique)}
        index = torch.tensor([row_of[sentence] for sentence in sentences], device=device)
        return self._pad([self._row(sentence, frames) for sentence in unique]).rows(index)

    def values(self, state: torch.Tensor) -> torch.Tensor:
        """Embeddings of the inserted tokens, `[N, S]` -> `[N, 1 + n, D]` with a state token, else `[N, n, D]`."""
        latent = self.embeddings.expand(len(state), -1, -1)
        if self.state is None:
            return latent
        return torch.cat([self.state(state).unsqueeze(1).to(latent.dtype), latent], dim=1)

    @contextmanager
    def inserted(self, values: torch.Tensor) -> Iterator[None]:
        """While it lasts, the VLM's text embedding gives `values` `[N, 1 + n, D]` at the inserted tokens.

        Hooks on the embedding keep the VLM's forward and its parameter names as they are; they are gone afterwards.
        """
        places: list[torch.Tensor] = []

        def hide(_: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            """Look up row 0 in place of ids that the table lacks; `put` overwrites what it gives."""
            ids = args[0]
            places.append(ids >= self._first_id)
            return (ids.masked_fill(places[-1], 0), *args[1:])

        def put(_: nn.Module, __: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            return output.masked_scatter(places.pop().unsqueeze(-1), values.to(output.dtype))

        embedding = self._vlm[0].token_embedding
        handles = (embedding.register_forward_pre_hook(hide), embedding.register_forward_hook(put))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _row(self, sentence: str, frames: int) -> _Row:
        """The tokens for one sentence and the places of its frames."""
        if not self._interleaved:
            prompt = self._prompt(sentence, self._num_images)
            tokens = joined([prompt, self._inserted(prompt)])
            return _Row(tokens=tokens, start=0, ends=[len(tokens)])
        pieces = cut_prompt(self._prompt, sentence, self._num_images)
        frame = joined([pieces.images, self._inserted(pieces.images)])
        start = len(pieces.text)
        ends = range(start + len(frame), start + frames * len(frame) + 1, len(frame))
        return _Row(tokens=joined([pieces.text, *[frame] * frames]), start=start, ends=ends)

    def _prompt(self, sentence: str, num_images: int) -> PromptTokens:
        vlm = self._vlm[0]
        if self._layout is None:
            return vlm.prompt(sentence, num_images)
        return self._layout.tokens(vlm, sentence, num_images)

    def _inserted(self, like: PromptTokens) -> PromptTokens:
        """[state] and [LRN], with the token fields of `like`."""
        values = {name: self._vlm[0].inserted_value(name) for name in like.fields}
        fields = {name: torch.full_like(self._ids, value) for name, value in values.items()}
        return PromptTokens(fields={**fields, "input_ids": self._ids})

    def _pad(self, rows: Sequence[_Row]) -> TokenBatch:
        vlm = self._vlm[0]
        padding = {name: vlm.inserted_value(name) for name in rows[0].tokens.fields} | {"input_ids": vlm.padding_id}
        lengths = torch.tensor([len(row.tokens) for row in rows])
        return TokenBatch(
            fields={
                name: pad_sequence([row.tokens.fields[name] for row in rows], batch_first=True, padding_value=value)
                for name, value in padding.items()
            },
            attention_mask=(torch.arange(int(lengths.max())) < lengths[:, None]).long(),
            places=self._places(rows),
        )

    def _places(self, rows: Sequence[_Row]) -> torch.Tensor:
        """Where the action embeddings of the rows' frames are read, `[N, T * n, M]`."""
        frames = torch.tensor([list(pairwise([row.start, *row.ends])) for row in rows])  # [N, T, (first, end)]
        first, end = frames.unsqueeze(-1).unbind(2)  # [N, T, 1] each
        step = torch.arange(self._latent)
        if self._readout == "lrn":
            return (end - self._latent + step).flatten(1).unsqueeze(-1)
        length = end - first
        start = first + step * length // self._latent
        stop = first - (-(step + 1) * length // self._latent)  # rounded up
        width = torch.arange(int((stop - start).max()))
        return (start.unsqueeze(-1) + width).minimum(stop.unsqueeze(-1) - 1).flatten(1, 2)  # the last one repeats


def _add_tokens(vlm: VLM, latent: int, *, with_state: bool) -> tuple[int, torch.Tensor]:
    """Ids of the inserted tokens in order, and the id from which on all ids are inserted tokens."""
    names = [_STATE, *(f"<|lrn_{index}|>" for index in range(latent))]
    vlm.tokenizer.add_tokens(names, special_tokens=True)
    ids = torch.tensor(vlm.tokenizer.convert_tokens_to_ids(names))
    first = int(ids[0])
    if not torch.equal(ids, torch.arange(first, first + len(ids))):
        raise VlasyncError(f"the tokenizer gives {names} the ids {ids.tolist()}; they must be its last and consecutive")
    return first, ids if with_state else ids[1:]


def _like_text(vlm: VLM, count: int) -> torch.Tensor:
    """Random vectors with the scale of the VLM's text embeddings, so that [LRN] enters like any other token."""
    with torch.no_grad():
        weight = next(vlm.token_embedding.parameters())
        words = vlm.token_embedding(torch.arange(min(256, len(weight)), device=weight.device))
    return torch.randn(count, vlm.hidden_size) * words.float().std().cpu()
