"""How long a VLA takes for a training step: loss, gradients and AdamW on one batch that is already there."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from vlasync.models.flops import FlopCount, peak_flops
from vlasync.models.vla import VLA
from vlasync.speed.budget import budget_of
from vlasync.training.optimizer import OptimizerConfig, build_optimizer
from vlasync.types import Batch

_WARM_UP, _PROFILED = 2, 3  # steps before the clock; steps that the profiler looks at


@dataclass(frozen=True, kw_only=True)
class LearningSpeed:
    """What a training step takes.

    Attributes:
        windows: B, in a step.
        frames: B * W, in a step.
        milliseconds: the median of the steps.
        frames_per_second: frames over that time.
        flops_per_frame: floating point operations that a frame needs, see `FlopCount`.
        peak_flops: that a matrix product on this device reaches in a second, see `flops.peak_flops`.
        mfu: the utilisation, FLOPs of the step over what the device could have done in its time.
        peak_memory: most bytes that were in use: of the GPU; on a CPU, of the whole process since its start.
        parts: where the time goes, the mean by part; see `budget.PARTS`.
    """

    windows: int
    frames: int
    milliseconds: float
    frames_per_second: float
    flops_per_frame: float
    peak_flops: float
    mfu: float
    peak_memory: int
    parts: Mapping[str, float]


def measure_learning(vla: VLA, batch: Batch, *, dtype: torch.dtype, steps: int) -> LearningSpeed:
    """Time training steps; the weights of `vla` are moved by them.

    Args:
        vla: what trains, on the device where it is.
        batch: B windows, on the same device.
        dtype: in which products are computed; bfloat16 by autocast, as in training.
        steps: to be timed.
    """
    device = batch.state.device
    step = training_step(vla.train(), batch, dtype=dtype)
    for _ in range(_WARM_UP):
        step()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = statistics.median(_seconds(step, device) for _ in range(steps))
    memory = peak_memory(device)
    count = FlopCount()
    with count:
        step()
    peak, frames = peak_flops(device, dtype), batch.state.shape[0] * batch.state.shape[1]
    return LearningSpeed(
        windows=len(batch.state),
        frames=frames,
        milliseconds=1e3 * seconds,
        frames_per_second=frames / seconds,
        flops_per_frame=count.needed / frames,
        peak_flops=peak,
        mfu=count.needed / (seconds * peak),
        peak_memory=memory,
        parts=budget_of(vla, step, repeats=_PROFILED),
    )


def training_step(vla: VLA, batch: Batch, *, dtype: torch.dtype) -> Callable[[], None]:
    """A training step on `batch` as a function: loss, gradients, AdamW; clipping is left out."""
    optimizer = build_optimizer(vla, OptimizerConfig())

    def step() -> None:
        with torch.autocast(batch.state.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = vla.loss(batch).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def noise_batch(vla: VLA, instruction: str, *, windows: int) -> Batch:
    """Windows of noise under one instruction, on the device of `vla`: B windows of its W frames and K actions."""
    device, spec, random = next(vla.parameters()).device, vla.spec, torch.Generator().manual_seed(0)
    shape = (windows, vla.config.window_size)
    actions = torch.rand(*shape, vla.config.chunk_size, spec.action_size, generator=random) - 0.5
    actions[..., -1] = torch.where(actions[..., -1] > 0, spec.gripper_open, spec.gripper_closed)
    return Batch(
        images={
            name: torch.randint(0, 256, (*shape, 3, camera.height, camera.width), generator=random, dtype=torch.uint8)
            for name, camera in spec.cameras.items()
        },
        state=torch.randn(*shape, spec.state_size, generator=random),
        actions=actions,
        chunk_mask=torch.ones(actions.shape[:-1], dtype=torch.bool),
        sentences=(instruction,) * windows,
    ).to(device)


def peak_memory(device: torch.device) -> int:
    """Most bytes that tensors held on a GPU since the last reset; of a CPU's process, most that it ever had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
