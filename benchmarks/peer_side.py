"""One side of a comparison: a process that holds one model, and trains or acts when it is told to.

It needs nothing but torch, so that each side can run under the interpreter of its own project. A side is a script that
is called with FOLDER, PRECISION and CLOCK and hands `serve` two functions. Requests are lines on standard input:
`train`, `act` or `memory`. A reply is a line of JSON that begins with `REPLY`, whatever else the model prints.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch

REPLY = "reply: "
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
BATCH, WINDOW, CHUNK, CAMERA_PX = 2, 8, 10, 200
SENTENCE = "push the red block to the left side of the table"


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def arithmetic(precision: str) -> AbstractContextManager[object]:
    """Autocast to bfloat16 where `precision` is bf16, on the CPU."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def optimizer_of(model: torch.nn.Module, *, fused: bool | None = None) -> torch.optim.AdamW:
    """AdamW over all that trains."""
    return torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=2e-5, fused=fused)


def serve(train: Callable[[], object], act: Callable[[], object], *, clock: str, before: int) -> None:
    """Answer requests until the input ends.

    Args:
        train: a training step: loss, gradients, AdamW.
        act: a control step of a rollout.
        clock: one of `CLOCKS`; other work on the machine lengthens the wall's time, and not the process's own.
        before: memory of this process before it had a model.
    """
    for request in sys.stdin:
        if request.strip() == "memory":
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
            reply = peak - before
        else:
            task = {"train": train, "act": act}[request.strip()]
            started = CLOCKS[clock]()
            task()
            reply = 1e3 * (CLOCKS[clock]() - started)
        print(REPLY + json.dumps(reply), flush=True)
