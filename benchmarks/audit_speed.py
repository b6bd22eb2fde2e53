"""How fast the audit is, against reading the same data and doing nothing with it.

    python benchmarks/audit_speed.py
    python benchmarks/audit_speed.py --store data/table --calvin task_D_D/training

Without a store, records demonstrations of the play table (some 30 frames each, two cameras of 200 and 84 px) and links
their shards until there are enough frames. Without a CALVIN split, writes a part of the store in CALVIN's layout.
Reading goes through the same readers, in one process.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.data.open import open_dataset
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
        calvin_frames: least number of frames of the split that is made.
        workers: processes.
    """

    store: Path | None = None
    calvin: Path | None = None
    frames: int = 100_000
    calvin_frames: int = 6_000
    workers: int = 2


def main(config: AuditSpeed) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = config.store or linked_store(config, Path(folder))
        calvin = config.calvin or calvin_split(config, store, Path(folder) / "calvin")
        for name, data in (("training store", store), ("CALVIN's layout", calvin)):
            lengths = [len(episode) for episode in open_dataset(data)]
            frames = sum(lengths)
            print(f"{name}: {frames:,} frames in {len(lengths):,} episodes, the audit with {config.workers} processes")
            for label, work in measured(data, config.workers).items():
                print(f"  {label:<22}{frames / seconds(work):12,.0f} frames/s")


def measured(data: Path, workers: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    numbers = AuditConfig(images=False, workers=workers)
    return {
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
