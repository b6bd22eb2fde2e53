"""RoboVLMs' policy heads under the contract of vlasync's, with their layers, parameter names and numbers.

The layers follow its commit 8adc1d2. Three things differ in form and not in number. Its heads keep the rollout in
hidden attributes, which a windowed call leaves dirty; here the stream is explicit. Its LSTM steps on from its state
until the window is full and reads the window again from then on; reading again from the start gives the same. And its
GPT-2 is a copy of the one that transformers has.

Action embeddings come as `latent` per frame; its `down_sample: pooling` changes nothing then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from transformers import GPT2Config, GPT2Model

from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.chunks import ChunkPrediction
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead
from vlasync.models.losses import LossConfig

LOSS = LossConfig(pose="huber", gripper_weight=0.01)
"""The loss that its trainer minimises."""

_WIDTHS = (1024, 512, 256)  # hidden layers of its action and gripper MLPs
_GPT_LAYERS = _GPT_HEADS = 8

# Constants that its GPT-2 stores with the weights: the causal mask and the score of what it hides.
_CONSTANTS = (".attn.bias", ".attn.masked_bias")


@dataclass(frozen=True, kw_only=True)
class LSTMDecoderConfig(HeadConfig):
    """Its `LSTMDecoder`.

    Attributes:
        hidden_size: width of the LSTM per action embedding.
        num_layers: layers of the LSTM.
        policy_rnn_dropout_p: dropout between them in training.
    """

    kind: str = field(default="robovlms-lstm", init=False)
    hidden_size: int = 1024
    num_layers: int = 4
    policy_rnn_dropout_p: float = 0.0

    def build(self, shape: HeadShape) -> LSTMDecoder:
        """A new head."""
        return LSTMDecoder(self, shape)


@dataclass(frozen=True, kw_only=True)
class FCDecoderConfig(HeadConfig):
    """Its `FCDecoder`.

    Attributes:
        hidden_size: width behind the first MLP per action embedding.
    """

    kind: str = field(default="robovlms-fc", init=False)
    hidden_size: int = 1024

    def build(self, shape: HeadShape) -> FCDecoder:
        """A new head."""
        return FCDecoder(self, shape)


@dataclass(frozen=True, kw_only=True)
class GPTDecoderConfig(HeadConfig):
    """Its `GPTDecoder`.

    Attributes:
        hidden_size: width of its GPT-2 per action embedding.
    """

    kind: str = field(default="robovlms-gpt", init=False)
    hidden_size: int = 1024

    def build(self, shape: HeadShape) -> GPTDecoder:
        """A new head."""
        return GPTDecoder(self, shape)


DECODERS: Mapping[str, type[HeadConfig]] = {
    "LSTMDecoder": LSTMDecoderConfig,
    "FCDecoder": FCDecoderConfig,
    "GPTDecoder": GPTDecoderConfig,
}
"""The `type` of its `act_head` setting -> class of the config."""


class _Decoder(PolicyHead):
    """What its three heads share: an MLP with tanh for the pose, and one without for the gripper."""

    def __init__(self, shape: HeadShape, *, width: int, history: int) -> None:
        super().__init__(shape, history=history)
        self.actions = _MLP(width, shape.chunk_size * shape.pose_size)
        self.gripper = _MLP(width, shape.chunk_size)

    def predict(self, context: torch.Tensor) -> ChunkPrediction:
        """See `PolicyHead.predict`; poses stay within -1 and 1."""
        pose = self.actions(context).tanh().unflatten(-1, (self.shape.chunk_size, self.shape.pose_size))
        return ChunkPrediction(pose=pose, gripper=self.gripper(context))


class LSTMDecoder(_Decoder):
    """An LSTM over the window."""

    def __init__(self, config: LSTMDecoderConfig, shape: HeadShape) -> None:
        width = config.hidden_size * shape.latent
        super().__init__(shape, width=width, history=shape.window_size)
        self.rnn = nn.LSTM(
            shape.frame_size, width, config.num_layers, batch_first=True, dropout=config.policy_rnn_dropout_p
        )
        _xavier(self)

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        hidden, _ = self.rnn(embeddings.flatten(2))
        return hidden


class FCDecoder(_Decoder):
    """An MLP on the frame itself."""

    def __init__(self, config: FCDecoderConfig, shape: HeadShape) -> None:
        width, half = config.hidden_size * shape.latent, shape.frame_size // 2
        super().__init__(shape, width=width, history=1)
        self.mlp = nn.Sequential(nn.Linear(shape.frame_size, half), nn.ReLU(), nn.Linear(half, width))
        _xavier(self)

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.mlp(embeddings.flatten(2))


class GPTDecoder(_Decoder):
    """GPT-2 over the window, with learnt positions."""

    def __init__(self, config: GPTDecoderConfig, shape: HeadShape) -> None:
        width = config.hidden_size * shape.latent
        super().__init__(shape, width=width, history=shape.window_size)
        if config.hidden_size != shape.embedding_size and shape.latent > 1:
            raise VlasyncError(
                f"GPTDecoder: hidden_size is {config.hidden_size}, the VLM's width {shape.embedding_size}; with "
                f"{shape.latent} action embeddings per frame it needs both to be equal"
            )
        self.fc = nn.Identity() if width == shape.frame_size else nn.Linear(shape.frame_size, width)
        self.gpt = GPT2Model(
            GPT2Config(
                vocab_size=1,
                n_positions=shape.window_size,
                n_embd=width,
                n_layer=_GPT_LAYERS,
                n_head=_GPT_HEADS,
                bos_token_id=None,
                eos_token_id=None,
            )
        )
        del self.gpt.wte  # it reads embeddings, not words

    def read(self, embeddings: torch.Tensor) -> torch.Tensor:
        """See `PolicyHead.read`."""
        return self.gpt(inputs_embeds=self.fc(embeddings.flatten(2)), use_cache=False).last_hidden_state


def decoder_config(act_head: Mapping[str, Any]) -> HeadConfig:
    """The config of a head from the `act_head` part of a RoboVLMs JSON file.

    Args:
        act_head: its settings. Those that a head has no use for, such as `window_size` and `fwd_pred_next_n`, which its
            trainer takes from elsewhere, are left out.

    Raises:
        VlasyncError: a `type` without continuous chunks.
    """
    kind = str(act_head.get("type"))
    if kind not in DECODERS:
        raise VlasyncError(f"act_head.type: got {kind!r}, expected one of {', '.join(DECODERS)}")
    config = DECODERS[kind]
    known = {name for name, setting in config.__dataclass_fields__.items() if setting.init}
    return config(**{name: value for name, value in act_head.items() if name in known})


def load_decoder(head: PolicyHead, weights: Mapping[str, torch.Tensor], *, source: str) -> None:
    """Put RoboVLMs' weights of a head into one that a config of this module built, every one of them.

    Args:
        head: takes the weights.
        weights: by RoboVLMs' names within its `act_head`.
        source: where they come from, for messages.

    Raises:
        CheckpointError: weights are missing, left over or of another shape.
    """
    kept = {name: value for name, value in weights.items() if not is_constant(name)}
    expected = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in kept.items()}
    if odd := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        name = odd[0]
        raise CheckpointError(
            f"{source}: {len(odd)} weights of the policy head do not fit its config, first {name!r}: "
            f"{found.get(name, 'missing')} in the file, {expected.get(name, 'missing')} in the head"
        )
    head.load_state_dict(kept)


def is_constant(name: str) -> bool:
    """Whether RoboVLMs' file has under this name what its GPT-2 computes anew."""
    return name.endswith(_CONSTANTS)


class _MLP(nn.Module):
    """Four linear layers with ReLU between them, named as RoboVLMs names them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        sizes = (inputs, *_WIDTHS)
        layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
        self.mlp = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.mlp(inputs)


def _xavier(head: nn.Module) -> None:
    """Draw its linear layers as RoboVLMs does for LSTM and FC."""
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
