"""How fast datasets are converted, in frames per second of CPU time.

    python benchmarks/convert_speed.py [STORE]

Takes a training store, or records a small one of the play table (two cameras of 64 px), and converts it from layout to
layout in one process. CPU time counts what the conversion itself takes, whoever else uses the machine.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import tyro

from vlasync.data.convert import Conversion, convert
from vlasync.data.layouts import Layout, VideoCoding
from vlasync.data.store import Store
from vlasync.recording import RecordingConfig, calvin_cameras, record


def measure(source: Path, target: Path, to: Layout, video: VideoCoding | None = None) -> float:
    """CPU seconds of a conversion, all threads counted."""
    started = time.process_time()
    convert(Conversion(source=source, target=target, to=to, video=video))
    return time.process_time() - started


def main(store: tyro.conf.Positional[Path | None] = None) -> None:
    """Convert and print a table."""
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
