"""A small causal transformer over embeddings: the decoder layers of Llama, without a vocabulary."""

from __future__ import annotations

import torch
from torch import nn
from transformers import Cache, DynamicCache, LlamaConfig, LlamaModel

from vlasync.errors import VlasyncError

_EXPANSION = 4  # width of the feed-forward layers as a multiple of the hidden width, as in most transformers


class CausalTransformer(nn.Module):
    """`[N, T, H]` -> `[N, T, H]`; place t sees the places up to t, whose order rotary positions tell."""

    def __init__(self, *, hidden: int, layers: int, attention_heads: int) -> None:
        """Build the layers.

        Args:
            hidden: width H.
            layers: transformer layers.
            attention_heads: per layer; `hidden` must be an even multiple of it.

        Raises:
            VlasyncError: the width does not divide among the attention heads.
        """
        super().__init__()
        if hidden % (2 * attention_heads):
            raise VlasyncError(
                f"policy head: hidden is {hidden}, attention_heads {attention_heads}; hidden must be a multiple of "
                f"{2 * attention_heads}, since rotary positions turn pairs of numbers in each attention head"
            )
        self.decoder = LlamaModel(
            LlamaConfig(
                vocab_size=1,
                hidden_size=hidden,
                intermediate_size=_EXPANSION * hidden,
                num_hidden_layers=layers,
                num_attention_heads=attention_heads,
                initializer_range=hidden**-0.5,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
        del self.decoder.embed_tokens  # a parameter that nothing uses would stall distributed training

    def forward(self, inputs: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Hidden states of new places; those before them, if any, come from the cache, which takes the new ones in."""
        return self.decoder(inputs_embeds=inputs, past_key_values=cache, use_cache=cache is not None).last_hidden_state

    def new_cache(self) -> Cache:
        """An empty cache of keys and values."""
        return DynamicCache(config=self.decoder.config)


class WindowReader(nn.Module):
    """The frames of a window, `[B, T, n, D]` -> `[B, T, H]`: one place per frame, read causally."""

    def __init__(self, frame_size: int, *, hidden: int, layers: int, attention_heads: int) -> None:
        """Build the layers; `frame_size` is n * D, the rest as for `CausalTransformer`."""
        super().__init__()
        self.project = nn.Linear(frame_size, hidden)
        self.transformer = CausalTransformer(hidden=hidden, layers=layers, attention_heads=attention_heads)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """What each frame knows of itself and the frames before it."""
        return self.transformer(self.project(embeddings.flatten(2)))
