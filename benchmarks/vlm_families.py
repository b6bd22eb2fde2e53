"""Tries the contract of a VLM on every family and writes the table of `docs/vlm.md`.

    python benchmarks/vlm_families.py [--write]

Each family is a tiny VLM with random weights, from its real config, model and processor classes. Families whose
processor needs torchvision are tried where it is installed. Takes a minute on one CPU core.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import transformers
import tyro
from rich.console import Console
from transformers.utils import logging

from sections import write_section
from vlasync.models.quirks import QUIRKS
from vlasync.models.vlm import VLM
from vlasync.testing.families import FAMILIES, build_family
from vlasync.testing.vlm import CLAUSES, check_vlm
from vlasync.testing.vlm_history import AGAIN, REFUSED

PAGE = Path(__file__).parents[1] / "docs" / "vlm.md"
SECTION = "families"

HEADER = "| family | base model | pixels | contract | interleaved | beyond the rule |\n|---|---|---|---|---|---|\n"


def row(name: str) -> str:
    """One line of the table: build the family, try the contract."""
    family = FAMILIES[name]
    quirk = QUIRKS[name].note if name in QUIRKS else ""
    needs = f"needs {family.needs}" if family.needs else ""
    note = "; ".join(part for part in (quirk, needs) if part)
    if not family.available:
        return f"| `{name}` | | | not tried here | | {note} |\n"
    with tempfile.TemporaryDirectory() as folder:
        vlm = VLM.from_pretrained(build_family(name, Path(folder)), image_size=family.image_size)
        results = {result.clause: result for result in check_vlm(vlm)}
    failed = [clause for clause, result in results.items() if not result.passed]
    pixels = "its processor, frame by frame" if vlm.calls_processor else "batched"
    verdict = f"fails {', '.join(failed)}" if failed else "pass"
    history = interleaved(results["interleaved"].measured)
    return f"| `{name}` | {type(vlm.model).__name__} | {pixels} | {verdict} | {history} | {note} |\n"


def interleaved(measured: str) -> str:
    """Whether the VLM itself can look back, and else why not, from what its clause measured."""
    if measured.startswith(REFUSED):
        reason = measured.removeprefix(f"{REFUSED}history 'interleaved': ").split(":")[0]
        return f"no, {reason}"
    return "yes, images again at each step" if measured.endswith(AGAIN) else "yes"


def rows(console: Console) -> Iterator[str]:
    """All lines in the order of the names, shown as they come."""
    for name in sorted(FAMILIES):
        line = row(name)
        console.print(line.strip(), highlight=False, markup=False, soft_wrap=True)
        yield line


def main(write: bool = False) -> None:
    """Try all families.

    Args:
        write: put the table into the page.
    """
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    table = HEADER + "".join(rows(Console()))
    passed = len(re.findall(r"\| pass \|", table))
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    summary = f"{passed} of {len(FAMILIES)} families keep all {len(CLAUSES)} clauses ({versions}).\n"
    if write:
        write_section(PAGE, SECTION, f"{summary}\n{table}")


if __name__ == "__main__":
    tyro.cli(main)
