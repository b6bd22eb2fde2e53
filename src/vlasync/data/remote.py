"""Datasets in an object store (`s3://`, `gs://`, `http://` ...): copied to this machine once, then read as any other.

An epoch reads every frame, so that fetching window by window would save nothing, and wait for each of them: a copy on
the local disk is mapped into memory like a dataset that was always there. Each file is fetched whole or not at all, a
stopped copy goes on, and later calls fetch what has changed since.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from vlasync.errors import DatasetError
from vlasync.files import whole_file, write_text
from vlasync.progress import stage

CACHE_VARIABLE = "VLASYNC_CACHE"
"""Environment variable that names the folder of all copies; on a cluster, a disk of the node itself."""

PARALLEL_FILES = 8
"""Files fetched at once: an object store gives more to several requests than to one."""

_FETCHED = ".fetched.json"
"""In a copy: what the object store said of each file when it was fetched."""


def local_folder(address: str) -> Path:
    """The folder of a dataset on this machine, fetched if it lies elsewhere.

    Processes of one machine that ask at the same time fetch it once.

    Args:
        address: a folder, or an address that fsspec understands, as `s3://bucket/store`.

    Raises:
        DatasetError: no such address, nothing there, or what speaks its protocol is not installed.
    """
    if "://" not in address:
        return Path(address)
    try:
        remote, root = fsspec.url_to_fs(address)
        if "file" in remote.protocol:
            return Path(root)
        found = remote.find(root, detail=True)
    except (ImportError, ValueError, OSError) as error:
        raise DatasetError(f"{address}: cannot be reached ({error})") from error
    files = _by_relative_name(found, root, address)
    folder = _cache_folder() / f"{PurePosixPath(root).name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bring_up_to_date(remote, files, folder)
    return folder


def _cache_folder() -> Path:
    """Where copies lie."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "vlasync")


def _by_relative_name(found: Mapping[str, Any], root: str, address: str) -> dict[str, tuple[str, str]]:
    """Relative name -> full name and a text that changes with the content, without hidden files."""
    files: dict[str, tuple[str, str]] = {}
    for name, facts in found.items():
        relative = PurePosixPath(name).relative_to(PurePosixPath(root))
        if ".." in relative.parts:
            raise DatasetError(f"{address}: holds a file named {name!r}, which would leave the copy's folder")
        if not any(part.startswith(".") for part in relative.parts):
            files[str(relative)] = (name, hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest())
    if not files:
        raise DatasetError(f"{address}: nothing is there; expected the folder of a dataset")
    return files


def _bring_up_to_date(remote: AbstractFileSystem, files: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """Fetch files that are missing or have changed, and drop those that are no longer there."""
    record = folder / _FETCHED
    fetched: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for gone in fetched.keys() - files.keys():
        (folder / gone).unlink(missing_ok=True)
    kept = {name: state for name, state in fetched.items() if files.get(name, ("", ""))[1] == state}
    wanted = [name for name in files if name not in kept]

    def fetch(name: str) -> str:
        with whole_file(folder / name) as temporary:
            remote.get_file(files[name][0], str(temporary))
        return name

    if not wanted:
        return
    with stage("fetch", len(wanted)) as progress, ThreadPoolExecutor(PARALLEL_FILES) as threads:
        for done in as_completed([threads.submit(fetch, name) for name in wanted]):
            kept[done.result()] = files[done.result()][1]
            write_text(record, json.dumps(kept))
            progress.advance()
