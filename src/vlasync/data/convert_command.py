"""`vlasync convert` from its options to its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vlasync.data.layouts import ImageCoding, Layout, VideoCoding
from vlasync.share import Share


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        to: layout to write.
        video: with `--to lerobot`, images as videos: `lossless`, or `h264`, which is smaller and changes pixels a
            little; PNG in the parquet files by default.
        images: with `--to store`, how it keeps images: `raw`, which trains fastest and is the default; `lossless`, a
            fourth of the space or less; or `jpeg`, which decodes faster than that and changes pixels a little.
        workers: processes.
        shard: i/n converts the i-th of n shares (0 to n - 1), for n machines that write into one folder.
    """

    to: Layout
    video: VideoCoding | None = None
    images: ImageCoding | None = None
    workers: int = 2
    shard: str = "0/1"


def run_convert(source: Path, target: Path, options: ConvertOptions, console: Console) -> int:
    """Convert, and say how far each dataset is.

    Returns:
        0 when all of it is there, 1 while shares of other calls are missing.

    Raises:
        VlasyncError: options without meaning; or see `vlasync.data.convert.convert`.
    """
    from vlasync.data.convert import Conversion, convert

    conversion = Conversion(
        source=source,
        target=target,
        to=options.to,
        video=options.video,
        images=options.images,
        workers=options.workers,
        shard=Share.parse(options.shard),
    )
    found = convert(conversion)
    for item in found:
        lines = [f"{item.folder}: {words}" for words in item.conversions]
        if item.complete:
            lines.append(f"{item.folder}: complete; look it over with `vlasync check {item.folder}`")
        else:
            missing = item.parts - item.written
            lines.append(f"{item.folder}: {missing} of {item.parts} parts are missing; convert the other shards, too")
        for line in lines:
            console.print(Text(line))
    return 0 if all(item.complete for item in found) else 1
