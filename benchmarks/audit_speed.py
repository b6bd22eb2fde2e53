"""How fast the audit is, against reading the same data and doing nothing with it.

    python benchmarks/audit_speed.py
    python benchmarks/audit_speed.py --store data/table --calvin task_D_D/training

Without a store, records demonstrations of the play table (some 30 frames each, two cameras of 200 and 84 px) and links
their shards until there are enough frames. A CALVIN split that is too short is repeated by links; without one, a part
of the store is written in CALVIN's layout, whose plain images unpack faster than photographs or CALVIN's own.
Reading goes through the same readers, in one process; CALVIN's frames are read by plain `np.load`, too, as its own
loader does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from figures import keep
from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.data.open import open_dataset
from vlasync.data.readers.calvin import frame_file
from vlasync.data.store import Store, create_store
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.recording import RecordingConfig, record


@dataclass(frozen=True, kw_only=True)
class AuditSpeed:
    """What to measure.

    Attributes:
        store: a training store; recorded by default.
        calvin: split of a CALVIN dataset; written from the store by default.
        frames: least number of frames of the store that is made.
        calvin_frames: least number of frames of the split that is made or repeated.
        workers: processes.
        write: append the figures to RESULTS.md.
    """

    store: Path | None = None
    calvin: Path | None = None
    frames: int = 100_000
    calvin_frames: int = 60_000
    workers: int = 2
    write: bool = False


def main(config: AuditSpeed) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = config.store or linked_store(config, Path(folder))
        if config.calvin is None:
            calvin = calvin_split(config, store, Path(folder) / "calvin")
        else:
            calvin = repeated_split(config.calvin, config.calvin_frames, Path(folder) / "calvin")
        lines = []
        for name, data in (("training store", store), ("CALVIN's layout", calvin)):
            lengths = [len(episode) for episode in open_dataset(data)]
            frames = sum(lengths)
            print(f"{name}: {frames:,} frames in {len(lengths):,} episodes, the audit with {config.workers} processes")
            rates = {label: frames / seconds(work) for label, work in measured(data, config.workers).items()}
            for label, rate in rates.items():
                print(f"  {label:<22}{rate:12,.0f} frames/s", flush=True)
            words = ", ".join(f"{label} {rate:,.0f}" for label, rate in rates.items())
            lines.append(f"{frames:,} frames in {name} ({words})")
    if config.write:
        keep("audit_speed", f"frames/s, {config.workers} processes (reading in one): {'; '.join(lines)}")


def measured(data: Path, workers: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    numbers = AuditConfig(images=False, workers=workers)
    plain: dict[str, Callable[[], object]] = {
        "np.load of numbers": lambda: load_all(data, ["robot_obs", "rel_actions", "scene_obs"]),
        "np.load of all": lambda: load_all(data, None),
    }
    return (plain if (data / "ep_start_end_ids.npy").exists() else {}) | {
        "reading numbers": lambda: read_all(data, images=False),
        "audit --no-images": lambda: audit(data, numbers),
        "reading all": lambda: read_all(data, images=True),
        "audit": lambda: audit(data, AuditConfig(workers=workers)),
    }


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes, start of processes included."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_all(data: Path, *, images: bool) -> float:
    """Read every episode and do next to nothing with it; the sum keeps the reading from being skipped."""
    total = 0.0
    for episode in open_dataset(data):
        total += float(episode.state.sum() + episode.actions.sum())
        if images:
            total += sum(int(stream[:].max()) for stream in episode.images.values())
    return total


def load_all(split: Path, keys: list[str] | None) -> int:
    """Read some arrays of every frame of a CALVIN split, or all, with nothing but numpy."""
    total = 0
    for first, last in np.load(split / "ep_start_end_ids.npy", allow_pickle=False).tolist():
        for number in range(first, last + 1):
            with np.load(frame_file(split, number), allow_pickle=False) as frame:
                total += sum(frame[key].size for key in keys or frame.files)
    return total


def linked_store(config: AuditSpeed, folder: Path) -> Path:
    """A store whose shards are the same few recorded ones under many names."""
    recorded = record(
        RecordingConfig(out=folder / "recorded", tasks=DEMONSTRATED_TASKS, episodes=3, workers=config.workers)
    )
    few = Store.open(recorded)
    create_store(folder / "store", few.spec)
    for copy in range(-(-config.frames // few.num_frames)):
        for shard in sorted((recorded / "shards").iterdir()):
            target = folder / "store" / "shards" / f"{copy:04d}-{shard.name}"
            target.mkdir()
            for file in shard.iterdir():
                os.link(file, target / file.name)
    return folder / "store"


def repeated_split(split: Path, least: int, folder: Path) -> Path:
    """A split whose frames are those of another one, again and again under new numbers, until there are enough."""
    bounds = np.load(split / "ep_start_end_ids.npy", allow_pickle=False)
    folder.mkdir()
    repeated, count = [], 0
    while count < least:
        for first, last in bounds.tolist():
            for number in range(first, last + 1):
                frame_file(folder, count + number - first).symlink_to(frame_file(split.resolve(), number))
            repeated.append((count, count + last - first))
            count += last + 1 - first
    np.save(folder / "ep_start_end_ids.npy", np.array(repeated))
    return folder


def calvin_split(config: AuditSpeed, store: Path, folder: Path) -> Path:
    """The first episodes of a store in CALVIN's layout."""
    writer, frames = CalvinWriter(folder), 0
    for episode in open_dataset(store):
        writer.append(episode)
        frames += len(episode)
        if frames >= config.calvin_frames:
            break
    writer.finish()
    return folder


if __name__ == "__main__":
    main(tyro.cli(AuditSpeed))
