"""A VLA with the architecture, prompt, images and actions of a RoboVLMs config; its weights are still random."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig, AutoTokenizer, Kosmos2Config, Kosmos2Model, Kosmos2Processor
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD, PILImageResampling
from transformers.models.clip import CLIPImageProcessorPil

from vlasync.compat.robovlms.settings import Settings
from vlasync.errors import VlasyncError
from vlasync.models.images import PIL_BACKEND
from vlasync.models.losses import LossConfig
from vlasync.models.vla import VLA, VLAConfig
from vlasync.models.vlm import VLM


def build_policy(settings: Settings, vlm: Path | None = None) -> VLA:
    """The VLA of a config, in evaluation mode, for a checkpoint to be loaded into it.

    Args:
        settings: the config.
        vlm: folder with the VLM's config and tokenizer; by default where the config says, as seen from its folder, one
            above it, or the current one.

    Raises:
        VlasyncError: the original acts by settings that vlasync cannot follow, or there is no such VLM.
    """
    settings.require_followed()
    if settings.tuning.adapts:
        raise VlasyncError(
            f"{settings.file}: train_setup.lora_enable: got True; weights with low-rank updates beside them are not "
            "read: merge them into the layers and convert with lora_enable false"
        )
    folder = find_vlm(settings) if vlm is None else vlm
    with torch.random.fork_rng(devices=[]):
        kosmos = _kosmos(folder, settings.image_size)
        resized_as_there = replace(kosmos.image_transform, backend=PIL_BACKEND)
        return VLA(kosmos, vla_config(settings), settings.spec().replace(image_transform=resized_as_there)).eval()


def vla_config(settings: Settings) -> VLAConfig:
    """What a config adds to its VLM."""
    return VLAConfig(
        cameras=settings.cameras,
        window_size=settings.window_size,
        chunk_size=settings.chunk_size,
        latent=settings.latent,
        image_size=(settings.image_size, settings.image_size),
        use_state=False,
        shift_px=settings.shift_px,
        head=settings.head,
        loss=LossConfig(pose="huber", gripper_weight=settings.gripper_weight),
        tuning=settings.tuning,
        prompt=settings.prompt,
    )


def find_vlm(settings: Settings) -> Path:
    """The folder of the VLM that a config names.

    Raises:
        VlasyncError: there is none.
    """
    folder = vlm_folder(settings)
    if folder is not None:
        return folder
    raise VlasyncError(
        f"{settings.file}: vlm.pretrained_model_name_or_path: got {settings.vlm_path!r}, which is no folder with a "
        f"config.json seen from the config's folder or one above it; get it from {settings.vlm_url} or name its folder"
    )


def vlm_folder(settings: Settings) -> Path | None:
    """The same, or None."""
    bases = (*settings.file.absolute().parents, Path())
    return next(
        (base / settings.vlm_path for base in bases if (base / settings.vlm_path / "config.json").is_file()), None
    )


def _kosmos(folder: Path, image_size: int) -> VLM:
    """Kosmos-2 with the original's images: always CLIP's colours, stretched to a square, whatever the VLM's own are."""
    try:
        config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise VlasyncError(f"{folder}: no config and tokenizer that transformers can load ({error})") from error
    if not isinstance(config, Kosmos2Config):
        raise VlasyncError(f"{folder}: model_type: got {config.model_type!r}, expected 'kosmos-2', as the config says")
    images = CLIPImageProcessorPil(
        size={"height": image_size, "width": image_size},
        do_center_crop=False,
        resample=PILImageResampling.BICUBIC,
        image_mean=OPENAI_CLIP_MEAN,
        image_std=OPENAI_CLIP_STD,
    )
    config._attn_implementation = "eager"
    return VLM(Kosmos2Model(config), Kosmos2Processor(images, tokenizer))
