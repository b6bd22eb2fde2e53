"""Training and conversion, killed at random moments and started again: what comes out is what comes out undisturbed.

    python benchmarks/kill_resume.py --data CALVIN_SPLIT [--kills 50]

Each kind of run is first done undisturbed, then again and again under `kill -9` at random moments of its duration,
until so many kills have hit. A checkpoint is written every other step, so that most kills find one under way. Losses,
step by step, and all bytes of weights and moments have to be those of the undisturbed run; of a conversion, all frames.
No half of a checkpoint or shard may be left to fill the disk; a hidden file of a few lines may.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from vlasync.data.convert import Conversion, convert
from vlasync.data.open import open_dataset
from vlasync.models.heads.flow import FlowHeadConfig
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLAConfig
from vlasync.runs import latest_checkpoint, read_metrics
from vlasync.training.optimizer import OptimizerConfig
from vlasync.training.parallel import Precision
from vlasync.training.run import RunConfig, TinyVLM, train
from vlasync.training.trainer import TrainingConfig

# Forked from a process that has imported everything: a fresh one would spend most of its life on imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["vlasync.training.run", "vlasync.data.convert"])


@dataclass(frozen=True, kw_only=True)
class KillResume:
    """What to kill, and how often.

    Attributes:
        data: a CALVIN split, LeRobot v3 folder or training store.
        kills: for each kind of run.
        steps: optimiser steps of a training run.
        seed: of the moments.
    """

    data: Path
    kills: int = 50
    steps: int = 24
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of run: what does it, given a folder, and what came out, in a form to compare."""

    name: str
    work: Callable[[Path], object]
    outcome: Callable[[Path], object]


def main(config: KillResume) -> int:
    """Kill, resume, compare and print; 1 if anything differs."""
    FORKS.Process(target=int).start()  # the first one waits for the imports, which would count as time of a run
    with tempfile.TemporaryDirectory() as scratch:
        return max(survives(kind, Path(scratch) / kind.name, config) for kind in kinds(config))


def kinds(config: KillResume) -> list[Kind]:
    """Training with everything that is drawn at random, in both precisions, and a conversion."""
    recipes = {
        "full fp32": recipe(config, VLAConfig(head=LSTMHeadConfig(hidden=32, layers=2), window_size=4), "fp32"),
        "lora bf16": recipe(config, VLAConfig(tuning=Tuning(mode="lora", lora_rank=4), window_size=4), "bf16"),
        "flow bf16": recipe(config, VLAConfig(head=FlowHeadConfig(hidden=32, layers=1), window_size=4), "bf16"),
    }
    trained = [
        Kind(name=name, work=Training(recipe=made, data=config.data), outcome=training_outcome)
        for name, made in recipes.items()
    ]
    return [*trained, Kind(name="conversion", work=Converting(data=config.data), outcome=frames_of)]


def recipe(config: KillResume, vla: VLAConfig, precision: Precision) -> RunConfig:
    """A tiny model with shifts, dropout where the tuning has it, accumulation, and a checkpoint every other step."""
    training = TrainingConfig(
        steps=config.steps,
        batch_size=2,
        gradient_accumulation=2,
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=4),
        precision=precision,
        log_every=1,
        validate_every=6,
        validation_batches=1,
        checkpoint_every=2,
    )
    size = TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=1, heads=2)
    return RunConfig(vlm=TinyVLM(family="smolvlm", size=size), vla=replace(vla, chunk_size=3), training=training)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Trains into a folder."""

    recipe: RunConfig
    data: Path

    def __call__(self, folder: Path) -> None:
        """To the end, from wherever it is."""
        train(self.recipe, self.data, folder)


@dataclass(frozen=True, kw_only=True)
class Converting:
    """Converts into a training store."""

    data: Path

    def __call__(self, folder: Path) -> None:
        """To the end, from wherever it is."""
        convert(Conversion(source=self.data, target=folder, to="store"))


def training_outcome(run: Path) -> object:
    """Losses of all steps, and hashes of the last policy and of what trains on."""
    files = [latest_checkpoint(run) / name for name in ("model.safetensors", "training.safetensors")]
    lines = read_metrics(run / "metrics.jsonl")
    return (
        [(line.step, line.loss, line.gradient_norm, line.validation_loss) for line in lines],
        [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
    )


def frames_of(store: Path) -> object:
    """Each episode's name, numbers of frames, and a hash of what is in them."""
    return [
        (
            episode.name,
            episode.frame_index.tolist(),
            hashlib.sha256(
                b"".join(np.asarray(part).tobytes() for part in [*episode.images.values(), episode.actions])
            ).hexdigest(),
        )
        for episode in open_dataset(store)
    ]


def survives(kind: Kind, folder: Path, config: KillResume) -> int:
    """Run one kind undisturbed, then killed; 1 if what came out differs."""
    started = time.monotonic()
    hit(kind, folder / "undisturbed", after=None)
    duration = time.monotonic() - started
    wanted = kind.outcome(folder / "undisturbed")
    random = np.random.default_rng(config.seed)
    kills = runs = different = 0
    while kills < config.kills or runs == 0:
        while kills < config.kills and hit(kind, folder / "killed", after=random.uniform(0, duration)):
            kills += 1
        hit(kind, folder / "killed", after=None)
        runs += 1
        torn = sorted(str(path.relative_to(folder)) for path in folder.glob("killed/**/.*.tmp") if path.is_dir())
        found = kind.outcome(folder / "killed")
        if found != wanted or torn:
            different += 1
            print(f"{kind.name}, run {runs}: left behind {torn}; expected {wanted}, got {found}", flush=True)
        shutil.rmtree(folder / "killed")
    print(f"{kind.name}: {kills} kills in {runs} runs of {duration:.1f} s, {different} of them came out different")
    return int(different > 0)


def hit(kind: Kind, folder: Path, *, after: float | None) -> bool:
    """Start a run, or go on with it, and kill it after so many seconds; False if it came to its end before."""
    worker = FORKS.Process(target=quietly, args=(kind.work, folder))
    worker.start()
    worker.join(after)
    if worker.is_alive():
        worker.kill()
        worker.join()
        return True
    if worker.exitcode:
        raise RuntimeError(f"{kind.name}: it ended by itself with {worker.exitcode}, see above")
    return False


def quietly(work: Callable[[Path], object], folder: Path) -> None:
    """In the process that is killed: without progress bars."""
    with Path(os.devnull).open("w") as sys.stdout:
        work(folder)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(KillResume)))
