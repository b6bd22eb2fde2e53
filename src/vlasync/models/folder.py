"""A VLA as one folder, which holds everything that is needed to act.

    model.safetensors   all weights, the VLM's and LoRA's among them
    config.json         VLAConfig
    spec.json           SyncSpec, with the normalisation statistics
    vlm/                config, tokenizer and image processor of the VLM

Loading is strict, and reads no pickles.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vlasync.actions.normalization import Normalizer
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.files import whole_folder
from vlasync.models.heads.kinds import head_config
from vlasync.models.layout import PromptLayout
from vlasync.models.losses import LossConfig
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA, VLAConfig
from vlasync.models.vlm import VLM, Attention
from vlasync.spec import SyncSpec

_WEIGHTS, _CONFIG, _SPEC, _VLM = "model.safetensors", "config.json", "spec.json", "vlm"


def save_vla(vla: VLA, folder: Path) -> None:
    """Write a VLA to `folder`, in place of whatever was there; a crash leaves the old folder or the new one."""
    with whole_folder(folder) as unfinished:
        save_file({name: value.cpu().contiguous() for name, value in _weights(vla).items()}, unfinished / _WEIGHTS)
        (unfinished / _CONFIG).write_text(json.dumps(asdict(vla.config), indent=2, sort_keys=True))
        (unfinished / _SPEC).write_text(vla.spec.to_json())
        vla.vlm.model.config.save_pretrained(unfinished / _VLM)
        vla.vlm.processor.save_pretrained(unfinished / _VLM)


def load_vla(folder: Path, *, attention: Attention = "eager") -> VLA:
    """Read what `save_vla` wrote.

    Args:
        folder: the VLA's folder.
        attention: see `VLM.from_pretrained`.

    Returns:
        The VLA on the CPU, in evaluation mode.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights are not those of the config.
        SpecMismatchError: the statistics in spec.json describe other actions than spec.json declares.
    """
    for name in (_WEIGHTS, _CONFIG, _SPEC, _VLM):
        if not (folder / name).exists():
            raise CheckpointError(f"{folder}: {name} is missing; give a folder that save_vla or a training run wrote")
    config = _read_config(folder / _CONFIG)
    spec = SyncSpec.from_json((folder / _SPEC).read_text())
    if spec.normalization is None:
        raise CheckpointError(f"{folder / _SPEC}: it has no normalization; give a folder that a training run wrote")
    Normalizer(spec.normalization).require_fits(spec, where=str(folder / _SPEC))
    size = None if spec.image_transform is None else (spec.image_transform.height, spec.image_transform.width)
    vla = VLA(VLM.from_config(folder / _VLM, attention=attention, image_size=size), config, spec)
    _load_weights(vla, folder / _WEIGHTS)
    spec.require_equal(vla.spec, where=str(folder / _SPEC))
    return vla.eval()


def _load_weights(vla: VLA, path: Path) -> None:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}); use another checkpoint") from error
    expected = {name: tuple(value.shape) for name, value in _weights(vla).items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if odd := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        first = odd[0]
        raise CheckpointError(
            f"{path}: {len(odd)} weights do not fit config.json, first {first!r}: "
            f"{found.get(first, 'missing')} in the file, {expected.get(first, 'missing')} in the model"
        )
    vla.load_state_dict(weights, strict=False)  # all names are there but second names of shared weights


def _weights(vla: VLA) -> dict[str, torch.Tensor]:
    """All weights, those that several modules share under their first name alone."""
    weights: dict[str, torch.Tensor] = {}
    seen: set[tuple[int, int]] = set()
    for name, value in vla.state_dict().items():
        storage = (value.data_ptr(), value.numel())
        if value.numel() == 0 or storage not in seen:
            seen.add(storage)
            weights[name] = value
    return weights


def _read_config(path: Path) -> VLAConfig:
    try:
        raw = json.loads(path.read_text())
        return VLAConfig(
            **{
                **raw,
                "cameras": tuple(raw["cameras"]),
                "image_size": tuple(raw["image_size"]) if raw["image_size"] else None,
                "head": head_config(**raw["head"]),
                "loss": LossConfig(**raw["loss"]),
                "tuning": Tuning(**raw["tuning"]),
                "prompt": _read_prompt(raw.get("prompt")),
            }
        )
    except (json.JSONDecodeError, TypeError, KeyError, VlasyncError) as error:
        raise CheckpointError(f"{path}: not a VLA config of this version ({error})") from error


def _read_prompt(raw: dict[str, Any] | None) -> PromptLayout | None:
    return None if raw is None else PromptLayout(parts=tuple(raw["parts"]), text=raw["text"])
