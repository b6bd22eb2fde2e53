"""Opens a dataset of any known layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlasync.data.readers.calvin import read_calvin
from vlasync.data.store import Store
from vlasync.errors import DatasetError
from vlasync.types import Episode


def open_dataset(path: Path | str) -> Sequence[Episode]:
    """The episodes at `path`, which may be a training store or a split in CALVIN's layout.

    Raises:
        DatasetError: nothing is there, or nothing that looks like a dataset; or see `Store.open` and `read_calvin`.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; give a training store or a split of a CALVIN dataset")
    if (folder / "store.json").exists():
        return Store.open(folder)
    if any((part / "ep_start_end_ids.npy").exists() for part in (folder, folder / "training", folder / "validation")):
        return read_calvin(folder)
    raise DatasetError(
        f"{folder}: no dataset; expected `store.json` (a training store) or `ep_start_end_ids.npy` (a CALVIN split)"
    )
