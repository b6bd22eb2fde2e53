"""The training loop: VLM, [LRN] and policy head together, end to end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn

from vlasync.data.batches import WindowLoader
from vlasync.data.windows import Windows
from vlasync.errors import VlasyncError
from vlasync.models.flops import peak_flops
from vlasync.models.losses import LossTerms
from vlasync.models.parts import layers_of
from vlasync.models.vla import VLA
from vlasync.progress import stage
from vlasync.runs import latest_checkpoint
from vlasync.training.checkpoint import Checkpoints, RunProgress, TrainingState
from vlasync.training.ema import WeightAverage
from vlasync.training.metrics import Meter, MetricsFile
from vlasync.training.optimizer import OptimizerConfig, build_optimizer, learning_rate_at
from vlasync.training.parallel import Parallel, Precision, gathered, share_weights, without_sync
from vlasync.types import Batch


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
    def windows_per_process(self) -> int:
        """Windows of one optimiser step in one process."""
        return self.batch_size * self.gradient_accumulation

    def shared_by(self, processes: int, *, windows_per_step: int) -> TrainingConfig:
        """The same optimiser steps on so many processes: micro-batches are no larger, their number is what follows.

        Raises:
            VlasyncError: the windows of a step cannot be shared equally.
        """
        share, rest = divmod(windows_per_step, processes)
        if rest:
            raise VlasyncError(
                f"{processes} processes cannot share the {windows_per_step} windows of this run's optimiser step "
                f"equally; start as many as divide {windows_per_step}"
            )
        size = max(size for size in range(1, self.batch_size + 1) if share % size == 0)
        return replace(
            self,
            batch_size=size,
            gradient_accumulation=share // size,
            validation_batches=self.validation_batches * self.batch_size // size,
        )

    @property
    def milestone_steps(self) -> frozenset[int]:
        """Milestones as optimiser steps."""
        return frozenset(round(share * self.steps) for share in self.milestones)


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of all randomness within one micro-batch, so that a resumed run needs no generator's state."""
    return (seed * 1_000_003 + step) * 4099 + process


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
        *,
        parallel: Parallel = "ddp",
    ) -> None:
        self.config = config
        self.run = run
        self.accelerator = accelerator
        set_seed(config.seed)
        self.model = share_weights(accelerator, Objective(vla), layers_of(vla.vlm), parallel)
        self.optimizer = accelerator.prepare(build_optimizer(vla, config.optimizer))
        self.average = WeightAverage(vla, config.average_decay)
        self.checkpoints = Checkpoints(
            run,
            TrainingState(vla=vla, optimizer=self.optimizer, average=self.average),
            keep_last=config.keep_last,
            milestones=config.milestone_steps,
        )
        self.loader = WindowLoader(
            windows,
            batch_size=config.batch_size,
            seed=config.seed,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )
        self.validation = self._validation_batches(validation)
        self.progress = RunProgress(step=0, minutes=0.0, loader=self.loader.state_dict())
        self._global_batch = config.batch_size * self.accelerator.num_processes
        self._frames_per_step = self._global_batch * config.gradient_accumulation * windows.window_size

    def train(self) -> Path:
        """Train to the last step, from the newest checkpoint if there is one; returns the last checkpoint."""
        self._resume()
        metrics = MetricsFile(self.run / "metrics.jsonl", resumed_step=self.progress.step)
        self.accelerator.init_trackers("tensorboard")
        batches = iter(self.loader)
        half = self.accelerator.mixed_precision == "bf16"
        peak = peak_flops(self.accelerator.device, torch.bfloat16 if half else torch.float32)
        meter = Meter(minutes=self.progress.minutes, peak_flops=peak)
        self.model.train()
        with stage("train", self.config.steps) as bar:
            bar.advance(self.progress.step)
            for step in range(self.progress.step, self.config.steps):
                with meter.step():
                    terms = self._optimizer_step(step, batches)
                meter.add(terms, frames=self._frames_per_step)
                self._after_step(step + 1, meter, metrics)
                bar.advance(status=meter.status)
        self.checkpoints.wait()
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()
        return latest_checkpoint(self.run)

    def _optimizer_step(self, step: int, batches: Iterator[Batch]) -> dict[str, float]:
        """One optimiser step: its loss is the mean over all real entries of all its windows, however they are shared.

        Returns:
            Each term of this loss, the gradient's norm and the learning rate.
        """
        learning_rate = learning_rate_at(step, self.config.steps, self.config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        micro_batches = [next(batches) for _ in range(self.config.gradient_accumulation)]
        sums = torch.zeros(3, dtype=torch.float64)
        for micro, (batch, share) in enumerate(zip(micro_batches, self._shares(micro_batches), strict=True)):
            number = step * len(micro_batches) + micro
            torch.manual_seed(step_seed(self.config.seed, number, self.accelerator.process_index))
            last = micro + 1 == len(micro_batches)
            with nullcontext() if last else without_sync(self.accelerator, self.model):
                loss = self._loss(batch.to(self.accelerator.device))
                self.accelerator.backward(loss.total * share)
            sums += share * torch.stack([loss.total, loss.pose, loss.gripper]).detach().cpu().double()
        total, pose, gripper = self._mean(sums).tolist()
        norm = self._clip_gradients()
        if not math.isfinite(total) or not math.isfinite(norm):
            raise VlasyncError(
                f"step {step}: the loss is {total}, the gradient norm {norm}; lower the learning rate or train in fp32"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()
        return {"learning_rate": learning_rate, "loss": total, "pose": pose, "gripper": gripper, "gradient_norm": norm}

    def _shares(self, batches: list[Batch]) -> list[float]:
        """What the mean loss of each micro-batch counts in that of the step: its share of the real entries.

        Gradients are averaged over processes, so that the shares of all processes sum up to their number.
        """
        counts = torch.tensor([batch.chunk_mask.sum() for batch in batches], dtype=torch.float64)
        return (counts / self._mean(counts.sum()).clamp(min=1.0)).tolist()

    def _mean(self, numbers: torch.Tensor) -> torch.Tensor:
        """Mean over all processes of float64 numbers on the CPU."""
        if self.accelerator.num_processes == 1:
            return numbers
        mean = self.accelerator.reduce(numbers.to(self.accelerator.device), reduction="mean")
        assert isinstance(mean, torch.Tensor)  # as what it was given
        return mean.cpu()

    def _clip_gradients(self) -> float:
        """Shorten the gradient to the configured length; its global L2 norm before."""
        limit = self.config.optimizer.clip_norm
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), math.inf if limit is None else limit)
        assert norm is not None  # None is for XLA devices alone
        return gathered(norm).item()

    def _loss(self, batch: Batch) -> LossTerms:
        with self.accelerator.autocast():
            return self.model(batch)

    def _after_step(self, step: int, meter: Meter, metrics: MetricsFile) -> None:
        """Log, validate and save where step `step` (steps done) calls for it."""
        self.checkpoints.require_written()
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
            self.checkpoints.save(
                RunProgress(
                    step=step,
                    minutes=meter.minutes,
                    loader=self.loader.state_dict(),
                    global_batch=self._global_batch,
                )
            )

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

    def _resume(self) -> None:
        """Go on from the newest checkpoint, with the window after the last one, however many processes shared it."""
        if (progress := self.checkpoints.restore()) is not None:
            self.progress = progress
            position = progress.loader["position"] * (progress.global_batch or self._global_batch)
            self.loader.load_state_dict(progress.loader | {"position": position // self._global_batch})

    def _validation_batches(self, windows: Windows | None) -> list[Batch]:
        """The same few batches for every measurement, spread over all held-out windows."""
        if windows is None:
            return []
        size, wanted = self.config.batch_size, self.config.validation_batches * self.config.batch_size
        chosen = np.linspace(0, len(windows) - 1, min(wanted, len(windows))).astype(int)
        return [windows.batch(chosen[first : first + size]) for first in range(0, len(chosen), size)]
