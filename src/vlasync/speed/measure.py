"""A VLA timed as a whole: training steps, then steps of a rollout, on one device and in one precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Column, Table

from vlasync.models.compute import Compute
from vlasync.models.kernels import halve_weights, set_up
from vlasync.models.vla import VLA
from vlasync.policy import Policy
from vlasync.speed.acting import ActingSpeed, measure_acting
from vlasync.speed.learning import LearningSpeed, measure_learning, noise_batch


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What was measured, and on what.

    Attributes:
        device: its name.
        precision: `fp32` or `bf16`, of the products.
        compute: how the VLM was computed.
        acting: one rollout.
        learning: training steps.
    """

    device: str
    precision: str
    compute: Compute
    acting: ActingSpeed
    learning: LearningSpeed

    def print(self, console: Console) -> None:
        """Show everything as lines and a table."""
        acting, learning, compute = self.acting, self.learning, self.compute
        words = [f"{compute.attention} attention", *(["oneDNN's products"] if compute.linear == "onednn" else [])]
        words += ["compiled"] if compute.compile else []
        words += [f"activation checkpointing {compute.checkpointing}"] if compute.checkpointing else []
        console.print(f"{self.device}, {self.precision}, {', '.join(words)}", highlight=False)
        console.print(
            f"acting: p50 {acting.p50:.1f} ms, p95 {acting.p95:.1f} ms, p99 {acting.p99:.1f} ms over {acting.steps} "
            f"steps; the first one {acting.first:.1f} ms",
            highlight=False,
        )
        console.print(
            f"training: {learning.milliseconds:.1f} ms for {learning.windows} windows of "
            f"{learning.frames // learning.windows} frames, {learning.frames_per_second:.1f} frames/s, "
            f"MFU {learning.mfu:.0%} of the {learning.peak_flops / 1e12:.3g} TFLOP/s of a matrix product, "
            f"peak memory {learning.peak_memory / 2**30:.2f} GiB",
            highlight=False,
        )
        table = Table("part", *(Column(f"{name}, ms", justify="right") for name in ("acting", "training")))
        for part in dict.fromkeys((*acting.parts, *learning.parts)):
            cells = (parts.get(part) for parts in (acting.parts, learning.parts))
            table.add_row(part, *("" if cell is None else f"{cell:.2f}" for cell in cells))
        console.print(table)


def measure_speed(vla: VLA, instruction: str, *, compute: Compute, half: bool, windows: int, steps: int) -> Speed:
    """Time a VLA; its weights are moved by training steps on noise, and halved afterwards where products are in bf16.

    Args:
        vla: on the device where it is to run.
        instruction: what it is told.
        compute: how its VLM is computed.
        half: products in bfloat16.
        windows: in a training step.
        steps: of acting; training takes a tenth of them, 3 at least.
    """
    device = next(vla.parameters()).device
    done = set_up(vla.vlm, compute, device, half=half)
    dtype = torch.bfloat16 if half else torch.float32
    batch = noise_batch(vla, instruction, windows=windows)
    learning = measure_learning(vla, batch, dtype=dtype, steps=max(3, steps // 10))
    if half:
        halve_weights(vla.vlm)
    return Speed(
        device=device_name(device),
        precision="bf16" if half else "fp32",
        compute=done,
        learning=learning,
        acting=measure_acting(Policy(vla, device=device), instruction, steps=steps),
    )


def device_name(device: torch.device) -> str:
    """The device in words: a GPU's name, or what a CPU's vectors are and how many threads there are."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({torch.backends.cpu.get_cpu_capability()}), threads: {torch.get_num_threads()}"
