"""How many frames a second a training step takes in, for the demo's VLM and its neighbours.

    python benchmarks/training_speed.py [--steps 20] [--write]

A step is loading nothing, forward, backward and AdamW on one batch of 32 windows of 4 frames with two 64 px cameras, in
the precision that training would choose. Prints the median over the steps, and the ratio to the demo's own size.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from figures import keep
from vlasync.data.windows import Windows
from vlasync.models.tiny import TinySize
from vlasync.recipes.demo import demo
from vlasync.spec import Camera, SyncSpec
from vlasync.speed.learning import training_step
from vlasync.training.parallel import choose_precision
from vlasync.training.run import RunConfig, TinyVLM, prepare_vla
from vlasync.types import Episode, LanguageSpan

SIZES = {
    "patch 16, 4 tokens (demo)": TinySize(image_size=64, patch_size=16, pixel_shuffle=2),
    "patch 16, 16 tokens": TinySize(image_size=64, patch_size=16, pixel_shuffle=1),
    "patch 8, 16 tokens": TinySize(image_size=64, patch_size=8, pixel_shuffle=2),
}


def noise_windows(window_size: int, chunk_size: int) -> Windows:
    """Windows over an episode of noise: the time of a step does not depend on what it sees."""
    spec = SyncSpec.CALVIN.replace(cameras={name: Camera(height=64, width=64) for name in ("static", "gripper")})
    rng, frames = np.random.default_rng(0), 200
    episode = Episode(
        name="noise",
        spec=spec,
        images={name: rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8) for name in spec.cameras},
        state=rng.normal(size=(frames, 15)),
        actions=np.clip(rng.normal(size=(frames, 7)), -1, 1),
        scene=None,
        frame_index=np.arange(frames),
        language=(LanguageSpan(first=0, last=frames - 1, sentence="push the blue block to the right", task="push"),),
    )
    return Windows([episode], window_size=window_size, chunk_size=chunk_size)


def frames_per_second(recipe: RunConfig, steps: int, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Frames of one step over the median time of a step, after three steps of warm-up.

    Args:
        recipe: what to train.
        steps: timed steps.
        clock: in seconds; `time.process_time` on one thread does not see what else a machine is busy with.
    """
    windows = noise_windows(recipe.vla.window_size, recipe.vla.chunk_size)
    with tempfile.TemporaryDirectory() as folder:
        vla = prepare_vla(recipe, windows, Path(folder)).train()
    batch = windows.batch(list(range(recipe.training.batch_size)))
    half = choose_precision("auto") == "bf16"
    step = training_step(vla, batch, dtype=torch.bfloat16 if half else torch.float32)
    seconds = []
    for _ in range(steps + 3):
        started = clock()
        step()
        seconds.append(clock() - started)
    return batch.state.shape[0] * batch.state.shape[1] / statistics.median(seconds[3:])


def main(steps: int = 20, write: bool = False) -> None:
    """Print the table.

    Args:
        steps: timed steps per size.
        write: append a line to RESULTS.md.
    """
    speeds = {
        name: frames_per_second(replace(demo(), vlm=TinyVLM(family="smolvlm", size=size)), steps)
        for name, size in SIZES.items()
    }
    first = next(iter(speeds.values()))
    table = Table("vision tokens per camera", "frames/s", "of the demo's", title="training step, both cameras at 64 px")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:.0f}", f"{speed / first:.2f}")
    Console().print(table)
    if write:
        line = ", ".join(f"{name}: {speed:.0f}" for name, speed in speeds.items())
        keep("training_speed", f"frames/s: {line}")


if __name__ == "__main__":
    tyro.cli(main)
