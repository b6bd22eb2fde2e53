"""The training loop: VLM, [LRN] and policy head together, end to end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import nn

from vlasync.data.batches import WindowLoader
from vlasync.data.windows import Windows
from vlasync.errors import VlasyncError
from vlasync.models.losses import LossTerms
from vlasync.models.vla import VLA
from vlasync.progress import stage
from vlasync.runs import checkpoint_folders, latest_checkpoint
from vlasync.training.checkpoint import (
    RunProgress,
    prune_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from vlasync.training.ema import WeightAverage
from vlasync.training.metrics import Meter, MetricsFile
from vlasync.training.optimizer import OptimizerConfig, build_optimizer, learning_rate_at
from vlasync.types import Batch

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long, how much at once, and what is written down on the way.

    Attributes:
        steps: optimiser steps.
        epochs: passes over the windows, which take the place of `steps` once the number of windows is known.
        batch_size: windows per process and micro-batch.
        gradient_accumulation: micro-batches per optimiser step.
        optimizer: AdamW and its schedule.
        average_decay: decay of the averaged weights that the checkpoints hold.
        precision: `auto` takes bf16 where the processor multiplies it faster than fp32.
        log_every: optimiser steps between log lines.
        validate_every: optimiser steps between measurements of the validation loss.
        validation_batches: batches of held-out episodes for each.
        checkpoint_every: optimiser steps between checkpoints.
        keep_last: newest checkpoints to keep.
        milestones: shares of the run whose checkpoints are kept for the curve of success against time.
        seed: of weights, order, shifts and dropout.
    """

    steps: int = 1000
    epochs: float | None = None
    batch_size: int = 16
    gradient_accumulation: int = 1
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    average_decay: float = 0.999
    precision: Precision = "auto"
    log_every: int = 20
    validate_every: int = 200
    validation_batches: int = 8
    checkpoint_every: int = 200
    keep_last: int = 2
    milestones: tuple[float, ...] = ()
    seed: int = 0

    def in_steps(self, windows: int, processes: int) -> TrainingConfig:
        """The same with `epochs` as `steps`; the last step of an epoch may have fewer micro-batches to itself.

        Args:
            windows: in the training data; those that fill no last batch are left out of an epoch.
            processes: that train together.
        """
        if self.epochs is None:
            return self
        batches = windows // (self.batch_size * processes)
        steps = max(1, round(self.epochs * math.ceil(batches / self.gradient_accumulation)))
        return replace(self, steps=steps, epochs=None)

    @property
    def milestone_steps(self) -> frozenset[int]:
        """Milestones as optimiser steps."""
        return frozenset(round(share * self.steps) for share in self.milestones)


def choose_precision(precision: Precision) -> Literal["no", "bf16"]:
    """Accelerate's name for a precision; `auto` is bf16 on GPUs that have it and on CPUs with bf16 products."""
    if precision == "fp32":
        return "no"
    if precision == "bf16":
        return "bf16"
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "no"


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of all randomness within one micro-batch, so that a resumed run needs no generator's state."""
    return (seed * 1_000_003 + step) * 4099 + process


def start_accelerator(config: TrainingConfig, run: Path) -> Accelerator:
    """Which of the processes that train together this one is, on which device and in which precision."""
    # Accelerate keeps one state per process and refuses another precision; a second run may well want one.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=choose_precision(config.precision), log_with="tensorboard", project_dir=run)


class Objective(nn.Module):
    """The loss as a module's forward call, which is where distributed training gathers weights and sums gradients."""

    def __init__(self, vla: VLA) -> None:
        super().__init__()
        self.vla = vla

    def forward(self, batch: Batch) -> LossTerms:
        """The loss on B windows."""
        return self.vla.loss(batch)


class Trainer:
    """Trains a VLA on windows and writes checkpoints, metrics and TensorBoard files into a run folder.

    A run folder that already holds a checkpoint is continued from there.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        vla: VLA,
        windows: Windows,
        validation: Windows | None,
        config: TrainingConfig,
        run: Path,
    ) -> None:
        self.config = config
        self.run = run
        self.vla = vla
        self.accelerator = accelerator
        set_seed(config.seed)
        self.optimizer = build_optimizer(vla, config.optimizer)
        self.model, self.optimizer = self.accelerator.prepare(Objective(vla), self.optimizer)
        self.average = WeightAverage(vla, config.average_decay)
        self.loader = WindowLoader(
            windows,
            batch_size=config.batch_size,
            seed=config.seed,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )
        self.validation = self._validation_batches(validation)
        self.progress = RunProgress(step=0, minutes=0.0, loader=self.loader.state_dict())
        windows_per_step = config.batch_size * config.gradient_accumulation * self.accelerator.num_processes
        self._frames_per_step = windows_per_step * windows.window_size

    def train(self) -> Path:
        """Train to the last step, from the newest checkpoint if there is one; returns the last checkpoint."""
        self._resume()
        metrics = MetricsFile(self.run / "metrics.jsonl", resumed_step=self.progress.step)
        self.accelerator.init_trackers("tensorboard")
        batches = iter(self.loader)
        meter = Meter(minutes=self.progress.minutes)
        self.model.train()
        with stage("train", self.config.steps) as bar:
            bar.advance(self.progress.step)
            for step in range(self.progress.step, self.config.steps):
                terms = self._optimizer_step(step, batches)
                meter.add(terms, frames=self._frames_per_step)
                self._after_step(step + 1, meter, metrics)
                bar.advance(status=meter.status)
        self.accelerator.end_training()
        return latest_checkpoint(self.run)

    def _optimizer_step(self, step: int, batches: Iterator[Batch]) -> dict[str, float]:
        """One optimiser step over `gradient_accumulation` micro-batches; the mean of each loss term."""
        learning_rate = learning_rate_at(step, self.config.steps, self.config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        terms: dict[str, float] = {"learning_rate": learning_rate, "loss": 0.0, "pose": 0.0, "gripper": 0.0}
        accumulation = self.config.gradient_accumulation
        for micro in range(accumulation):
            torch.manual_seed(step_seed(self.config.seed, step * accumulation + micro, self.accelerator.process_index))
            batch = next(batches).to(self.accelerator.device)
            synchronise = micro + 1 == accumulation
            with nullcontext() if synchronise else self.accelerator.no_sync(self.model):
                loss = self._loss(batch)
                self.accelerator.backward(loss.total / accumulation)
            for name, value in (("loss", loss.total), ("pose", loss.pose), ("gripper", loss.gripper)):
                terms[name] += value.item() / accumulation
        limit = self.config.optimizer.clip_norm
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), math.inf if limit is None else limit)
        assert norm is not None  # None is for XLA devices alone
        terms["gradient_norm"] = norm.item()
        if not math.isfinite(terms["loss"]) or not math.isfinite(terms["gradient_norm"]):
            raise VlasyncError(
                f"step {step}: the loss is {terms['loss']}, the gradient norm {terms['gradient_norm']}; "
                "lower the learning rate or train in fp32"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()
        return terms

    def _loss(self, batch: Batch) -> LossTerms:
        with self.accelerator.autocast():
            return self.model(batch)

    def _after_step(self, step: int, meter: Meter, metrics: MetricsFile) -> None:
        """Log, validate and save where step `step` (steps done) calls for it."""
        config, last = self.config, step == self.config.steps
        if step % config.log_every == 0 or last:
            validation = (
                self._validation_loss() if self.validation and (step % config.validate_every == 0 or last) else None
            )
            line = meter.line(step, validation)
            if self.accelerator.is_main_process:
                metrics.append(line)
            scalars = {name: value for name, value in asdict(line).items() if value is not None}
            self.accelerator.log(scalars, step=step)
        if step % config.checkpoint_every == 0 or step in config.milestone_steps or last:
            self._save(step, meter.minutes)

    @torch.no_grad()
    def _validation_loss(self) -> float:
        """Mean total loss of the averaged weights over the held-out batches, without random shifts.

        A head that draws noise for its loss draws the same for each measurement.
        """
        self.model.eval()
        torch.manual_seed(self.config.seed)
        with self.average.applied():
            losses = [self._loss(batch.to(self.accelerator.device)).total.item() for batch in self.validation]
        self.model.train()
        return sum(losses) / len(losses)

    def _save(self, step: int, minutes: float) -> None:
        if self.accelerator.is_main_process:
            progress = RunProgress(step=step, minutes=minutes, loader=self.loader.state_dict())
            save_checkpoint(self.run, self.vla, self.optimizer, self.average, progress)
            prune_checkpoints(self.run, keep_last=self.config.keep_last, milestones=self.config.milestone_steps)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        if folders := checkpoint_folders(self.run):
            self.progress = restore_checkpoint(folders[-1], self.vla, self.optimizer, self.average)
            self.loader.load_state_dict(self.progress.loader)

    def _validation_batches(self, windows: Windows | None) -> list[Batch]:
        """The same few batches for every measurement, spread over all held-out windows."""
        if windows is None:
            return []
        size, wanted = self.config.batch_size, self.config.validation_batches * self.config.batch_size
        chosen = np.linspace(0, len(windows) - 1, min(wanted, len(windows))).astype(int)
        return [windows.batch(chosen[first : first + size]) for first in range(0, len(chosen), size)]
