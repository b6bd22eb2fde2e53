"""What trains: the whole VLM, low-rank adapters in it, or none of it. [LRN], state token and head always do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from vlasync.models.vlm import VLM

if TYPE_CHECKING:
    from vlasync.models.vla import VLA


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the VLM is tuned.

    Attributes:
        mode: `full` trains every weight, `lora` low-rank updates of all linear layers of vision tower, projector and
            decoder, `frozen` nothing of the VLM.
        lora_rank: rank of an update.
        lora_alpha: an update is scaled by `lora_alpha / lora_rank`.
        lora_dropout: dropout on the input of an update.
    """

    mode: Literal["full", "frozen", "lora"] = "full"
    lora_rank: int = 64
    lora_alpha: int = 16
    lora_dropout: float = 0.05


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """Parameters of one part of a VLA: how many train, of how many."""

    part: str
    trainable: int
    total: int


def apply_tuning(vlm: VLM, tuning: Tuning) -> None:
    """Set what trains in a VLM; LoRA adds its matrices inside the linear layers, in place."""
    if tuning.mode == "full":
        return
    vlm.requires_grad_(False)
    if tuning.mode == "lora":
        layers = [name for name, module in vlm.model.named_modules() if isinstance(module, nn.Linear)]
        config = LoraConfig(
            r=tuning.lora_rank,
            lora_alpha=tuning.lora_alpha,
            lora_dropout=tuning.lora_dropout,
            target_modules=layers,
        )
        inject_adapter_in_model(config, vlm.model)


def trainable_table(vla: VLA) -> list[PartCount]:
    """Parameter counts by part, in the order of the data: vision, projector, text embedding, decoder, [LRN], ..."""
    return [
        PartCount(
            part=part,
            trainable=sum(parameter.numel() for parameter in members if parameter.requires_grad),
            total=sum(parameter.numel() for parameter in members),
        )
        for part, members in parts_of(vla).items()
    ]


def parts_of(vla: VLA) -> dict[str, list[nn.Parameter]]:
    """The parameters of each part of a VLA, in the order of the data; one that two parts share counts for the first."""
    parts: dict[str, list[nn.Parameter]] = {name: [] for name in ("vision", "projector", "text_embedding", "decoder")}
    words = {id(parameter) for parameter in vla.vlm.token_embedding.parameters()}
    for name, parameter in vla.vlm.model.named_parameters():
        part = "text_embedding" if id(parameter) in words else _vlm_part(vla.vlm, name)
        parts[part].append(parameter)
    parts["[LRN]"] = [vla.tokens.embeddings]
    if vla.tokens.state is not None:
        parts["state"] = list(vla.tokens.state.parameters())
    parts["head"] = list(vla.head.parameters())
    return parts


def _vlm_part(vlm: VLM, name: str) -> str:
    """Part of a VLM's parameter by the child it lies in: the one that embeds text decodes, the one named *vis* sees."""
    child = name.split(".")[0]
    module = getattr(vlm.model, child)
    if isinstance(module, nn.Module) and any(part is vlm.token_embedding for part in module.modules()):
        return "decoder"
    sees = "vis" in child and not any(word in child for word in ("proj", "embed", "align"))
    return "vision" if sees else "projector"
