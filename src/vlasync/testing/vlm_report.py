"""`vlasync vlm`: what a VLM is, what of it would train, whether it keeps the contract, and the memory it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vlasync.models.memory import FORMULA, MemoryEstimate, estimate_memory
from vlasync.models.parts import PartCount, count_words, parts_table, trainable_table, weights_in
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA
from vlasync.models.vlm import VLM
from vlasync.testing.families import SENTENCES
from vlasync.testing.vlm import ClauseResult, check_vla, small_vla

_FRAMES = 8 * 4  # of the memory estimate: windows of 8 frames, 4 per process


@dataclass(frozen=True, kw_only=True)
class VLMReport:
    """What `vlasync vlm` shows.

    Attributes:
        facts: what the VLM is, name -> value.
        parts: what trains, by part.
        memory: what it needs.
        clauses: what came of the contract; empty where it was not tried.
    """

    facts: dict[str, str]
    parts: Sequence[PartCount]
    memory: MemoryEstimate
    clauses: Sequence[ClauseResult]

    @property
    def passed(self) -> bool:
        """Whether no clause failed."""
        return all(clause.passed for clause in self.clauses)

    def print(self, console: Console) -> None:
        """Show it as tables."""
        for title, table in (
            ("VLM", _facts_table(self.facts)),
            ("What trains", parts_table(self.parts)),
            ("Memory", _memory_table(self.memory)),
            ("Contract", _contract_table(self.clauses)),
        ):
            if table.row_count:
                console.print(f"[bold]{title}[/bold]")
                console.print(table)
        console.print(f"[dim]{FORMULA}[/dim]")


def report_vlm(vlm: VLM, tuning: Tuning, *, contract: bool = True) -> VLMReport:
    """Look a VLM over, and set what trains in it.

    Args:
        vlm: freshly loaded, in float32.
        tuning: what would train.
        contract: try the contract while all weights train, then, whether just what `tuning` names trains.
    """
    clauses = check_vla(small_vla(vlm)) if contract else ()
    vla = small_vla(vlm, tuning)
    if contract and tuning != Tuning():
        clauses += tuple(replace(result, clause="tuning") for result in check_vla(vla, ["gradients"]))
    return VLMReport(
        facts=_facts(vla), parts=trainable_table(vla), memory=estimate_memory(vla, SENTENCES[0]), clauses=clauses
    )


def _facts(vla: VLA) -> dict[str, str]:
    vlm = vla.vlm
    transform = vlm.image_transform
    one, two = (len(vlm.prompt(SENTENCES[0], count)) for count in (1, 2))
    how = "by its own processor, frame by frame (slower)" if vlm.calls_processor else "batched, on the device"
    facts = {
        "architecture": f"{type(vlm.model).__name__} with {type(vlm.processor).__name__}",
        "images": f"{transform.height} x {transform.width} px, {transform.interpolation}; prepared {how}",
        "tokens per frame": f"{two + vla.tokens.layout.latent + 1} with two cameras, {two - one} for each image",
        "hidden size": str(vlm.hidden_size),
        "parameters": count_words(sum(weights_in(parameter) for parameter in vlm.parameters())),
    }
    return facts | ({"quirk": vlm.quirk} if vlm.quirk else {})


def _facts_table(facts: Mapping[str, str]) -> Table:
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def _memory_table(memory: MemoryEstimate) -> Table:
    table = Table(show_header=False)
    table.add_row("acting", _bytes(memory.acting))
    table.add_row("training, without activations", _bytes(memory.training))
    table.add_row("activations of a frame", _bytes(memory.per_frame))
    table.add_row(f"training on {_FRAMES} frames at once", _bytes(memory.batch(_FRAMES)))
    return table


def _contract_table(clauses: Sequence[ClauseResult]) -> Table:
    table = Table("clause", "", "measured")
    for result in clauses:
        table.add_row(
            result.clause, "[green]pass[/]" if result.passed else "[bold red]FAIL[/]", escape(result.measured)
        )
    return table


def _bytes(number: int) -> str:
    """Bytes in the unit that suits them."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 2**10:.3g} KiB"
