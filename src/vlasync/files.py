"""Files that exist whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Replace the text file at `path` in one step; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` in one step: a reader, or a crash, sees the old content or the new one."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def force_to_disk(folder: Path) -> None:
    """Return when the files in a folder would survive a loss of power, which a new name alone does not make sure."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file that replaces `path` when the block ends well, and vanishes when it does not.

    It stands beside `path`, starts with a dot and ends in `.tmp`, so that nobody takes it for a part of a dataset.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends well, and vanishes when it does not.

    The temporary folder starts with a dot and stands beside `path`, so that a crash leaves nothing that looks whole.
    What killed processes left of theirs is removed first: a folder has one writer at a time.
    """
    for torn in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        shutil.rmtree(torn, ignore_errors=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
