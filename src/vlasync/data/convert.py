"""From any layout to any other: part by part, by several processes or machines, and again where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vlasync.data.dataset import Dataset, handed_over
from vlasync.data.layouts import ImageCoding, Layout, VideoCoding
from vlasync.data.open import open_dataset, split_folders
from vlasync.data.parts import Part, cut
from vlasync.data.provenance import claim, complete, fingerprint
from vlasync.data.targets import Target, make_target
from vlasync.errors import VlasyncError
from vlasync.processes import worker_pool
from vlasync.progress import stage
from vlasync.share import WHOLE, Share


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What to convert, into what, and who does it.

    Attributes:
        source: a dataset of any layout, or a folder with `training/` and `validation/`, which are converted each.
        target: folder to write.
        to: layout to write.
        video: coding of the videos where `to` is `lerobot`; None keeps every pixel, as PNG in its parquet files.
        images: coding of the images where `to` is `store`; None keeps them raw.
        workers: processes.
        shard: which part of the work this call does.
    """

    source: Path
    target: Path
    to: Layout
    video: VideoCoding | None = None
    images: ImageCoding | None = None
    workers: int = 1
    shard: Share = WHOLE

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise VlasyncError(f"workers is {self.workers}; it must be at least 1")
        if self.video is not None and self.to != "lerobot":
            raise VlasyncError(f"video is for LeRobot's layout; `--to {self.to}` has none")
        if self.images is not None and self.to != "store":
            raise VlasyncError(f"images is for the training store; `--to {self.to}` keeps every pixel its own way")


@dataclass(frozen=True, kw_only=True)
class Converted:
    """How far one dataset is.

    Attributes:
        folder: that was written.
        written: parts that are there, of this call and of others.
        parts: number of all parts.
        conversions: what was converted on the way, in words.
    """

    folder: Path
    written: int
    parts: int
    conversions: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """The dataset can be read."""
        return self.written == self.parts


def convert(conversion: Conversion) -> list[Converted]:
    """Convert a dataset, or each split of one; parts that an earlier call wrote are kept.

    Raises:
        DatasetError: the source cannot be read, or the target holds something else or cannot be written.
        SpecMismatchError: the layout cannot hold what the source means.
        RuntimeError: a worker process died; what is complete is kept.
    """
    found = []
    for name, source in split_folders(conversion.source).items():
        found.append(_convert(conversion, source, conversion.target / name))
    return found


def _convert(conversion: Conversion, source: Path, folder: Path) -> Converted:
    """Convert one dataset, or this call's share of it."""
    dataset = open_dataset(source)
    outlines = dataset.outlines()
    target = make_target(conversion.to, folder, dataset, outlines, video=conversion.video, images=conversion.images)
    parts = cut(outlines)
    settings = {
        "source": source.name,
        "fingerprint": fingerprint(dataset, outlines),
        "to": conversion.to,
        "video": conversion.video,
        "images": conversion.images,
        "conversions": list(target.taken.changes),
    }
    if not claim(folder, settings):
        _write(target, source, dataset, conversion.shard.of(parts), conversion.workers)
        if all(target.has(part) for part in parts):
            target.finish(parts, dataset)
            complete(folder, settings)
    written = sum(target.has(part) for part in parts)
    return Converted(folder=folder, written=written, parts=len(parts), conversions=target.taken.changes)


def _write(target: Target, source: Path, dataset: Dataset, parts: Sequence[Part], workers: int) -> None:
    """Write the parts that are not there yet."""
    left = [part for part in parts if not target.has(part)]
    with stage("convert", sum(part.frames for part in parts)) as progress:
        progress.advance(progress.total - sum(part.frames for part in left))
        started, frames = time.monotonic(), 0
        alone = min(workers, len(left)) < 2
        done = _by_this_process(target, dataset, left) if alone else _by_workers(target, source, left, workers)
        for part in done:
            frames += part.frames
            progress.advance(part.frames, status=f"{frames / (time.monotonic() - started):,.0f} frames/s")


def _by_this_process(target: Target, dataset: Dataset, parts: Sequence[Part]) -> Iterator[Part]:
    """Write parts, one after the other."""
    for part in parts:
        yield _write_part(target, dataset, part)


def _by_workers(target: Target, source: Path, parts: Sequence[Part], workers: int) -> Iterator[Part]:
    """Write parts in several processes; each as it is done."""
    with worker_pool(min(workers, len(parts))) as pool:
        for future in as_completed([pool.submit(_write_in_worker, target, source, part) for part in parts]):
            yield future.result()


def _write_in_worker(target: Target, source: Path, part: Part) -> Part:
    """Write one part in a process that opens the source itself, once."""
    return _write_part(target, _opened(source), part)


def _write_part(target: Target, dataset: Dataset, part: Part) -> Part:
    """Read the episodes of a part, hand them over, and write them."""
    target.write(part, [handed_over(dataset[number], target.taken) for number in part.episodes])
    return part


@cache
def _opened(source: Path) -> Dataset:
    """The source as this worker has it open."""
    return open_dataset(source)
