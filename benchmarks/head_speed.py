"""What a policy head costs beside its VLM: parameters, milliseconds to act, milliseconds to learn.

    python benchmarks/head_speed.py [--repeats 20] [--write]

Each head has its usual size and reads one action embedding of width 2048, that of Kosmos-2, per frame, in windows of 8
with chunks of 10. Acting is one `step` of one rollout whose window is full; learning is loss and backward on 8 windows.
Prints medians, on the CPU in float32.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import tyro
from rich.console import Console
from rich.table import Table

from figures import keep
from vlasync.models.chunks import ChunkTarget
from vlasync.models.heads.head import HeadShape, PolicyHead
from vlasync.models.heads.kinds import HEADS, head_config
from vlasync.models.losses import LossConfig

SHAPE = HeadShape(embedding_size=2048, latent=1, window_size=8, chunk_size=10)


def milliseconds(task: Callable[[], object], repeats: int) -> float:
    """Median time of a task, after three calls of warm-up."""
    times = []
    for _ in range(3 + repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[3:])


def acting(head: PolicyHead, repeats: int) -> float:
    """Milliseconds of a step with a full window."""
    frames = torch.randn(SHAPE.window_size, 1, SHAPE.latent, SHAPE.embedding_size)
    with torch.inference_mode():
        stream = head.init_stream(1)
        for frame in frames:
            stream, _ = head.step(stream, frame)
        return milliseconds(lambda: head.step(stream, frames[0]), repeats)


def learning(head: PolicyHead, repeats: int) -> float:
    """Milliseconds of loss and backward on 8 windows."""
    rows = (8, SHAPE.window_size, SHAPE.chunk_size)
    embeddings = torch.randn(8, SHAPE.window_size, SHAPE.latent, SHAPE.embedding_size, requires_grad=True)
    target = ChunkTarget(
        pose=torch.rand(*rows, SHAPE.pose_size) * 2.0 - 1.0,
        gripper_open=torch.rand(rows) > 0.5,
        mask=torch.ones(rows, dtype=torch.bool),
    )
    return milliseconds(lambda: head.loss(embeddings, target, LossConfig()).total.backward(), repeats)


def main(repeats: int = 20, *, write: bool = False) -> None:
    """Measure every head of vlasync; `--write` appends a dated line to RESULTS.md."""
    table = Table("head", "parameters", "acting, ms", "learning, ms")
    words = []
    for kind in HEADS:
        head = head_config(kind).build(SHAPE)
        size = f"{sum(weight.numel() for weight in head.parameters()) / 1e6:.1f} M"
        times = f"{acting(head.eval(), repeats):.1f}", f"{learning(head.train(), repeats):.1f}"
        table.add_row(kind, size, *times)
        words.append(f"{kind} {times[0]} / {times[1]}")
    Console().print(table)
    if write:
        keep("head_speed", f"ms to act / to learn: {', '.join(words)}")


if __name__ == "__main__":
    tyro.cli(main)
