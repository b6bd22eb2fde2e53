"""Checkpoints of a run: folders that exist whole or not at all, and hold no pickles.

run/checkpoints/0000500/    a VLA folder (averaged weights: what acts) with, beside it,
    training.safetensors    the weights and the optimiser's moments as they were
    training.json           step, minutes, loader position
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from vlasync.errors import CheckpointError
from vlasync.files import whole_folder
from vlasync.models.folder import require_base, save_vla
from vlasync.models.vla import VLA
from vlasync.runs import checkpoint_folders
from vlasync.spec import SyncSpec
from vlasync.training.ema import WeightAverage

TENSORS = "training.safetensors"
PROGRESS = "training.json"


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """Where a run stands: optimiser steps, minutes of training over all restarts, and the loader's position."""

    step: int
    minutes: float
    loader: dict[str, int]


def save_checkpoint(
    run: Path, vla: VLA, optimizer: torch.optim.Optimizer, average: WeightAverage, progress: RunProgress
) -> Path:
    """Write `run/checkpoints/<step>`: the averaged policy, and all that an exact resume needs."""
    target = run / "checkpoints" / f"{progress.step:07d}"
    with whole_folder(target) as folder:
        with average.applied():
            save_vla(vla, folder)
        tensors = {f"weight.{name}": value.detach() for name, value in average.parameters.items()}
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, folder / TENSORS)
        (folder / PROGRESS).write_text(json.dumps(asdict(progress) | {"average_updates": average.updates}))
    return target


def restore_checkpoint(folder: Path, vla: VLA, optimizer: torch.optim.Optimizer, average: WeightAverage) -> RunProgress:
    """Put weights, average and optimiser back as they were when `folder` was written."""
    try:
        record = json.loads((folder / PROGRESS).read_text())
        tensors = load_file(folder / TENSORS)
        averaged = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder}: {error.filename} is missing; this checkpoint holds no training state"
        ) from None
    SyncSpec.from_json((folder / "spec.json").read_text()).require_equal(vla.spec, where=f"resume from {folder}")
    require_base(folder, vla)
    _restore_weights(folder, average, tensors, averaged)
    average.updates = record.pop("average_updates")
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return RunProgress(**record)


@torch.no_grad()
def _restore_weights(
    folder: Path, average: WeightAverage, tensors: dict[str, torch.Tensor], averaged: dict[str, torch.Tensor]
) -> None:
    saved = {name.removeprefix("weight.") for name in tensors if name.startswith("weight.")}
    if saved != set(average.parameters):
        odd = sorted(saved ^ set(average.parameters))
        raise CheckpointError(
            f"{folder}: weights that train differ from this run's recipe: {odd[:5]} ({len(odd)} in all)"
        )
    for name, parameter in average.parameters.items():
        parameter.copy_(tensors[f"weight.{name}"])
        average.average[name].copy_(averaged[name])


def prune_checkpoints(run: Path, *, keep_last: int, milestones: frozenset[int]) -> None:
    """Drop all but the newest `keep_last` checkpoints and those of the milestone steps."""
    for folder in checkpoint_folders(run)[:-keep_last]:
        if int(folder.name) not in milestones:
            shutil.rmtree(folder)
