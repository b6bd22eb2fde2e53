"""Which wordings a policy understands: its loss on demonstrations under sentences that it never heard.

    python benchmarks/wordings.py RUN [RUN ...] --data DATA [DATA ...] [--windows 4000] [--write]

One recording on the play table for each run, in scenes that it knows. Each window is shown once under its own sentence
and once under each of the four held-out ones of its task; what differs is the wording alone, so the demonstrations may
be those of the training. A wording counts as misread where it raises the pose loss of its task by half or more: one
that is taken for another task raises it several times, one that is understood by a hundredth.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from figures import keep
from sections import write_section
from vlasync.data.store import Store
from vlasync.data.windows import Windows
from vlasync.envs.playtable.instructions import HELD_OUT, TRAINING
from vlasync.policy import Policy
from vlasync.types import Batch

HEADINGS = ("run", "loss, own sentences", "loss, held-out ones", "misread", "the worst")
MISREAD = 1.5
PAGE = Path(__file__).parents[1] / "docs" / "calvin.md"


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """What a policy makes of held-out wordings.

    Attributes:
        run: its name.
        own: task -> mean pose loss under the sentences of the demonstrations.
        held_out: task and wording -> mean pose loss of that task's windows.
    """

    run: str
    own: dict[str, float]
    held_out: dict[tuple[str, str], float]

    def misread(self) -> list[tuple[float, str]]:
        """How many times the task's own loss, and the wording; the worst first."""
        ratios = [(loss / self.own[task], wording) for (task, wording), loss in self.held_out.items()]
        return sorted((pair for pair in ratios if pair[0] >= MISREAD), reverse=True)

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        misread = self.misread()
        worst = f"{misread[0][1]!r}, {misread[0][0]:.1f} times" if misread else "-"
        means = (f"{np.mean(list(losses.values())):.4f}" for losses in (self.own, self.held_out))
        return self.run, *means, f"{len(misread)} of {len(self.held_out)}", worst


def batches_by_task(windows: Windows, count: int) -> dict[str, Batch]:
    """About `count` windows, spread evenly over all of them, as one batch per task."""
    task_of = {sentence: task for task, sentences in TRAINING.items() for sentence in sentences}
    chosen = np.linspace(0, len(windows) - 1, min(count, len(windows))).astype(int)
    numbers: dict[str, list[int]] = defaultdict(list)
    for number in chosen:
        numbers[task_of[windows[number].sentence]].append(int(number))
    return {task: windows.batch(own) for task, own in sorted(numbers.items())}


@torch.inference_mode()
def understanding(run: Path, data: Path, count: int) -> Understanding:
    """Measure one run on `count` windows of a store."""
    vla = Policy.load(run).vla
    window_size, chunk_size = vla.config.window_size, vla.config.chunk_size
    windows = Windows(Store.open(data), window_size=window_size, chunk_size=chunk_size, target=vla.spec)
    own, held_out = {}, {}
    for task, batch in track(batches_by_task(windows, count).items(), description=run.name):
        own[task] = vla.loss(batch).pose.item()
        for wording in HELD_OUT[task]:
            spoken = replace(batch, sentences=(wording,) * len(batch.sentences))
            held_out[task, wording] = vla.loss(spoken).pose.item()
    return Understanding(run=run.name, own=own, held_out=held_out)


def main(
    runs: tyro.conf.Positional[tuple[Path, ...]], *, data: tuple[Path, ...], windows: int = 4000, write: bool = False
) -> None:
    """Compare runs; `--write` puts the table into docs/calvin.md and a dated line into RESULTS.md."""
    torch.set_num_threads(1)
    rows = [understanding(run, own, windows) for run, own in zip(runs, data, strict=True)]
    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row.cells())
    Console().print(table)
    if write:
        lines = (HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows))
        write_section(PAGE, "wordings", "\n".join(f"| {' | '.join(line)} |" for line in lines))
        words = (f"{row.run} {len(row.misread())}" for row in rows)
        keep("wordings", f"misread of {len(rows[0].held_out)} held-out wordings: {'; '.join(words)}")


if __name__ == "__main__":
    tyro.cli(main)
