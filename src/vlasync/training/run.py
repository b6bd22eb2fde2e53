"""From a recipe and demonstrations to a trained run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vlasync.actions.normalization import Normalizer
from vlasync.actions.representations import Representation
from vlasync.data.mixture import MixedWindows, Source
from vlasync.data.windows import Windows
from vlasync.errors import CheckpointError
from vlasync.files import whole_folder, write_text
from vlasync.models.compute import BY_DEVICE, Compute
from vlasync.models.folder import save_vla
from vlasync.models.kernels import set_up
from vlasync.models.parts import parts_table, trainable_table
from vlasync.models.tiny import Family, TinySize, build_tiny_vlm
from vlasync.models.vla import VLA, VLAConfig, build_vla
from vlasync.progress import console
from vlasync.spec import NormalizationKind
from vlasync.training.parallel import Parallel, require_parallel, start_accelerator
from vlasync.training.sources import Cut, open_sources
from vlasync.training.trainer import Trainer, TrainingConfig

_DATA = "data.json"

MIN_MOTION_M = 0.001
"""A dimension of the actions that moves the TCP by less over all demonstrations carries no signal: it is not stretched
to [-1, 1], which would only amplify noise. A millimetre, or as many units of rotation: 0.05 in CALVIN's units."""


@dataclass(frozen=True, kw_only=True)
class TinyVLM:
    """A small VLM with random weights, built in code from the real architecture of its family."""

    family: Family
    size: TinySize


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a training run is made of.

    Attributes:
        vlm: a model's name, a folder, or a tiny VLM to build.
        vla: action token, policy head, history, loss, and what trains.
        training: steps, batches, optimiser.
        actions: representation of the actions that the model learns, one of `actions.representations.REPRESENTATIONS`;
            demonstrations in another one are converted.
        normalization: how actions are brought to [-1, 1].
        bounds: low and high of all pose numbers, for the kinds `bounds` and `mu_law`; None for their usual ones.
        validation_every: one of every n episodes is kept for the validation loss, where the data has no such part.
        without_effect: settings of the file that this was read from which change nothing; for the record.
    """

    vlm: TinyVLM | str
    vla: VLAConfig = field(default_factory=VLAConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    actions: Representation = "recorded"
    normalization: NormalizationKind = "quantile"
    bounds: tuple[float, float] | None = None
    validation_every: int = 20
    without_effect: tuple[str, ...] = ()


def train(
    config: RunConfig,
    data: Path | Sequence[Source],
    run: Path,
    *,
    parallel: Parallel = "ddp",
    compute: Compute = BY_DEVICE,
) -> Path:
    """Train `config` on the demonstrations at `data` into `run`; a run that was interrupted goes on.

    Args:
        config: what to train.
        data: a training store, a CALVIN split, or a folder with `training/` and `validation/`; or several datasets.
        run: the run folder.
        parallel: what each process holds, where a launcher started several.
        compute: how the VLM is computed; a run may go on in another way.

    Returns:
        The last checkpoint.

    Raises:
        VlasyncError: so many processes cannot share the run in this way, or the VLM cannot be computed so.
        CheckpointError: `run` holds a run of another recipe.
        SpecMismatchError: demonstrations that no conversion brings into the representation of `config.actions`.
    """
    accelerator = start_accelerator(config.training.precision, run)
    require_parallel(parallel, accelerator.num_processes, config.vla.tuning.mode)
    console.quiet = not accelerator.is_main_process  # all would say the same
    with accelerator.main_process_first():  # it makes the files that the others find
        claim_run(config, run)
        windows, validation = open_windows(config, data, run)
        _require_same_data(windows, run)
        training = _share_steps(config.training, windows, accelerator.num_processes, run)
        per_step = training.windows_per_process * accelerator.num_processes
        _record_data(windows, validation, run, steps=training.steps, windows_per_step=per_step)
        vla = prepare_vla(config, windows, run)
        if not (run / "untrained").is_dir():
            save_vla(vla, run / "untrained")
    done = set_up(vla.vlm, compute, accelerator.device, half=accelerator.mixed_precision == "bf16")
    if accelerator.is_main_process:
        write_text(run / "compute.json", json.dumps(asdict(done), indent=2))
        if config.without_effect:
            console.print(f"{len(config.without_effect)} settings of the recipe have no effect:", style="dim")
            console.print(", ".join(config.without_effect), style="dim", highlight=False)
        console.print(parts_table(trainable_table(vla)))
    return Trainer(accelerator, vla, windows, validation, training, run, parallel=parallel).train()


def claim_run(config: RunConfig, run: Path) -> None:
    """Write `recipe.json`, or check that the run which is there was made by the same recipe."""
    text = json.dumps(asdict(config), indent=2, sort_keys=True) + "\n"
    record = run / "recipe.json"
    if not record.is_file():
        write_text(record, text)
    elif (found := record.read_text()) != text:
        changed = "\n".join(f"  {line}" for line in _changes(json.loads(found), json.loads(text)))
        raise CheckpointError(f"{record}: this run was begun with another recipe; give another run folder\n{changed}")


def open_windows(
    config: RunConfig, data: Path | Sequence[Source], run: Path
) -> tuple[MixedWindows, MixedWindows | None]:
    """Windows for training and for validation, as `config` wants them; see `vlasync.training.sources`."""
    sources = [Source(data=str(data))] if isinstance(data, Path) else data
    cut = Cut(
        window_size=config.vla.window_size,
        chunk_size=config.vla.chunk_size,
        actions=config.actions,
        validation_every=config.validation_every,
    )
    return open_sources(sources, cut, run / "data")


def _share_steps(training: TrainingConfig, windows: MixedWindows, processes: int, run: Path) -> TrainingConfig:
    """`training` for so many processes; a run that goes on keeps the windows of its optimiser steps."""
    record = json.loads((run / _DATA).read_text()) if (run / _DATA).is_file() else {}
    per_step = record.get("windows_per_step", training.windows_per_process * processes)
    begun_by = per_step // training.windows_per_process
    return training.in_steps(len(windows), begun_by).shared_by(processes, windows_per_step=per_step)


def _require_same_data(windows: MixedWindows, run: Path) -> None:
    """A run that goes on draws the windows that it began with, or its place in their order would mean nothing."""
    record = json.loads((run / _DATA).read_text()) if (run / _DATA).is_file() else {}
    begun = [(part["windows"], part["share"]) for part in record.get("datasets", ())]
    now = [(part.windows, part.share) for part in windows.contributions]
    if begun and begun != now:
        raise CheckpointError(
            f"{run / _DATA}: this run was begun with (windows, share) {begun}, now {now}; give the same --data, or "
            "another run folder"
        )


def _record_data(
    windows: MixedWindows, validation: Windows | None, run: Path, *, steps: int, windows_per_step: int
) -> None:
    """Write `data.json`: what the run learns from and for how long, and what was converted on the way to it."""
    made = [words for part in (windows, validation) if part is not None for words in part.conversions]
    record = {
        "tasks": windows.tasks,
        "windows": len(windows),
        "datasets": [asdict(part) for part in windows.contributions],
        "steps": steps,
        "windows_per_step": windows_per_step,
        "conversions": list(dict.fromkeys(made)),
    }
    write_text(run / _DATA, json.dumps(record, indent=2))


def prepare_vla(config: RunConfig, windows: Windows, run: Path) -> VLA:
    """The VLA before its first step, with the statistics of the training actions in its SyncSpec."""
    vlm = config.vlm
    if isinstance(vlm, TinyVLM):
        folder = run / "vlm"
        if not folder.is_dir():
            with whole_folder(folder) as unfinished:
                build_tiny_vlm(
                    vlm.family, unfinished, corpus=windows.sentences, size=vlm.size, seed=config.training.seed
                )
        vlm = str(folder)
    spec = windows.spec
    normalizer = Normalizer.fit(
        [windows.labelled_actions()],
        kind=config.normalization,
        spec=spec,
        bounds=config.bounds,
        min_span=MIN_MOTION_M / spec.position_scale_m,
    )
    spec = spec.replace(normalization=normalizer.normalization)
    return build_vla(vlm, config.vla, spec, seed=config.training.seed)


def _changes(found: dict[str, object], asked: dict[str, object], prefix: str = "") -> list[str]:
    """Settings that differ, as `name: found, asked`."""
    lines = []
    for name in sorted(set(found) | set(asked)):
        ours, theirs = found.get(name), asked.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            lines += _changes(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            lines.append(f"{prefix}{name}: {ours!r} there, {theirs!r} asked for")
    return lines
