"""How fast windows come out of the training store, against copying the same bytes and against RoboVLMs' loader.

    python benchmarks/loader_speed.py --calvin CALVIN_SPLIT

Repeats a CALVIN split to 20,000 frames in a temporary store, then draws shuffled batches of windows (8 frames, chunks
of 10, all cameras). The limit is a plain copy of as many bytes from one buffer into another, both in memory, in this
process: no loader that hands out uint8 images can be faster.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tyro

from vlasync.data.batches import WindowLoader
from vlasync.data.readers.calvin import read_calvin
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows

ROBOVLMS_SAMPLES_PER_SECOND = 15.0
"""RoboVLMs' CALVIN loader, same windows, two workers, measured beforehand on a machine with two cores; not in this run,
so the ratio to it is only a rough one."""


@dataclass(frozen=True, kw_only=True)
class LoaderSpeed:
    """What to measure.

    Attributes:
        calvin: split of a CALVIN dataset, e.g. `calvin_debug_dataset/training`.
        frames: least number of frames in the temporary store.
        batch_size: windows per batch.
        batches: number of batches that are timed.
        repeats: the best of so many measurements counts, because other work disturbs them.
    """

    calvin: Path
    frames: int = 20_000
    batch_size: int = 16
    batches: int = 300
    repeats: int = 3


def main(config: LoaderSpeed) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        store = repeated_store(config, Path(folder))
        windows = Windows(store, window_size=8, chunk_size=10)
        print(f"{len(windows):,} windows in {store.num_frames:,} frames, cameras {sorted(store.spec.cameras)}")
        loader = WindowLoader(windows, batch_size=config.batch_size, seed=0)
        batch = windows.batch(range(config.batch_size))
        tensors = [*batch.images.values(), batch.state, batch.actions, batch.chunk_mask]
        batch_bytes = sum(tensor.nbytes for tensor in tensors)
        loaded = max(loader_rate(loader, config) for _ in range(config.repeats))
        copied = max(copy_rate(batch_bytes, config) for _ in range(config.repeats))
    print(f"loader          {loaded:10,.0f} windows/s  {loaded * batch_bytes / config.batch_size / 1e9:6.2f} GB/s")
    print(f"plain copy      {copied:10,.0f} windows/s  {copied * batch_bytes / config.batch_size / 1e9:6.2f} GB/s")
    print(f"share of the limit      {loaded / copied:.2f}")
    ratio = loaded / ROBOVLMS_SAMPLES_PER_SECOND
    print(f"times RoboVLMs' documented {ROBOVLMS_SAMPLES_PER_SECOND:g} samples/s: {ratio:,.0f}")


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
    """Windows per second from the loader, the first batch (which starts the thread) left out."""
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


if __name__ == "__main__":
    main(tyro.cli(LoaderSpeed))
