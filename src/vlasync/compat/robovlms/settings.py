"""What a RoboVLMs config says, as far as it changes anything.

Each key of a file ends in one of three places: a field of `Settings`; an obstacle, if the original does something by it
that vlasync does not; or `idle`, if neither does. A key that the original reads under another name is idle, and so is
one that only steers the original's machinery (folders, workers, logging).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlasync.actions.normalization import MU
from vlasync.compat.robovlms.heads import decoder_config
from vlasync.compat.robovlms.json_config import Section, read_json
from vlasync.errors import VlasyncError
from vlasync.models.heads.head import HeadConfig
from vlasync.models.layout import PromptLayout
from vlasync.models.parts import VLM_PARTS, Part
from vlasync.models.tuning import Tuning
from vlasync.spec import Normalization, NormalizationKind, SyncSpec

PROMPTS = {"RoboKosMos": PromptLayout(text="<grounding>An image of a robot {sentence}")}
"""The original's class of a VLM -> the prompt that it writes; those whose computation a VLA repeats."""


# Section -> key -> the values that a VLA acts by, the original's own default first. Action tokens, one frame per prompt
# and a chunk of continuous poses are what a VLA has. `tcp_rel` rotates what is already normalised (and cannot be
# evaluated in the original); `regular_action` trains the gripper towards -2 and 2. Only of CALVIN's demonstrations does
# the file say what the actions mean.
_ACTING: dict[str, dict[str, tuple[Any, ...]]] = {
    "": {
        "robovlm_name": tuple(PROMPTS),
        "model": ("kosmos",),
        "use_vision_resampler": (False,),
        "tcp_rel": (False,),
        "regular_action": (False,),
        "mu_val": (MU,),
    },
    "act_head": {
        "action_space": ("continuous",),
        "history_type": ("post",),
        "action_dim": (7,),
        "fill_zero": (False,),
    },
    "tokenizer": {"additional_special_tokens": (None, [])},
    "train_dataset": {"type": ("DiskCalvinDataset",)},
}

# Likewise for training: the loss of the actions alone, from the VLM's own weights, AdamW without weight decay.
_TRAINING: dict[str, dict[str, tuple[Any, ...]]] = {
    "": {
        "use_clip_norm": (False,),
        "fwd_head": (None,),
        "model_load_path": (None,),
        "resume": (None,),
        "weight_decay": (0,),
        "scheduler": ("constant", "half-cosine", "cosine"),
    },
    "train_setup": {
        "predict_action": (True,),
        "predict_forward": (False,),
        "predict_caption": (False,),
        "reinit": (False,),
    },
    "trainer": {
        "max_steps": (-1,),
        "precision": ("16", "16-mixed", "bf16", "bf16-mixed", "32", "32-true", 16, 32),
    },
}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the original trains.

    Attributes:
        learning_rate: peak.
        shape: `constant`, `half-cosine` or `cosine` after the warm-up.
        min_lr_scale: share of the peak on which `half-cosine` ends.
        warmup_epochs: passes over the data in which the rate rises; added to `warmup_steps`.
        warmup_steps: optimiser steps in which it rises.
        max_epochs: passes over the data.
        batch_size: windows per process and micro-batch.
        accumulate_grad_batches: micro-batches per optimiser step.
        gradient_clip_val: largest norm of the gradient, 0 for any.
        half_precision: whether products are of 16 bits.
        seed: of all randomness.
    """

    learning_rate: float
    shape: str
    min_lr_scale: float
    warmup_epochs: float
    warmup_steps: int
    max_epochs: int
    batch_size: int
    accumulate_grad_batches: int
    gradient_clip_val: float
    half_precision: bool
    seed: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A RoboVLMs config.

    Attributes:
        file: where it was read.
        robovlm_name: the original's class for the VLM.
        vlm_path: folder or name of the VLM, as the file has it.
        vlm_url: where the VLM can be had.
        image_size: side in px of the images that the VLM sees.
        cameras: in the order of the prompt; the hand's image stands first.
        window_size: W, frames of history.
        chunk_size: K, its `fwd_pred_next_n`.
        latent: n, action tokens per frame.
        head: its policy head.
        gripper_weight: its `arm_gripper_loss_ratio`.
        bounds: low and high to which all pose numbers are clipped and from which they are scaled, or None.
        mu_law: bend the scaled numbers by the mu-law.
        shift_px: camera -> largest random shift in training, px.
        tuning: what it trains of the VLM.
        schedule: how it trains.
        obstacles: settings by which the original acts as a VLA does not, as `key: got, expected`.
        training_obstacles: those by which it trains as vlasync does not.
        idle: keys that have no effect, as `section.key`.
    """

    file: Path
    robovlm_name: str
    vlm_path: str
    vlm_url: str
    image_size: int
    cameras: tuple[str, ...]
    window_size: int
    chunk_size: int
    latent: int
    head: HeadConfig
    gripper_weight: float
    bounds: tuple[float, float] | None
    mu_law: bool
    shift_px: dict[str, int]
    tuning: Tuning
    schedule: Schedule
    obstacles: tuple[str, ...]
    training_obstacles: tuple[str, ...]
    idle: tuple[str, ...]

    @property
    def prompt(self) -> PromptLayout:
        """The prompt that the original writes for this VLM."""
        return PROMPTS[self.robovlm_name]

    def require_followed(self, *, training: bool = False) -> None:
        """Raise `VlasyncError` naming every setting that vlasync cannot follow, those of the training on request."""
        if found := (*self.obstacles, *(self.training_obstacles if training else ())):
            lines = "\n".join(f"  {obstacle}" for obstacle in found)
            raise VlasyncError(f"{self.file}: vlasync cannot follow these settings\n{lines}")

    @property
    def normalization(self) -> NormalizationKind:
        """How it scales actions."""
        return "identity" if self.bounds is None else "mu_law" if self.mu_law else "bounds"

    def spec(self) -> SyncSpec:
        """The SyncSpec of its policies: CALVIN's actions, scaled as the file says."""
        low, high = self.bounds or (-1.0, 1.0)
        normalization = Normalization(
            kind=self.normalization,
            low=(low,) * 6 + (-1.0,),
            high=(high,) * 6 + (1.0,),
            identity=(6,),
            fitted_on=SyncSpec.CALVIN.representation(),
            count=0,
        )
        return SyncSpec.CALVIN.replace(normalization=normalization)


def read_settings(file: Path) -> Settings:
    """A RoboVLMs config with its parents.

    Raises:
        VlasyncError: a file is missing or no JSON object, or a key that has an effect is absent or of another kind.
            What vlasync cannot follow is no error here, see `Settings.require_followed`.
    """
    top = Section(read_json(file), file)
    sections = {
        "": top,
        **{name: top.section(name) for name in ("act_head", "train_setup", "tokenizer", "train_dataset", "trainer")},
    }
    bounds, bounds_obstacles = _bounds(top)
    tuning, tuning_obstacles = _tuning(sections["train_setup"])
    shifts = sections["train_dataset"]
    settings = {
        "robovlm_name": top.take("robovlm_name", str),
        "vlm_path": top.section("vlm").take("pretrained_model_name_or_path", str),
        "vlm_url": top.take("model_url", str, ""),
        "image_size": top.take("image_size", int, 224),
        "cameras": ("gripper", "static") if top.take("use_hand_rgb", bool) else ("static",),
        "window_size": top.take("window_size", int),
        "chunk_size": top.take("fwd_pred_next_n", int),
        "latent": sections["act_head"].take("latent", int, 1),
        "head": _head(sections["act_head"], file),
        "gripper_weight": top.take("arm_gripper_loss_ratio", float),
        "mu_law": top.take("use_mu_law", bool, False),
        "shift_px": {
            "static": max(0, shifts.take("rgb_pad", int, -1)),
            "gripper": max(0, shifts.take("gripper_pad", int, -1)),
        },
        "schedule": _schedule(top, sections["trainer"]),
    }
    return Settings(
        file=file,
        **settings,
        bounds=bounds,
        tuning=tuning,
        obstacles=(*_obstacles(sections, _ACTING), *bounds_obstacles),
        training_obstacles=(*_obstacles(sections, _TRAINING), *tuning_obstacles),
        idle=tuple(top.left_over()),
    )


def _obstacles(sections: dict[str, Section], followed: dict[str, dict[str, tuple[Any, ...]]]) -> list[str]:
    found = [
        sections[section].obstacle(key, values) for section, keys in followed.items() for key, values in keys.items()
    ]
    return [obstacle for obstacle in found if obstacle is not None]


def _head(section: Section, file: Path) -> HeadConfig:
    settings: dict[str, Any] = {"type": section.take("type", str), "hidden_size": section.take("hidden_size", int)}
    if section.has("num_layers"):
        settings["num_layers"] = section.take("num_layers", int)
    if section.has("policy_rnn_dropout_p"):
        settings["policy_rnn_dropout_p"] = section.take("policy_rnn_dropout_p", float)
    try:
        return decoder_config(settings)
    except VlasyncError as error:
        raise VlasyncError(f"{file}: {error}") from error


def _bounds(top: Section) -> tuple[tuple[float, float] | None, list[str]]:
    """Bounds of the pose; an obstacle where the original never opens the gripper, or never closes it.

    It decides the gripper as 0 or 1, stretches that like the pose, and opens above 0.5.
    """
    if not top.take("norm_action", bool, False):
        return None, []
    low, high = top.take("norm_min", float, -1.0), top.take("norm_max", float, 1.0)
    if high > 0.5 >= (low + high) / 2:
        return (low, high), []
    return (low, high), [
        f"norm_min, norm_max: got {low}, {high}, expected norm_max above 0.5 and their mean up to 0.5; with others the "
        "original's gripper cannot both open and close"
    ]


def _tuning(setup: Section) -> tuple[Tuning, list[str]]:
    """What trains of the VLM, by the original's order: backbone or last layers, then vision and text embedding."""
    freeze, vision, text, lora = (
        setup.take(key, bool, False)
        for key in ("freeze_backbone", "train_vision", "train_text_embedding", "lora_enable")
    )
    last = setup.take("train_decoder_layers", int, -1)
    if lora:
        return _lora(setup, text_embedding=text)
    if freeze:
        last = -1
    elif last != -1 and last < 1:
        return Tuning(), [f"train_setup.train_decoder_layers: got {last}, expected -1 for all, or 1 or more"]
    trains: dict[Part, bool] = {
        "vision": vision,
        "projector": not freeze and last == -1,
        "text_embedding": text,
        "decoder": not freeze,
    }
    parts: tuple[Part, ...] = tuple(part for part in VLM_PARTS if trains[part])
    if not parts:
        return Tuning(mode="frozen"), []
    return Tuning(parts=parts, decoder_layers=None if last == -1 else last), []


def _lora(setup: Section, *, text_embedding: bool) -> tuple[Tuning, list[str]]:
    """Low-rank updates of all linear layers; for Kosmos-2 those of vision tower and projector are among them.

    Nothing else of the VLM trains but the text embedding, where it is asked for: an obstacle.
    """
    tuning = Tuning(
        mode="lora",
        lora_rank=setup.take("lora_r", int),
        lora_alpha=setup.take("lora_alpha", int),
        lora_dropout=setup.take("lora_dropout", float),
    )
    bias = setup.obstacle("lora_bias", ("none",))
    obstacles = [] if bias is None else [bias]
    if text_embedding:
        obstacles.append("train_setup.train_text_embedding: got True beside lora_enable True, expected False")
    return tuning, obstacles


def _schedule(top: Section, trainer: Section) -> Schedule:
    return Schedule(
        learning_rate=top.take("learning_rate", float),
        shape=top.take("scheduler", str, "constant"),
        min_lr_scale=top.take("min_lr_scale", float),
        warmup_epochs=top.take("warmup_epochs", float, 0.0),
        warmup_steps=top.take("warmup_steps", int, 0),
        max_epochs=trainer.take("max_epochs", int),
        batch_size=top.take("batch_size", int),
        accumulate_grad_batches=trainer.take("accumulate_grad_batches", int, 1),
        gradient_clip_val=top.take("gradient_clip_val", float, 0.0),
        half_precision=trainer.value("precision") not in ("32", "32-true", 32),
        seed=top.take("seed", int),
    )
