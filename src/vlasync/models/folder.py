"""A VLA as one folder.

    model.safetensors   weights
    config.json         VLAConfig, and `base`
    spec.json           SyncSpec, with the normalisation statistics
    vlm/                config, tokenizer and image processor of the VLM

The folder holds all weights, the VLM's among them, and `base` is null; unless the tuning leaves the VLM's own weights
what they were. Then it holds what is not the VLM's (low-rank updates, [LRN], state token, head), and `base` tells where
the VLM is and the hash of its weights, see `Base`. Loading is strict, and reads no pickles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vlasync.actions.normalization import Normalizer
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.files import whole_folder
from vlasync.models.augmentation import ColorJitter
from vlasync.models.base import Base
from vlasync.models.heads.kinds import head_config
from vlasync.models.layout import PromptLayout
from vlasync.models.losses import LossConfig
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA, VLAConfig
from vlasync.models.vlm import VLM
from vlasync.spec import SyncSpec

_WEIGHTS, _CONFIG, _SPEC, _VLM = "model.safetensors", "config.json", "spec.json", "vlm"


@dataclass(frozen=True, kw_only=True)
class VLAContents:
    """What a VLA's folder holds.

    Attributes:
        weights: name -> tensor; the VLA's own, which go on training, unless they are replaced by copies.
        vla: whose weights these are; of it only what does not train is written.
        base: the VLM that the folder refers to; None where it holds all weights.
    """

    weights: Mapping[str, torch.Tensor]
    vla: VLA
    base: Base | None

    def write(self, folder: Path) -> None:
        """Write the files into a folder that is there."""
        save_file({name: value.cpu().contiguous() for name, value in self.weights.items()}, folder / _WEIGHTS)
        record = asdict(self.vla.config) | {"base": None if self.base is None else asdict(self.base)}
        (folder / _CONFIG).write_text(json.dumps(record, indent=2, sort_keys=True))
        (folder / _SPEC).write_text(self.vla.spec.to_json())
        self.vla.vlm.model.config.save_pretrained(folder / _VLM)
        self.vla.vlm.processor.save_pretrained(folder / _VLM)


def save_vla(vla: VLA, folder: Path, *, whole: bool = False) -> None:
    """Write a VLA to `folder`, in place of whatever was there; a crash leaves the old folder or the new one.

    Args:
        vla: what to write.
        folder: where to.
        whole: hold all weights, also where the tuning leaves the VLM's own what they were.

    Raises:
        VlasyncError: the weights to hold are in 4 bits, or the VLM to refer to has no safetensors files.
    """
    contents = folder_contents(vla, folder, whole=whole)
    with whole_folder(folder) as unfinished:
        contents.write(unfinished)


def folder_contents(vla: VLA, folder: Path, *, whole: bool = False) -> VLAContents:
    """What `save_vla` writes, for whoever writes it later; arguments and errors are those of `save_vla`."""
    base = None if whole else _base_of(vla, folder)
    if base is None and vla.config.tuning.mode == "qlora":
        raise VlasyncError(f"{folder}: weights in 4 bits are not saved; merge the updates into the VLM first")
    return VLAContents(weights=_weights(vla, with_base=base is None), vla=vla, base=base)


def load_vla(folder: Path) -> VLA:
    """Read what `save_vla` wrote.

    Args:
        folder: the VLA's folder.

    Returns:
        The VLA on the CPU, in evaluation mode.

    Raises:
        CheckpointError: a file is missing or damaged, the weights are not those of the config, or the VLM that it
            refers to is missing or another.
        SpecMismatchError: the statistics in spec.json describe other actions than spec.json declares.
    """
    for name in (_WEIGHTS, _CONFIG, _SPEC, _VLM):
        if not (folder / name).exists():
            raise CheckpointError(f"{folder}: {name} is missing; give a folder that save_vla or a training run wrote")
    config, base = _read_config(folder / _CONFIG)
    spec = SyncSpec.from_json((folder / _SPEC).read_text())
    if spec.normalization is None:
        raise CheckpointError(f"{folder / _SPEC}: it has no normalization; give a folder that a training run wrote")
    Normalizer(spec.normalization).require_fits(spec, where=str(folder / _SPEC))
    size = None if spec.image_transform is None else (spec.image_transform.height, spec.image_transform.width)
    vlm = (
        VLM.from_config(folder / _VLM, image_size=size)
        if base is None
        else base.load(folder, processor=folder / _VLM, image_size=size)
    )
    vla = VLA(vlm, config, spec)
    _load_weights(vla, folder / _WEIGHTS, with_base=base is None)
    spec.require_equal(vla.spec, where=str(folder / _SPEC))
    return vla.eval()


def require_base(folder: Path, vla: VLA) -> None:
    """Raise `CheckpointError` unless what was saved in `folder` refers to the VLM of `vla`, or to none."""
    _, base = _read_config(folder / _CONFIG)
    if base is not None and vla.vlm.source is not None:
        base.require_weights(vla.vlm.source, folder)


def _base_of(vla: VLA, folder: Path) -> Base | None:
    """The VLM to refer to; None where its weights change, or lie nowhere else."""
    if vla.vlm.source is None or not vla.config.tuning.keeps_base:
        return None
    return Base.of(vla.vlm.source, folder)


def _load_weights(vla: VLA, path: Path, *, with_base: bool) -> None:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}); use another checkpoint") from error
    expected = {name: tuple(value.shape) for name, value in _weights(vla, with_base=with_base).items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if odd := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        first = odd[0]
        raise CheckpointError(
            f"{path}: {len(odd)} weights do not fit config.json, first {first!r}: "
            f"{found.get(first, 'missing')} in the file, {expected.get(first, 'missing')} in the model"
        )
    vla.load_state_dict(weights, strict=False)  # all names are there but the base's and second names of shared weights


def _weights(vla: VLA, *, with_base: bool) -> dict[str, torch.Tensor]:
    """The weights to save, those that several modules share under their first name alone."""
    left_out = set() if with_base else _base_weights(vla)
    weights: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in vla.state_dict(keep_vars=True).items():
        if name not in left_out and id(value) not in seen:
            seen.add(id(value))
            weights[name] = value.detach()
    return weights


def _base_weights(vla: VLA) -> set[str]:
    """Names of the weights that are in the base's files: all of the VLM's but updates, buffers and what was missing."""
    missing = set(vla.vlm.missing_weights)
    buffers = {name for name, _ in vla.vlm.named_buffers(prefix="vlm")}

    def in_base(name: str) -> bool:
        own = name.removeprefix("vlm.model.").replace(".base_layer.", ".")
        return name.startswith("vlm.") and name not in buffers and ".lora_" not in name and own not in missing

    return {name for name in vla.state_dict() if in_base(name)}


def _read_config(path: Path) -> tuple[VLAConfig, Base | None]:
    """What `save_vla` wrote as config.json; every field has to be there, since a default may have been another once."""
    try:
        raw = _with_tuples(json.loads(path.read_text()))
        base = raw.pop("base", None)  # folders from before there was such a field hold all weights
        config = VLAConfig(**{**raw, **{name: read(raw[name]) for name, read in _NESTED.items() if name in raw}})
    except (json.JSONDecodeError, TypeError, KeyError, VlasyncError) as error:
        raise CheckpointError(f"{path}: not a VLA config of this version ({error})") from error
    if missing := _missing(asdict(config), raw):
        raise CheckpointError(
            f"{path}: {', '.join(missing)} missing, so an earlier vlasync wrote this folder. Add what it was trained "
            f"with, by default now {json.dumps(missing)}, or load it with the vlasync that wrote it"
        )
    return config, None if base is None else Base(**base)


_NESTED: dict[str, Callable[[Any], Any]] = {
    "head": lambda raw: head_config(**{"kind": "lstm", **raw}),  # once the only kind; _missing names it
    "loss": lambda raw: LossConfig(**raw),
    "tuning": lambda raw: Tuning(**raw),
    "color_jitter": lambda raw: ColorJitter(**raw),
    "prompt": lambda raw: None if raw is None else PromptLayout(**raw),
}


def _with_tuples(value: Any) -> Any:
    """JSON's lists as the tuples that records hold."""
    if isinstance(value, dict):
        return {name: _with_tuples(inner) for name, inner in value.items()}
    return tuple(_with_tuples(inner) for inner in value) if isinstance(value, list) else value


def _missing(record: dict[str, Any], raw: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields of a record that its JSON form lacks: dotted names -> the values that they have without."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if name not in raw:
            found[prefix + name] = value
        elif isinstance(value, dict) and isinstance(raw[name], dict):
            found |= _missing(value, raw[name], f"{prefix}{name}.")
    return found
