"""How fast windows come out of the training store, against copying the same bytes and against RoboVLMs' loader.

    python benchmarks/loader_speed.py --calvin CALVIN_SPLIT [--robovlms CHECKOUT --robovlms-python PY] [--write]

Repeats a CALVIN split to 20,000 frames in a temporary store, then draws shuffled batches of windows (8 frames, chunks
of 10, all cameras). The limit is a plain copy of as many bytes from one buffer into another, both in memory, in this
process: no loader that hands out uint8 images can be faster. RoboVLMs' dataset class reads the same frames in CALVIN's
layout, in two worker processes, with `PY`, which must have what that class imports. Everything is in the page cache.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tyro

from figures import keep
from vlasync.data.batches import WindowLoader
from vlasync.data.readers.calvin import frame_file, read_calvin
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows
from vlasync.data.writers.calvin import FIRST_FRAME, CalvinWriter
from vlasync.types import Episode

WINDOW_SIZE, CHUNK_SIZE = 8, 10


@dataclass(frozen=True, kw_only=True)
class LoaderSpeed:
    """What to measure.

    Attributes:
        calvin: split of a CALVIN dataset, e.g. `calvin_debug_dataset/training`.
        robovlms: a checkout of RoboVLMs.
        robovlms_python: interpreter that has what RoboVLMs' datasets import.
        robovlms_workers: its worker processes.
        robovlms_batches: number of its batches that are timed.
        frames: least number of frames in the temporary store.
        batch_size: windows per batch.
        batches: number of batches that are timed.
        repeats: the best of so many measurements counts, because other work disturbs them.
        write: append a line to RESULTS.md.
    """

    calvin: Path
    robovlms: Path | None = None
    robovlms_python: str = "python"
    robovlms_workers: int = 2
    robovlms_batches: int = 12
    frames: int = 20_000
    batch_size: int = 16
    batches: int = 300
    repeats: int = 3
    write: bool = False


def main(config: LoaderSpeed) -> None:
    """Measure, print, and write where asked to."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = repeated_store(config, folder / "store")
        windows = Windows(store, window_size=WINDOW_SIZE, chunk_size=CHUNK_SIZE)
        print(f"{len(windows):,} windows in {store.num_frames:,} frames, cameras {sorted(store.spec.cameras)}")
        loader = WindowLoader(windows, batch_size=config.batch_size, seed=0)
        batch = windows.batch(range(config.batch_size))
        tensors = [*batch.images.values(), batch.state, batch.actions, batch.chunk_mask]
        window_bytes = sum(tensor.nbytes for tensor in tensors) / config.batch_size
        loaded = max(loader_rate(loader, config) for _ in range(config.repeats))
        copied = max(copy_rate(round(window_bytes * config.batch_size), config) for _ in range(config.repeats))
        lines = [
            f"loader {loaded:,.0f} windows/s ({loaded * window_bytes / 1e9:.2f} GB/s)",
            f"plain copy {copied:,.0f} windows/s ({copied * window_bytes / 1e9:.2f} GB/s), {copied / loaded:.2f} times",
        ]
        if config.robovlms is not None:
            theirs = robovlms_rate(config, store[:], folder / "calvin" / "training")
            lines.append(f"RoboVLMs {theirs:.1f} windows/s, the loader {loaded / theirs:,.0f} times")
    print("\n".join(lines))
    if config.write:
        keep("loader_speed", f"{store.num_frames:,} frames: {'; '.join(lines)}")


def repeated_store(config: LoaderSpeed, folder: Path) -> Store:
    """A store with the split's episodes as many times as the frames need, one shard for each time."""
    episodes = list(read_calvin(config.calvin))
    create_store(folder, episodes[0].spec)
    copies = -(-config.frames // sum(map(len, episodes)))
    write_shard(folder, "0000", episodes)
    decoded = Store.open(folder)[:]
    for number in range(1, copies):
        write_shard(folder, f"{number:04d}", decoded)
    return Store.open(folder)


def loader_rate(loader: WindowLoader, config: LoaderSpeed) -> float:
    """Windows per second from the loader, the first batch (which starts the threads) left out."""
    batches = iter(loader)
    next(batches)
    started = time.perf_counter()
    for _ in islice(batches, config.batches):
        pass
    return config.batches * config.batch_size / (time.perf_counter() - started)


def copy_rate(batch_bytes: int, config: LoaderSpeed) -> float:
    """Windows per second if a batch were one plain copy between buffers that are in memory already."""
    source = np.ones((8, batch_bytes), np.uint8)  # several, so that no processor cache holds them
    target = np.empty_like(source)
    target[:] = source
    started = time.perf_counter()
    for number in range(config.batches):
        np.copyto(target[number % 8], source[(number + 3) % 8])
    return config.batches * config.batch_size / (time.perf_counter() - started)


def robovlms_rate(config: LoaderSpeed, episodes: Sequence[Episode], folder: Path) -> float:
    """Windows per second from RoboVLMs' own dataset class over the same episodes in CALVIN's layout."""
    write_calvin(episodes, folder)
    command = [config.robovlms_python, str(Path(__file__).with_name("robovlms_loader.py")), str(config.robovlms)]
    settings = {
        "workers": config.robovlms_workers,
        "batch-size": config.batch_size,
        "batches": config.robovlms_batches,
        "window-size": WINDOW_SIZE,
        "chunk-size": CHUNK_SIZE,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    done = subprocess.run([*command, str(folder), *options], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.splitlines()[-1])


def write_calvin(episodes: Sequence[Episode], folder: Path) -> None:
    """Write the episodes as a CALVIN split, where frames that come again are links to the first ones."""
    writer, number = CalvinWriter(folder), FIRST_FRAME
    firsts: dict[str, int] = {}
    for episode in episodes:
        first = firsts.setdefault(episode.name, number)
        for t in range(len(episode) if first < number else 0):
            frame_file(folder, number + t).symlink_to(frame_file(folder, first + t))
        writer.append(episode, first_frame=number)
        number += len(episode)
    writer.finish()


if __name__ == "__main__":
    main(tyro.cli(LoaderSpeed))
