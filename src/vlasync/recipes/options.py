"""What `vlasync record` and `vlasync train` are told: settings that take the place of the recording's or the recipe's.

The records stand apart from what they set, so that the help does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from vlasync.actions.representations import Representation
from vlasync.data.layouts import ImageCoding
from vlasync.models.compute import BY_DEVICE, Compute


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """What to record.

    Attributes:
        tasks: tasks to demonstrate or to play; all that the expert knows by default.
        episodes: demonstrations per task and scene; in play style, recordings per scene.
        scenes: which of the scenes A to D (`A,B,C`), recorded one after the other.
        style: task: one task per episode, from a start of its own. play: long recordings of one task after the other
            without a reset, with a sentence wherever a task was achieved.
        play_frames: length of a recording in play style, at 30 frames per second.
        format: `store` for training, `calvin` for CALVIN's own layout.
        images: how a store keeps images: raw, which trains fastest and is the default; lossless, a fourth of the space
            or less; or jpeg, which decodes faster than that and changes pixels a little.
        image_size: side of the static and of the gripper camera's images, px.
        seed: of starts, sentences, perturbations and the order of play; the same seed gives the same bytes.
    """

    tasks: tuple[str, ...] = ()
    episodes: int = 20
    scenes: tuple[str, ...] = ("D",)
    style: Literal["task", "play"] = "task"
    play_frames: int = 900
    format: Literal["store", "calvin"] = "store"
    images: ImageCoding | None = None
    image_size: tuple[int, int] = (200, 84)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """What trains of a VLM.

    Attributes:
        tuning: its weights, low-rank updates of them (qlora: over weights in 4 bits), or nothing; [LRN] and head always
            train.
        parts: parts that are tuned; all of them by default.
        decoder_layers: of the decoder only the last so many layers are tuned.
        lora_rank: rank of the updates, where the tuning is lora or qlora.
    """

    tuning: Literal["full", "lora", "qlora", "frozen"] | None = None
    parts: tuple[Literal["vision", "projector", "text_embedding", "decoder"], ...] | None = None
    decoder_layers: int | None = None
    lora_rank: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TuningOptions):
    """Settings instead of the recipe's.

    Attributes:
        steps: optimiser steps.
        batch_size: windows per process.
        seed: of weights, order, changes of images and dropout.
        actions: representation that the model learns; demonstrations are converted to it, and evaluation converts back
            to what the robot wants.
        head: policy head: fc, lstm, gpt, discrete, flow, or one that an installed package brings.
        cameras: image streams, in the order of the prompt; another robot has other ones than CALVIN's two.
        history: who looks back: the policy head over a window, the VLM over its frames in one sequence, or nobody.
        readout: what becomes the action embeddings: hidden states at [LRN], or those of all tokens of a frame, pooled.
        color_jitter: how far brightness, contrast, saturation and hue change at random in training, as torchvision's
            ColorJitter counts, as `0.3 0.3 0.3 0.03`; for a policy that is to drive under other light or colours.
        cut_mix: camera and share of its windows that show in a rectangle what another window shows there, as `static
            0.7`; for a policy that is to drive in another scene than the few that it trains in.
        compute: how the VLM is computed, which is no part of the recipe: a run may go on in another way.
    """

    steps: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    actions: Representation | None = None
    head: str | None = None
    cameras: tuple[str, ...] | None = None
    history: Literal["policy_head", "interleaved", "one_step"] | None = None
    readout: Literal["lrn", "pooled"] | None = None
    color_jitter: tuple[float, float, float, float] | None = None
    cut_mix: dict[str, float] | None = None
    compute: Annotated[Compute, tyro.conf.arg(name="")] = BY_DEVICE
