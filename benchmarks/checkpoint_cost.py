"""What a checkpoint costs the training loop: how long it waits for the copy, of how long the files take.

    python benchmarks/checkpoint_cost.py --data CALVIN_SPLIT [--hidden 512]

A loop that wrote its checkpoints itself would wait for the files.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro

from vlasync.models.tiny import TinySize
from vlasync.recipes.reference import tiny_smolvlm_lstm
from vlasync.training.checkpoint import Checkpoints, RunProgress, TrainingState
from vlasync.training.ema import WeightAverage
from vlasync.training.optimizer import OptimizerConfig, build_optimizer
from vlasync.training.run import TinyVLM, open_windows, prepare_vla


@dataclass(frozen=True, kw_only=True)
class CheckpointCost:
    """What to measure.

    Attributes:
        data: a CALVIN split or training store.
        hidden: width of the tiny model's decoder.
        layers: its layers.
        repeats: checkpoints; the median counts.
        folder: on the disk to measure; the usual one for temporary files by default.
    """

    data: Path
    hidden: int = 512
    layers: int = 8
    repeats: int = 5
    folder: Path | None = None


def main(config: CheckpointCost) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir=config.folder) as folder:
        run = Path(folder)
        checkpoints = prepared(config, run)
        waits, writes = [], []
        for step in range(config.repeats):
            started = time.monotonic()
            checkpoints.save(RunProgress(step=step, minutes=0.0, loader={}))
            copied = time.monotonic()
            checkpoints.wait()
            waits.append(copied - started)
            writes.append(time.monotonic() - copied)
        last = run / "checkpoints" / f"{config.repeats - 1:07d}"
        size = sum(file.stat().st_size for file in last.rglob("*") if file.is_file())
    wait, write = np.median(waits), np.median(writes)
    print(
        f"{size / 1e6:.0f} MB: the loop waits {1e3 * wait:.0f} ms for the copy; it does not wait for the "
        f"{1e3 * write:.0f} ms that writing takes, {write / wait:.1f} times as long"
    )


def prepared(config: CheckpointCost, run: Path) -> Checkpoints:
    """The checkpoints of a run after one step, which makes the optimiser's moments."""
    size = TinySize(image_size=64, patch_size=16, hidden=config.hidden, text_layers=config.layers)
    recipe = replace(tiny_smolvlm_lstm(), vlm=TinyVLM(family="smolvlm", size=size))
    windows, _ = open_windows(recipe, config.data, run)
    vla = prepare_vla(recipe, windows, run)
    optimizer = build_optimizer(vla, OptimizerConfig())
    vla.loss(windows.batch([0])).total.backward()
    optimizer.step()
    state = TrainingState(vla=vla, optimizer=optimizer, average=WeightAverage(vla, 0.999))
    return Checkpoints(run, state, keep_last=2, milestones=frozenset())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tyro.cli(CheckpointCost))
