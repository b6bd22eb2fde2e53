"""The parts of a VLA, by which is said what trains: vision tower, projector, text embedding, decoder, [LRN], head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from rich.table import Column, Table
from torch import nn

from vlasync.models.vlm import VLM

if TYPE_CHECKING:
    from vlasync.models.vla import VLA

Part = Literal["vision", "projector", "text_embedding", "decoder"]
"""A part of a VLM."""

VLM_PARTS: tuple[Part, ...] = get_args(Part)
"""All of them, in the order of the data."""


@dataclass(frozen=True, kw_only=True)
class PartCount:
    """Parameters of one part of a VLA: how many train, of how many."""

    part: str
    trainable: int
    total: int


def vlm_parts(vlm: VLM) -> dict[str, Part]:
    """The part of every parameter of `vlm.model`, by the parameter's name.

    It goes by the child of the model that a parameter lies in: the one that embeds text decodes, the one named *vis*
    sees.
    """
    words = {id(parameter) for parameter in vlm.token_embedding.parameters()}
    decodes = {
        name
        for name, child in vlm.model.named_children()
        if any(module is vlm.token_embedding for module in child.modules())
    }

    def part_of(child: str) -> Part:
        if child in decodes:
            return "decoder"
        sees = "vis" in child and not any(word in child for word in ("proj", "embed", "align"))
        return "vision" if sees else "projector"

    return {
        name: "text_embedding" if id(parameter) in words else part_of(name.split(".")[0])
        for name, parameter in vlm.model.named_parameters()
    }


def decoder_layers(vlm: VLM) -> list[str]:
    """Names of the decoder's layers within `vlm.model`, first to last; of an encoder and decoder, those that encode."""
    decodes = {name.rpartition(".")[0] for name, part in vlm_parts(vlm).items() if part == "decoder"}
    for name, module in vlm.model.named_modules():
        if isinstance(module, nn.ModuleList) and any(owner.startswith(f"{name}.") for owner in decodes):
            return [f"{name}.{index}" for index in range(len(module))]
    return []


def layers_of(vlm: VLM) -> list[nn.Module]:
    """The modules of a VLM that transformers says to keep in one piece: as a rule the layers of tower and decoder."""
    kinds = set(vlm.model._no_split_modules or ())
    return [module for module in vlm.model.modules() if type(module).__name__ in kinds]


def parts_of(vla: VLA) -> dict[str, list[nn.Parameter]]:
    """The parameters of each part of a VLA, in the order of the data; one that two parts share counts for the first."""
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in VLM_PARTS}
    part_of = vlm_parts(vla.vlm)
    for name, parameter in vla.vlm.model.named_parameters():
        parts[part_of[name]].append(parameter)
    parts["[LRN]"] = [vla.tokens.embeddings]
    if vla.tokens.state is not None:
        parts["state"] = list(vla.tokens.state.parameters())
    parts["head"] = list(vla.head.parameters())
    return parts


def trainable_table(vla: VLA) -> list[PartCount]:
    """Parameter counts by part, in the order of the data: vision, projector, text embedding, decoder, [LRN], ..."""
    return [
        PartCount(
            part=part,
            trainable=sum(weights_in(parameter) for parameter in members if parameter.requires_grad),
            total=sum(weights_in(parameter) for parameter in members),
        )
        for part, members in parts_of(vla).items()
    ]


def weights_in(parameter: nn.Parameter) -> int:
    """Number of weights in a parameter; one in 4 bits holds two in each of its bytes."""
    quantized = getattr(parameter, "quant_state", None)
    return parameter.numel() if quantized is None else quantized.shape.numel()


def parts_table(parts: Sequence[PartCount]) -> Table:
    """What trains, part by part and in all, for a terminal."""
    table = Table("part", *(Column(name, justify="right") for name in ("parameters", "that train", "share")))
    whole = PartCount(
        part="all", trainable=sum(part.trainable for part in parts), total=sum(part.total for part in parts)
    )
    for part in (*parts, whole):
        share = part.trainable / part.total if part.total else 0.0
        table.add_row(
            part.part,
            count_words(part.total),
            count_words(part.trainable),
            f"{share:.1%}",
            end_section=part == parts[-1],
        )
    return table


def count_words(number: int) -> str:
    """A number of parameters as people say it: 3.2 B, 410 M, 12 k."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
