"""Where the action tokens [LRN] stand: `<prompt> [state] [LRN] ... [LRN] <padding>`, the VLM's own prompt as a rule.

[LRN] and the state token are real special tokens of the tokenizer, but their embeddings are parameters of the VLA, put
in place of the text embedding's output. So they train while the backbone is frozen, and the text table is not touched.
They follow the prompt, so a causal VLM computes for the prompt what it always computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from vlasync.errors import VlasyncError
from vlasync.models.layout import PromptLayout
from vlasync.models.prompt import PromptTokens
from vlasync.models.state import StateEncoder
from vlasync.models.vlm import VLM
from vlasync.spec import TokenLayout

_STATE = "<|state|>"


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Rows of tokens, padded on the right.

    Attributes:
        fields: the VLM's per-token arguments, `[N, L]` int64 each.
        attention_mask: `[N, L]` int64, 0 at padding.
        read: `[N, n]` int64, positions of [LRN].
    """

    fields: Mapping[str, torch.Tensor]
    attention_mask: torch.Tensor
    read: torch.Tensor

    def rows(self, index: torch.Tensor) -> TokenBatch:
        """The rows that `index` `[M]` names, on its device."""
        return TokenBatch(
            fields={name: value.to(index.device)[index] for name, value in self.fields.items()},
            attention_mask=self.attention_mask.to(index.device)[index],
            read=self.read.to(index.device)[index],
        )


class ActionTokens(nn.Module):
    """The learnable [LRN] and the optional state token at the end of a VLM's prompt."""

    def __init__(
        self,
        vlm: VLM,
        *,
        latent: int,
        num_images: int,
        state: StateEncoder | None,
        prompt: PromptLayout | None = None,
    ) -> None:
        """Add the tokens to the VLM's tokenizer and create their embeddings.

        Args:
            vlm: whose prompt they follow; kept out of this module's parameters.
            latent: number n of [LRN] per frame.
            num_images: images per prompt.
            state: encoder of the state token, or None for no such token.
            prompt: what they follow instead of the VLM's own prompt.
        """
        super().__init__()
        if latent < 1:
            raise VlasyncError(f"latent is {latent}; a frame needs at least 1 action token")
        self._vlm = (vlm,)  # in a tuple, so that it does not become a submodule a second time
        self._num_images = num_images
        self._layout = prompt
        self._first_id, self._ids = _add_tokens(vlm, latent, with_state=state is not None)
        self.state = state
        self.embeddings = nn.Parameter(_like_text(vlm, latent))  # [n, D]

    @property
    def layout(self) -> TokenLayout:
        """The order of the sequence in words, for the SyncSpec."""
        prompt = "prompt" if self._layout is None else self._layout.words
        names = f"{prompt} [state] [LRN]" if self.state is not None else f"{prompt} [LRN]"
        return TokenLayout(layout=names, latent=len(self.embeddings))

    def assemble(self, sentences: Sequence[str], device: torch.device) -> TokenBatch:
        """Token rows for N sentences; equal sentences are written once."""
        unique = list(dict.fromkeys(sentences))
        row_of = {sentence: row for row, sentence in enumerate(unique)}
        index = torch.tensor([row_of[sentence] for sentence in sentences], device=device)
        return self._pad(unique).rows(index)

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

    def _prompt(self, sentence: str) -> PromptTokens:
        vlm = self._vlm[0]
        if self._layout is None:
            return vlm.prompt(sentence, self._num_images)
        return self._layout.tokens(vlm, sentence, self._num_images)

    def _pad(self, sentences: Sequence[str]) -> TokenBatch:
        vlm = self._vlm[0]
        prompts = [self._prompt(sentence) for sentence in sentences]
        extra = len(self._ids)
        length = max(len(prompt) for prompt in prompts) + extra
        fields: dict[str, torch.Tensor] = {}
        for name in prompts[0].fields:
            padding = vlm.padding_id if name == "input_ids" else vlm.inserted_value(name)
            table = torch.full((len(prompts), length), padding)
            for row, prompt in zip(table, prompts, strict=True):
                row[: len(prompt)] = prompt.fields[name]
                inserted = self._ids if name == "input_ids" else torch.tensor(vlm.inserted_value(name))
                row[len(prompt) : len(prompt) + extra] = inserted
            fields[name] = table
        ends = torch.tensor([len(prompt) + extra for prompt in prompts])
        latent = len(self.embeddings)
        return TokenBatch(
            fields=fields,
            attention_mask=(torch.arange(length) < ends[:, None]).long(),
            read=ends[:, None] - latent + torch.arange(latent),
        )


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
