"""Processes that train together: each holds all weights, or a part of them that is gathered where it is needed.

Which process this is comes from the launcher (`torchrun` or `accelerate launch`); without one it is alone. Two ways to
share are here: DDP, in which each process holds everything and gradients are summed, and PyTorch's `fully_shard`
(FSDP2, arXiv 2304.11277), in which weights, gradients, the optimiser's moments and the average lie in parts. Both leave
a step what it is in one process: weights are gathered in float32, and autocast decides the arithmetic.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from vlasync.errors import VlasyncError

Precision = Literal["auto", "fp32", "bf16"]

Parallel = Literal["ddp", "fsdp", "hsdp"]
"""What each process holds: `ddp` everything, `fsdp` a part over all processes, `hsdp` a part over those of its machine,
with a copy on each machine."""


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


def start_accelerator(precision: Precision, run: Path) -> Accelerator:
    """Which of the processes that train together this one is, on which device and in which precision.

    Raises:
        VlasyncError: a launcher started several, and Accelerate does not join them on this device.
    """
    # Accelerate keeps one state per process and refuses another precision; a second run may well want one.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # unless told, processes on CPUs are not joined
        mixed_precision=choose_precision(precision),
        log_with="tensorboard",
        project_dir=run,
    )
    _require_joined(accelerator)
    return accelerator


def _require_joined(accelerator: Accelerator) -> None:
    """Each of them would train alone, and all would write into one run folder."""
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise VlasyncError(
            f"the launcher started {launched} processes, but training on {accelerator.device.type!r} joins "
            f"{accelerator.num_processes}; start `vlasync train` without a launcher"
        )


def require_parallel(parallel: str, processes: int, tuning: str) -> None:
    """Raise `VlasyncError` unless so many processes can share the weights of a VLM that is tuned so, in this way."""
    if parallel not in get_args(Parallel):
        raise VlasyncError(f"--parallel: got {parallel!r}, expected one of {', '.join(get_args(Parallel))}")
    if parallel != "ddp" and processes == 1:
        raise VlasyncError(
            f"--parallel {parallel}: there is one process, so nobody to share weights with; start it by "
            "`torchrun --nproc-per-node GPUS -m -- vlasync train ...`, or leave the option out"
        )
    if parallel != "ddp" and tuning == "qlora":
        raise VlasyncError(
            f"--parallel {parallel}: weights in 4 bits are not shared; use --parallel ddp or --tuning lora"
        )
    if parallel == "hsdp" and processes % _processes_per_machine():
        raise VlasyncError(
            f"--parallel hsdp: {processes} processes, {_processes_per_machine()} of them on this machine; each machine "
            "needs as many, see --nproc-per-node"
        )


def share_weights(accelerator: Accelerator, model: nn.Module, units: list[nn.Module], parallel: Parallel) -> nn.Module:
    """The model on this process's device, with its weights shared; before its optimiser is made.

    Args:
        accelerator: from `start_accelerator`.
        model: what is trained; its forward call is where weights are gathered.
        units: modules whose weights are gathered together and dropped behind them, as a rule the layers.
        parallel: what each process holds.
    """
    if parallel == "ddp":
        return accelerator.prepare(model)
    mesh = _mesh(accelerator.device.type, accelerator.num_processes, parallel)
    model.to(accelerator.device)
    for unit in units:
        fully_shard(unit, mesh=mesh)
    # By default the outermost part stays gathered for a backward pass, which a measurement does not have: what comes
    # next would then compute with the weights of the measurement.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    return model


@contextmanager
def without_sync(accelerator: Accelerator, model: nn.Module) -> Iterator[None]:
    """Within the block gradients stay in the process that computed them, to be summed with later ones."""
    if not isinstance(model, FSDPModule):
        with accelerator.no_sync(model):
            yield
        return
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """What of a tensor lies in this process, in the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The whole tensor; a sharded one is put together by all processes at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def group_for_files() -> distributed.ProcessGroup | None:
    """A group in which a thread can agree on files while training sums gradients in another; None for one process."""
    if not distributed.is_initialized():
        return None
    group = distributed.new_group(backend="gloo")
    assert isinstance(group, distributed.ProcessGroup)  # every process is in it
    return group


def _mesh(device: str, processes: int, parallel: Parallel) -> DeviceMesh:
    if parallel == "fsdp":
        return init_device_mesh(device, (processes,))
    shards = _processes_per_machine()
    return init_device_mesh(device, (processes // shards, shards), mesh_dim_names=("copies", "shards"))


def _processes_per_machine() -> int:
    """As both launchers say it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
