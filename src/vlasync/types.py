"""The records that parts of vlasync hand to one another: frozen, with shapes in the fields.

Index t is one clock for all streams: images[t] and state[t] were seen before action[t], and action[t] takes state[t] to
state[t + 1]. Shapes: T frames, B batch, W window, K chunk, S state size, H x W' pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.spec import SyncSpec


class ImageStream(Protocol):
    """Images of one camera, `[T, H, W', 3]` uint8; an array, a memory map, or a reader that opens files on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(T, H, W', 3)`."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, kw_only=True)
class LanguageSpan:
    """A sentence and the frames it describes, `first..last`, both inclusive and counted from the episode's start."""

    first: int
    last: int
    sentence: str
    task: str


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One uninterrupted demonstration; every stream has length T.

    Attributes:
        name: where it comes from, for messages (`training/0000100-0000725`).
        spec: what the numbers mean.
        images: camera name -> `[T, H, W', 3]` uint8.
        state: `[T, S]` float64, sliced by `spec.state_layout`.
        actions: `[T, n]` float64 in the representation of `spec`, n = `spec.action_size` (7 with Euler angles).
        scene: `[T, 24]` float64 simulator state (CALVIN's `scene_obs`), or None where there is no simulator.
        frame_index: `[T]` int64, the number that each frame has in its dataset.
        language: sentences, which may overlap and need not cover every frame.
        timestamps: `[T]` seconds on the recorder's clock; None where frame t stands for `t / spec.rate_hz`.
        scene_name: which of several simulated scenes it comes from (`D` for CALVIN's scene D), where that is known.
    """

    name: str
    spec: SyncSpec
    images: Mapping[str, ImageStream]
    state: NDArray[np.float64]
    actions: NDArray[np.float64]
    scene: NDArray[np.float64] | None
    frame_index: NDArray[np.int64]
    language: tuple[LanguageSpan, ...]
    timestamps: NDArray[np.float64] | None = None
    scene_name: str | None = None

    def __len__(self) -> int:
        return len(self.state)


@dataclass(frozen=True, kw_only=True)
class Window:
    """W consecutive frames under one sentence, with a chunk of K future actions for each.

    Attributes:
        images: camera name -> `[W, 3, H, W']` uint8.
        state: `[W, S]` float32.
        actions: `[W, K, n]` float32, `actions[w, k]` is the action of frame w + k.
        chunk_mask: `[W, K]` bool, False where frame w + k lies past the sentence (or w past its end).
        sentence: the instruction.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: NDArray[np.float32]
    actions: NDArray[np.float32]
    chunk_mask: NDArray[np.bool_]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B windows as tensors; images stay uint8 until they are on the device that uses them.

    Attributes:
        images: camera name -> `[B, W, 3, H, W']` uint8.
        state: `[B, W, S]` float32.
        actions: `[B, W, K, n]` float32, raw (not normalised), in the representation of the windows' SyncSpec.
        chunk_mask: `[B, W, K]` bool.
        sentences: B instructions.
    """

    images: Mapping[str, torch.Tensor]
    state: torch.Tensor
    actions: torch.Tensor
    chunk_mask: torch.Tensor
    sentences: tuple[str, ...]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        return Batch(
            images={name: image.to(device, non_blocking=True) for name, image in self.images.items()},
            state=self.state.to(device, non_blocking=True),
            actions=self.actions.to(device, non_blocking=True),
            chunk_mask=self.chunk_mask.to(device, non_blocking=True),
            sentences=self.sentences,
        )


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a robot sees at one instant.

    Attributes:
        images: camera name -> `[H, W', 3]` uint8.
        state: `[S]` float64, sliced by the SyncSpec's `state_layout`.
        scene: `[24]` float64 simulator state, or None on a real robot; never shown to a policy.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: NDArray[np.float64]
    scene: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class ActionChunk:
    """The K actions that a policy intends from one frame on.

    Attributes:
        actions: `[K, n]` float64 in the representation of `spec`, gripper already one of its two numbers.
        spec: what the numbers mean.
    """

    actions: NDArray[np.float64]
    spec: SyncSpec
