"""What trains: the VLM's weights, low-rank updates of them, or nothing of it. [LRN], state token and head always do."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as LoraLinear
from torch import nn

from vlasync.errors import VlasyncError
from vlasync.models.parts import VLM_PARTS, Part, decoder_layers, vlm_parts
from vlasync.models.quantization import dequantize, quantize
from vlasync.models.vlm import VLM

Mode = Literal["full", "lora", "qlora", "frozen"]

_WHERE, _RANK = ("parts", "decoder_layers"), ("lora_rank", "lora_alpha", "lora_dropout")
_APPLIES: dict[Mode, tuple[str, ...]] = {
    "full": _WHERE,
    "lora": (*_WHERE, *_RANK),
    "qlora": (*_WHERE, *_RANK),
    "frozen": (),
}


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the VLM is tuned.

    Low-rank updates go into all linear layers of vision tower, projector and decoder unless `parts` says otherwise: of
    OpenVLA's fine-tunings (arXiv 2406.09246, table 1) such updates came near full fine-tuning (68.2 % against 69.7 %
    success) while all that left the vision tower alone fell behind (47.0 %). Rank, alpha and dropout are the values
    that RoboVLMs names.

    Attributes:
        mode: `full` trains weights, `lora` low-rank updates of linear layers, `qlora` the same over weights in 4 bits,
            `frozen` nothing of the VLM.
        parts: parts of the VLM in which this happens; the others stay as they are.
        decoder_layers: of the decoder only the last so many layers; None for all of it.
        lora_rank: rank r of an update `alpha / r * B A`.
        lora_alpha: its scale alpha.
        lora_dropout: dropout on its input.
    """

    mode: Mode = "full"
    parts: tuple[Part, ...] = VLM_PARTS
    decoder_layers: int | None = None
    lora_rank: int = 64
    lora_alpha: int = 16
    lora_dropout: float = 0.05

    def __post_init__(self) -> None:
        if self.mode not in _APPLIES:
            raise VlasyncError(f"tuning.mode: got {self.mode!r}, expected one of {', '.join(get_args(Mode))}")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("mode", *_APPLIES[self.mode]) and value != field.default:
                modes = ", ".join(mode for mode, names in _APPLIES.items() if field.name in names)
                raise VlasyncError(
                    f"tuning.{field.name}: got {value}, without effect under mode {self.mode!r}, only under {modes}"
                )
        if not self.parts or not set(self.parts) <= set(VLM_PARTS):
            raise VlasyncError(
                f"tuning.parts: got {self.parts}, expected some of {', '.join(VLM_PARTS)}; for none use mode 'frozen'"
            )
        if self.decoder_layers is not None and (self.decoder_layers < 1 or "decoder" not in self.parts):
            raise VlasyncError(
                f"tuning.decoder_layers: got {self.decoder_layers} with parts {self.parts}, expected 1 or more and the "
                "decoder among the parts"
            )
        if self.lora_rank < 1:
            raise VlasyncError(f"tuning.lora_rank: got {self.lora_rank}, expected 1 or more")

    @property
    def adapts(self) -> bool:
        """Whether low-rank updates are added."""
        return self.mode in ("lora", "qlora")

    @property
    def keeps_base(self) -> bool:
        """Whether the VLM's own weights stay what they were."""
        return self.mode != "full"


def apply_tuning(vlm: VLM, tuning: Tuning) -> None:
    """Set what trains in a VLM, in place; LoRA adds its matrices inside the linear layers.

    Raises:
        VlasyncError: the VLM has no such layers, or 4 bits are asked for and cannot be had.
    """
    if tuning == Tuning():
        return
    touched = _touched(vlm, tuning)
    vlm.requires_grad_(False)
    if tuning.mode == "full":
        for name, parameter in vlm.model.named_parameters():
            parameter.requires_grad_(name in touched)
    if tuning.mode == "qlora":
        _quantize(vlm)
    if tuning.adapts:
        _add_lora(vlm, tuning, touched)


@torch.no_grad()
def merge_lora(vlm: VLM) -> None:
    """Fold low-rank updates into the weights, `W + alpha / r * B A`, in place; all are float32 and train from then."""
    adapted = [(name, module) for name, module in vlm.model.named_modules() if isinstance(module, LoraLinear)]
    for name, module in adapted:
        vlm.model.set_submodule(name, module.get_base_layer())
    dequantize(vlm.model)
    for name, module in adapted:
        layer = vlm.model.get_submodule(name)
        assert isinstance(layer, nn.Linear)  # as chosen by _add_lora
        layer.weight += module.get_delta_weight(module.active_adapters[0])
    vlm.requires_grad_(True)


def tuned_parts(vlm: VLM, tuning: Tuning) -> set[Part]:
    """The parts in which something trains; low-rank updates need linear layers there."""
    if tuning.mode == "frozen":
        return set()
    part_of = vlm_parts(vlm)
    linear = {f"{name}.weight" for name, module in vlm.model.named_modules() if isinstance(module, nn.Linear)}
    return {part for name, part in part_of.items() if part in tuning.parts and (name in linear or not tuning.adapts)}


def _touched(vlm: VLM, tuning: Tuning) -> set[str]:
    """Names of the parameters in the parts and decoder layers that the tuning names."""
    names = {name: part for name, part in vlm_parts(vlm).items() if part in tuning.parts}
    if tuning.decoder_layers is None:
        return set(names)
    layers = decoder_layers(vlm)
    if tuning.decoder_layers > len(layers):
        raise VlasyncError(f"tuning.decoder_layers: got {tuning.decoder_layers}, but the decoder has {len(layers)}")
    last = tuple(f"{layer}." for layer in layers[-tuning.decoder_layers :])
    return {name for name, part in names.items() if part != "decoder" or name.startswith(last)}


def _quantize(vlm: VLM) -> None:
    if vlm.missing_weights:
        raise VlasyncError(
            f"tuning mode 'qlora': {len(vlm.missing_weights)} weights of the VLM are random, first "
            f"{vlm.missing_weights[0]}; 4 bits of noise cannot be saved: use mode 'lora' or a complete VLM"
        )
    quantize(vlm.model)


def _add_lora(vlm: VLM, tuning: Tuning, touched: set[str]) -> None:
    layers = [
        name
        for name, module in vlm.model.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.weight" in touched
    ]
    if not layers:
        raise VlasyncError(f"tuning.parts: {', '.join(tuning.parts)} of this VLM hold no linear layer to update")
    config = LoraConfig(
        r=tuning.lora_rank,
        lora_alpha=tuning.lora_alpha,
        lora_dropout=tuning.lora_dropout,
        target_modules=layers,
    )
    inject_adapter_in_model(config, vlm.model)
