"""What a training store's images cost, raw and coded, beside other formats: space, writing, and reading windows.

    python benchmarks/store_formats.py [--calvin CALVIN_SPLIT] [--write]

Without a CALVIN split, records a little of the play table. All figures are of one process: frames per second of CPU
time for writing, and windows (8 frames, all cameras, at random places) per second of CPU time for reading, with every
file in the page cache. `--write` puts the tables into `docs/store.md`.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import tyro
from numpy.typing import NDArray
from PIL import Image

from vlasync.data.coded_images import JPEG_QUALITY, CodedImages, encode
from vlasync.data.convert import Conversion, convert
from vlasync.data.dataset import Dataset
from vlasync.data.layouts import ImageCoding
from vlasync.data.open import open_dataset
from vlasync.files import write_text
from vlasync.recording import RecordingConfig, record
from vlasync.types import ImageStream

PAGE = Path(__file__).parents[1] / "docs" / "store.md"
WINDOW_SIZE = 8
SECONDS = 2.0
"""CPU time for each reading figure."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What is known of a format.

    Attributes:
        frame_bytes: space of a frame's images on disk.
        written: frames written per second.
        windows: windows read per second.
    """

    frame_bytes: float
    written: float
    windows: float


def main(calvin: Path | None = None, *, write: bool = False) -> None:
    """Measure and print both tables.

    Args:
        calvin: a split in CALVIN's layout.
        write: put the tables into the page.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if calvin is None:
            calvin = record(RecordingConfig(out=folder / "recorded", tasks=("open_drawer",), episodes=10))
        convert(Conversion(source=calvin, target=folder / "raw", to="store"))
        text = f"{_formats(folder)}\n\n{_codings(folder)}"
    print(text)
    if write:
        begin, end = "<!-- measured -->", "<!-- end of measured -->"
        before, rest = PAGE.read_text().split(begin)
        write_text(PAGE, f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def _formats(folder: Path) -> str:
    """Whole datasets: the store with its codings, and other formats."""
    to = partial(Conversion, source=folder / "raw")
    conversions = {
        "store, raw": to(target=folder / "again", to="store"),
        "store, lossless": to(target=folder / "lossless", to="store", images="lossless"),
        "store, jpeg": to(target=folder / "jpeg", to="store", images="jpeg"),
        "LeRobot v3, PNG in Parquet": to(target=folder / "parquet", to="lerobot"),
        "LeRobot v3, lossless video": to(target=folder / "video", to="lerobot", video="lossless"),
        "LeRobot v3, H.264 video": to(target=folder / "h264", to="lerobot", video="h264"),
        "CALVIN, a file a frame": to(target=folder / "calvin", to="calvin"),
    }
    found = {name: _measure(conversion) for name, conversion in conversions.items()}
    found["Arrow IPC, raw"] = _measure_arrow(open_dataset(folder / "raw"), folder / "images.arrow")
    lines = ["| format | KB a frame | frames/s written | windows/s read |", "|---|---|---|---|"]
    for name, of in found.items():
        lines.append(f"| {name} | {of.frame_bytes / 1000:.1f} | {of.written:,.0f} | {of.windows:,.0f} |")
    return "\n".join(lines)


def _measure(conversion: Conversion) -> Format:
    started = time.process_time()
    convert(conversion)
    seconds = time.process_time() - started
    dataset = open_dataset(conversion.target)
    frames = sum(outline.length for outline in dataset.outlines())
    images = [episode.images for episode in dataset if len(episode) >= WINDOW_SIZE]
    size = sum(file.stat().st_size for file in conversion.target.rglob("*") if file.is_file())
    return Format(frame_bytes=size / frames, written=frames / seconds, windows=_windows_per_second(images))


class ArrowImages:
    """The images of one camera in a column of a memory-mapped Arrow file; an `ImageStream`."""

    def __init__(self, column: pa.ChunkedArray, shape: tuple[int, ...]) -> None:
        self._column = column
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        cells = self._column[index] if isinstance(index, slice) else [self._column[index]]
        return np.stack([np.frombuffer(cell.as_buffer(), np.uint8).reshape(self.shape[1:]) for cell in cells])


def _measure_arrow(dataset: Dataset, file: Path) -> Format:
    """Raw images as binary cells of an Arrow file, a row a frame, mapped into memory."""
    cameras = dataset.spec.cameras
    schema = pa.schema([(name, pa.large_binary()) for name in cameras])
    started = time.process_time()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for episode in dataset:
            cells = {name: [image.tobytes() for image in episode.images[name][:]] for name in cameras}
            writer.write_batch(pa.record_batch(cells, schema=schema))
    seconds = time.process_time() - started
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    images = {
        name: ArrowImages(table[name], (len(table), camera.height, camera.width, 3)) for name, camera in cameras.items()
    }
    return Format(
        frame_bytes=file.stat().st_size / len(table),
        written=len(table) / seconds,
        windows=_windows_per_second([images]),
    )


def _windows_per_second(episodes: Sequence[Mapping[str, ImageStream]]) -> float:
    """Windows read from random places and copied into place, channels first, as the loader does."""
    random = np.random.default_rng(0)
    targets = {name: np.empty((WINDOW_SIZE, 3, *stream.shape[1:3]), np.uint8) for name, stream in episodes[0].items()}
    started, count = time.process_time(), 0
    while time.process_time() - started < SECONDS:
        images = episodes[int(random.integers(len(episodes)))]
        first = random.integers(len(next(iter(images.values()))) - WINDOW_SIZE + 1)
        for name, stream in images.items():
            targets[name][:] = np.moveaxis(stream[first : first + WINDOW_SIZE], 3, 1)
        count += 1
    return count / (time.process_time() - started)


def _codings(folder: Path) -> str:
    """Codings of single images that were in question, on the camera with the largest images."""
    episode = open_dataset(folder / "raw")[0]
    camera = max(episode.images, key=lambda name: episode.images[name].shape[1])
    images = list(np.ascontiguousarray(episode.images[camera][:: max(len(episode) // 40, 1)]))
    height, width = images[0].shape[:2]
    lines = [
        f"| coding of `{camera}`, {width} x {height} px | KB | coded/s | decoded/s | furthest off |",
        "|---|---|---|---|---|",
    ]
    for name, code in _coders().items():
        started = time.process_time()
        coded = [code(image) for image in images]
        between = time.process_time()
        decoded = _decode(coded, height, width)
        seconds = between - started, time.process_time() - between
        off = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(decoded, images, strict=True))
        size = np.mean([len(content) for content in coded]) / 1000
        rates = " | ".join(f"{len(images) / part:,.0f}" for part in seconds)
        lines.append(f"| {name} | {size:.1f} | {rates} | {off} |")
    return "\n".join(lines)


def _coders() -> dict[str, Callable[[NDArray[np.uint8]], bytes]]:
    """Codings by name; the first two are the store's."""

    def pillow(format: str, **options: bool | int) -> Callable[[NDArray[np.uint8]], bytes]:
        def code(image: NDArray[np.uint8]) -> bytes:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, format, **options)
            return stream.getvalue()

        return code

    chosen: dict[str, ImageCoding] = {
        "`lossless`: WebP, method 0": "lossless",
        f"`jpeg`: {JPEG_QUALITY}, 4:4:4": "jpeg",
    }
    return {name: partial(encode, coding=coding) for name, coding in chosen.items()} | {
        "WebP lossless, method 3": pillow("WEBP", lossless=True, quality=50, method=3),
        "PNG, level 1": pillow("PNG", compress_level=1),
        "PNG, level 6": pillow("PNG", compress_level=6),
        f"JPEG {JPEG_QUALITY}, 4:2:0": pillow("JPEG", quality=JPEG_QUALITY),
        "WebP 90": pillow("WEBP", quality=90, method=2),
    }


def _decode(coded: list[bytes], height: int, width: int) -> NDArray[np.uint8]:
    """All images as the store decodes them."""
    content = np.frombuffer(b"".join(coded), np.uint8)
    offsets = np.cumsum([0, *map(len, coded)])
    return CodedImages(name="images", content=content, offsets=offsets, height=height, width=width)[:]


if __name__ == "__main__":
    tyro.cli(main)
