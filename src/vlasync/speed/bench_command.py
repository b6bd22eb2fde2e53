"""`vlasync bench`: how fast a run's policy acts and trains on this machine, as a table or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from vlasync.models.compute import BY_DEVICE, Compute


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to time, and how.

    Attributes:
        steps: of acting; training takes a tenth of them, 3 at least.
        batch: windows in a training step.
        instruction: what the policy is told; longer ones have more tokens.
        precision: of the products; auto is bf16 where the device multiplies it faster.
        json: print JSON in place of tables.
        compute: how the VLM is computed.
    """

    steps: int = 200
    batch: int = 4
    instruction: str = "push the red block to the left side of the table"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    json: bool = False
    compute: Annotated[Compute, tyro.conf.arg(name="")] = BY_DEVICE


def run_bench(run: Path, options: BenchOptions, console: Console) -> int:
    """Time a run's newest policy and show it; its files stay as they are.

    Imports stand inside, so that the help does not wait for torch.

    Returns:
        The exit code, 0.

    Raises:
        CheckpointError: there is no policy.
    """
    import torch

    from vlasync.models.folder import load_vla
    from vlasync.runs import latest_checkpoint
    from vlasync.speed.measure import measure_speed
    from vlasync.training.parallel import choose_precision

    speed = measure_speed(
        load_vla(latest_checkpoint(run)).to("cuda" if torch.cuda.is_available() else "cpu"),
        options.instruction,
        compute=options.compute,
        half=choose_precision(options.precision) == "bf16",
        windows=options.batch,
        steps=options.steps,
    )
    if options.json:
        console.print_json(json.dumps(asdict(speed)))
    else:
        speed.print(console)
    return 0
