"""`vlasync convert` from its options to its exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vlasync.data.layouts import ImageCoding, Layout, VideoCoding
from vlasync.errors import VlasyncError


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        to: layout to write.
        video: with `--to lerobot`, images as videos: `lossless`, or `h264`, which is smaller and changes pixels a
            little; PNG in the parquet files by default.
        images: with `--to store`, how it keeps images: `raw`, which trains fastest and is the default; `lossless`, a
            fourth of the space or less; or `jpeg`, which decodes twice as fast as that and changes pixels a little.
        workers: processes.
        shard: i/n converts the i-th of n shares, for n machines that write into one folder.
    """

    to: Layout
    video: VideoCoding | None = None
    images: ImageCoding | None = None
    workers: int = 2
    shard: str = "1/1"


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
        shard=_parse_shard(options.shard),
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


def _parse_shard(text: str) -> tuple[int, int]:
    """`2/5` as `(2, 5)`."""
    if not (found := re.fullmatch(r"(\d+)/(\d+)", text)):
        raise VlasyncError(f"shard is {text!r}; expected i/n, as in 2/5")
    return int(found[1]), int(found[2])
