"""What grows with the data: opening, loading and auditing stores of 1,000 to 100,000 frames.

    python benchmarks/growth.py [--frames 1000 10000 100000] [--write]

Stores of made-up play (recordings of 900 frames, 15 sentences each, two cameras of 64 px) are written shard by shard.
Each is opened, cut into windows, loaded and audited in a process of its own, so that its peak memory is what that
alone takes; pages of files that are mapped are not counted, because the system drops them when it needs room. Times
are CPU seconds.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import tyro

from figures import keep
from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.data.batches import WindowLoader
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows
from vlasync.recording import calvin_cameras
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan

EPISODE_FRAMES, SPAN_FRAMES, BATCHES = 900, 60, 200


def main(frames: tuple[int, ...] = (1_000, 10_000, 100_000), *, write: bool = False) -> None:
    """Measure all sizes and print a line for each.

    Args:
        frames: least sizes of the stores.
        write: append the lines to RESULTS.md.
    """
    lines = []
    for count in frames:
        with tempfile.TemporaryDirectory() as scratch:
            store = Path(scratch) / "store"
            written = write_store(store, count)
            size = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
            found = "; ".join(_in_a_process(measure, store) for measure in (load, audit_all))
        lines.append(f"{written:,} frames: {size / 1e6:,.0f} MB; {found}")
        print(lines[-1], flush=True)
    if write:
        keep("growth", f"CPU time and peak memory: {' | '.join(lines)}")


def write_store(folder: Path, frames: int) -> int:
    """Write a store of at least so many frames, one episode a shard, and say how many it has.

    The arm wanders and the images are noise.
    """
    spec = SyncSpec.CALVIN.replace(cameras=calvin_cameras(64, 64))
    create_store(folder, spec)
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (2 * EPISODE_FRAMES, 64, 64, 3), np.uint8)
    spans = tuple(
        LanguageSpan(first=first, last=first + SPAN_FRAMES - 1, sentence="open the drawer", task="open_drawer")
        for first in range(0, EPISODE_FRAMES, SPAN_FRAMES)
    )
    episodes = -(-frames // EPISODE_FRAMES)
    for number in range(episodes):
        shift = random.integers(EPISODE_FRAMES)
        steps = random.uniform(-1, 1, (EPISODE_FRAMES, 7))
        write_shard(
            folder,
            f"{number:06d}",
            [
                Episode(
                    name=f"play {number}",
                    spec=spec,
                    images={name: noise[shift : shift + EPISODE_FRAMES] for name in spec.cameras},
                    state=np.concatenate([np.cumsum(steps * 0.02, axis=0), np.zeros((EPISODE_FRAMES, 8))], axis=1),
                    actions=steps,
                    scene=None,
                    frame_index=np.arange(EPISODE_FRAMES) + number * EPISODE_FRAMES,
                    language=spans,
                )
            ],
        )
    return episodes * EPISODE_FRAMES


def _in_a_process(measure: Callable[[Path], str], store: Path) -> str:
    """What a measurement says, taken in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_with_memory, measure, store).result()


def _with_memory(measure: Callable[[Path], str], store: Path) -> str:
    """What a measurement says, and the most memory of its own that it had, beyond what it began with."""
    before, peaks, done = own_memory(), [own_memory()], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peaks.append(own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    words = measure(store)
    done.set()
    watcher.join()
    return f"{words}, {max(peaks) - before:,.0f} MB"


def load(store: Path) -> str:
    """Open, cut, and load shuffled batches of 16 windows."""
    started = time.process_time()
    opened = Store.open(store)
    opening = time.process_time() - started
    windows = Windows(opened, window_size=8, chunk_size=10)
    cutting = time.process_time() - started - opening
    batches = iter(WindowLoader(windows, batch_size=16, seed=0))
    next(batches)
    started = time.process_time()
    for _ in islice(batches, BATCHES):
        pass
    loading = (time.process_time() - started) / BATCHES
    return f"open {opening:.2f} s, windows {cutting:.2f} s, batch {1000 * loading:.1f} ms"


def audit_all(store: Path) -> str:
    """Audit every frame in this process."""
    started = time.process_time()
    audit(store, AuditConfig(workers=1))
    return f"audit {time.process_time() - started:.1f} s"


def own_memory() -> float:
    """Memory of this process that no file backs, MB (Linux: `RssAnon`)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1000


if __name__ == "__main__":
    tyro.cli(main)
