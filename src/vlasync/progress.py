"""One progress bar for every long piece of work, on a terminal and in a log file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console()
error_console = Console(stderr=True)

# Without a terminal a bar is noise: a line this often tells as much.
SECONDS_BETWEEN_LINES = 30.0


class Stage:
    """A piece of work of known length; `advance` it, and say in `status` how it goes."""

    def __init__(self, title: str, total: int, bar: Progress | None) -> None:
        self.title = title
        self.total = total
        self.done = 0
        self._bar = bar
        self._task = bar.add_task(title, total=total, status="") if bar else None
        self._started = self._printed = time.monotonic()

    def advance(self, amount: int = 1, *, status: str = "") -> None:
        """`amount` more units are done; `status` replaces the text behind the bar."""
        self.done += amount
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, status=status)
        elif time.monotonic() - self._printed > SECONDS_BETWEEN_LINES or self.done >= self.total:
            self._printed = time.monotonic()
            seconds = self._printed - self._started
            console.print(f"{self.title}: {self.done}/{self.total} in {seconds:.0f} s  {status}", highlight=False)


@contextmanager
def stage(title: str, total: int) -> Iterator[Stage]:
    """Show the progress of a block: a live bar on a terminal, a line every half minute elsewhere."""
    if not console.is_terminal:
        yield Stage(title, total, None)
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}", style="dim"),
    )
    with Progress(*columns, console=console) as bar:
        yield Stage(title, total, bar)
