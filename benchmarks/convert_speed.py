"""How fast datasets are converted, in frames per second of CPU time.

    python benchmarks/convert_speed.py [STORE]
    python benchmarks/convert_speed.py --calvin ../shared/data/calvin_sample/training [--write]

Takes a training store, or records a small one of the play table (two cameras of 64 px), and converts it from layout to
layout in one process. CPU time counts what the conversion itself takes, whoever else uses the machine. With a CALVIN
split, repeated by links to 20,000 frames, it converts that instead, by two processes and by the clock on the wall.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import tyro

from audit_speed import repeated_split
from figures import keep
from vlasync.data.convert import Conversion, convert
from vlasync.data.layouts import Layout, VideoCoding
from vlasync.data.store import Store
from vlasync.recording import RecordingConfig, calvin_cameras, record


def measure(source: Path, target: Path, to: Layout, video: VideoCoding | None = None) -> float:
    """CPU seconds of a conversion, all threads counted."""
    started = time.process_time()
    convert(Conversion(source=source, target=target, to=to, video=video))
    return time.process_time() - started


def calvin_frames_per_second(split: Path, *, frames: int, workers: int) -> float:
    """Frames of a CALVIN split that become a store each second, all processes together."""
    with tempfile.TemporaryDirectory() as scratch:
        source = repeated_split(split, frames, Path(scratch) / "calvin")
        started = time.perf_counter()
        convert(Conversion(source=source, target=Path(scratch) / "store", to="store", workers=workers))
        return Store.open(Path(scratch) / "store").num_frames / (time.perf_counter() - started)


def main(
    store: tyro.conf.Positional[Path | None] = None,
    *,
    calvin: Path | None = None,
    frames: int = 20_000,
    workers: int = 2,
    write: bool = False,
) -> None:
    """Convert and print.

    Args:
        store: converted from layout to layout.
        calvin: a split to be converted to a store instead.
        frames: least number of frames of the split.
        workers: processes that convert it.
        write: append a line on it to RESULTS.md.
    """
    if calvin is None:
        from_layout_to_layout(store)
        return
    speed = calvin_frames_per_second(calvin, frames=frames, workers=workers)
    line = f"CALVIN -> store: {speed:.0f} frames/s of a split of {frames:,} frames and more, {workers} processes"
    print(line)
    if write:
        keep("convert_speed", line)


def from_layout_to_layout(store: Path | None) -> None:
    """Convert a store, or a small recording of the play table, each way, and print what each took."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if store is None:
            cameras = calvin_cameras(64, 64)
            store = record(RecordingConfig(out=folder / "store", tasks=("open_drawer",), episodes=20, cameras=cameras))
        frames = Store.open(store).num_frames
        calvin, lerobot = folder / "calvin", folder / "lerobot"
        seconds = {
            "store -> CALVIN": measure(store, calvin, "calvin"),
            "CALVIN -> store": measure(calvin, folder / "from-calvin", "store"),
            "store -> LeRobot, PNG": measure(store, lerobot, "lerobot"),
            "LeRobot, PNG -> store": measure(lerobot, folder / "from-lerobot", "store"),
            "store -> LeRobot, lossless video": measure(store, folder / "video", "lerobot", "lossless"),
            "LeRobot, lossless video -> store": measure(folder / "video", folder / "from-video", "store"),
        }
    print(f"{frames} frames")
    for way, taken in seconds.items():
        print(f"{way:<34} {frames / taken:6.0f} frames per CPU second")


if __name__ == "__main__":
    tyro.cli(main)
