"""Where benchmarks keep their figures: one dated line each in RESULTS.md, newest last."""

from __future__ import annotations

from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def keep(benchmark: str, figures: str) -> None:
    """Append what a benchmark measured today.

    Args:
        benchmark: the script's name.
        figures: what was measured, in which units, on what.
    """
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(f"- {date.today().isoformat()} {benchmark}, {figures}\n")
