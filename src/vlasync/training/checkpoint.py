"""Checkpoints of a run: folders that exist whole or not at all, and hold no pickles.

run/checkpoints/0000500/    a VLA folder (averaged weights: what acts) with, beside it,
    training*.safetensors   the weights and the optimiser's moments as they were, in one file or in one of each process
    training.json           step, minutes, loader position

A checkpoint is taken between two steps and written by a thread while training goes on. What processes hold in parts
goes through torch.distributed.checkpoint, which puts the parts together again for any number of processes; in place of
its usual files, whose index is a pickle, it writes and reads safetensors.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import distributed
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor

from vlasync.errors import CheckpointError
from vlasync.files import force_to_disk, whole_folder
from vlasync.models.folder import VLAContents, folder_contents, require_base
from vlasync.models.vla import VLA
from vlasync.runs import checkpoint_folders
from vlasync.spec import SyncSpec
from vlasync.training.ema import WeightAverage
from vlasync.training.parallel import gathered, group_for_files

TENSORS = "training.safetensors"
PROGRESS = "training.json"


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """Where a run stands.

    Attributes:
        step: optimiser steps done.
        minutes: of training, over all restarts.
        loader: its position, counted in batches.
        global_batch: windows in one of these batches, over all processes; None in checkpoints that do not say so, where
            they are as many as now.
    """

    step: int
    minutes: float
    loader: dict[str, int]
    global_batch: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """What of a run changes from step to step, in live objects: what a checkpoint saves and restores."""

    vla: VLA
    optimizer: torch.optim.Optimizer
    average: WeightAverage


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """A run between two steps, in memory that training does not touch; `policy` in the main process alone."""

    target: Path
    policy: VLAContents | None
    tensors: dict[str, torch.Tensor]
    record: str


class Checkpoints:
    """The checkpoints of one run, written one at a time while training goes on.

    Args:
        run: the run folder. What a kill left of an unfinished checkpoint there is removed.
        state: what to save.
        keep_last: newest checkpoints to keep.
        milestones: steps whose checkpoints are kept beside them.
    """

    def __init__(self, run: Path, state: TrainingState, *, keep_last: int, milestones: frozenset[int]) -> None:
        self._run = run
        self._state = state
        self._keep_last = keep_last
        self._milestones = milestones
        self._group = group_for_files()
        self._main = self._group is None or self._group.rank() == 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._under_way: Future[None] | None = None
        if self._main:
            for torn in (run / "checkpoints").glob(".*.tmp"):
                shutil.rmtree(torn)

    def save(self, progress: RunProgress) -> None:
        """Take a snapshot and have it written as `run/checkpoints/<step>`; waits for the one before.

        Raises:
            CheckpointError: the one before could not be written.
        """
        self.wait()
        self._under_way = self._thread.submit(self._write, self._take(progress))

    def require_written(self) -> None:
        """Raise `CheckpointError` if writing has failed meanwhile; does not wait."""
        if self._under_way is not None and self._under_way.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the checkpoint that is being written; raises `CheckpointError` if that fails."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def restore(self) -> RunProgress | None:
        """Put everything back as it was at the newest checkpoint, if there is one.

        Raises:
            CheckpointError: it is damaged, holds no training state, or is of another recipe.
            SpecMismatchError: the data means something else by now.
        """
        folders = checkpoint_folders(self._run)
        return _restore(folders[-1], self._state, self._group) if folders else None

    def _take(self, progress: RunProgress) -> _Snapshot:
        """Copies of all that a checkpoint needs; the processes gather the policy together."""
        state, target = self._state, self._run / "checkpoints" / f"{progress.step:07d}"
        with state.average.applied():
            contents = folder_contents(state.vla, target)
            weights: dict[str, torch.Tensor] = {}
            for name, value in contents.weights.items():
                whole = gathered(value)
                if self._main:
                    weights[name] = _copied(whole)
        return _Snapshot(
            target=target,
            policy=replace(contents, weights=weights) if self._main else None,
            tensors={
                name: _copied(value)
                for name, value in _training_tensors(state).items()
                if self._main or isinstance(value, DTensor)
            },
            record=json.dumps(asdict(progress) | {"average_updates": state.average.updates}),
        )

    def _write(self, snapshot: _Snapshot) -> None:
        """In the thread: the main process makes the folder, all put their parts of the tensors into it."""
        try:
            if snapshot.policy is None:
                _save_tensors(snapshot.tensors, _agreed(None, self._group), self._group)
                return
            with whole_folder(snapshot.target) as folder:
                _save_tensors(snapshot.tensors, _agreed(folder, self._group), self._group)
                snapshot.policy.write(folder)
                (folder / PROGRESS).write_text(snapshot.record)
                force_to_disk(folder)
            self._prune()
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{snapshot.target}: could not be written ({error}); what was written before is whole, make room and "
                "run the same command again"
            ) from error

    def _prune(self) -> None:
        """Drop all but the newest checkpoints and the milestones."""
        for folder in checkpoint_folders(self._run)[: -self._keep_last]:
            if int(folder.name) not in self._milestones:
                shutil.rmtree(folder)


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    """In the CPU's memory, apart from the tensor itself."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _training_tensors(state: TrainingState) -> dict[str, torch.Tensor]:
    """Weights that train, under `weight.`, and the optimiser's moments, under `optimizer.<number>.`."""
    tensors = {f"weight.{name}": value.detach() for name, value in state.average.parameters.items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    return tensors


def _agreed(folder: Path | None, group: distributed.ProcessGroup | None) -> Path:
    """The main process's folder, in every process."""
    names = [None if folder is None else str(folder)]
    if group is not None:
        distributed.broadcast_object_list(names, src=0, group=group)
    assert names[0] is not None  # the main process gives one
    return Path(names[0])


def _save_tensors(tensors: Mapping[str, torch.Tensor], folder: Path, group: distributed.ProcessGroup | None) -> None:
    """Write this process's tensors; returns when all processes have written theirs."""
    if group is None:
        save_file(dict(tensors), folder / TENSORS)
        return
    writer = HuggingFaceStorageWriter(str(folder / "parts"), save_distributed=True)
    dcp.save(dict(tensors), storage_writer=writer, process_group=group)
    if group.rank() == 0:
        parts = sorted((folder / "parts").iterdir())
        for number, part in enumerate(parts, start=1):
            part.rename(folder / f"training-{number:05d}-of-{len(parts):05d}.safetensors")
        (folder / "parts").rmdir()


def _restore(folder: Path, state: TrainingState, group: distributed.ProcessGroup | None) -> RunProgress:
    """Put weights, average and optimiser back as they were when `folder` was written."""
    if not (folder / PROGRESS).is_file() or not list(folder.glob("training*.safetensors")):
        raise CheckpointError(f"{folder}: {PROGRESS} or {TENSORS} is missing; this checkpoint holds no training state")
    SyncSpec.from_json((folder / "spec.json").read_text()).require_equal(state.vla.spec, where=f"resume from {folder}")
    require_base(folder, state.vla)
    record = json.loads((folder / PROGRESS).read_text())
    reader = HuggingFaceStorageReader(str(folder))
    try:
        entries = reader.read_metadata().state_dict_metadata
        sizes = {name: entry.size for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}
        _require_same_weights(folder, sizes, state)
        moments = _room_for_moments(sizes, state.optimizer)
        tensors = {f"optimizer.{name}": value for name, value in moments.items()}
        tensors |= {f"weight.{name}": value.detach() for name, value in state.average.parameters.items()}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as it should be in one process
            dcp.load(tensors | state.average.average, storage_reader=reader, process_group=group, no_dist=group is None)
    except SafetensorError as error:
        raise CheckpointError(
            f"{folder}: damaged or cut short ({error}); remove it to go on from the one before"
        ) from error
    state.average.updates = record.pop("average_updates")
    by_number: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in moments.items():
        number, moment = name.split(".")
        by_number.setdefault(int(number), {})[moment] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": by_number, "param_groups": groups})
    return RunProgress(**record)


def _require_same_weights(folder: Path, sizes: Mapping[str, torch.Size], state: TrainingState) -> None:
    saved = {name.removeprefix("weight.") for name in sizes if name.startswith("weight.")}
    if odd := sorted(saved ^ set(state.average.parameters)):
        raise CheckpointError(
            f"{folder}: weights that train differ from this run's recipe: {odd[:5]} ({len(odd)} in all)"
        )


def _room_for_moments(sizes: Mapping[str, torch.Size], optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Zeros in place of the moments that were saved, shared among processes like their parameters.

    Args:
        sizes: of all tensors in the checkpoint.
        optimizer: whose moments they are; it numbers its parameters over all groups.

    Returns:
        `<number>.<moment>` -> tensor.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    room: dict[str, torch.Tensor] = {}
    for name, size in sizes.items():
        if name.startswith("optimizer."):
            _, number, moment = name.split(".")
            parameter = parameters[int(number)].detach()
            like = parameter if size == parameter.shape else torch.zeros(size)  # the count of steps is one number
            room[f"{number}.{moment}"] = torch.zeros_like(like)
    return room
