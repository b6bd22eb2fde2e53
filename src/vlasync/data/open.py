"""Opens a dataset of any known layout."""

from __future__ import annotations

from pathlib import Path

from vlasync.data.dataset import Dataset
from vlasync.data.provenance import require_complete
from vlasync.data.readers.calvin import read_calvin
from vlasync.data.readers.lerobot import read_lerobot
from vlasync.data.readers.lerobot_info import INFO_FILE
from vlasync.data.store import Store
from vlasync.errors import DatasetError

SPLITS = ("training", "validation")
"""Folders that belong together where both are there, as CALVIN names them."""


def open_dataset(path: Path | str) -> Dataset:
    """The episodes at `path`: a training store, a split in CALVIN's layout, or a LeRobot v3 folder.

    Raises:
        DatasetError: nothing is there, or nothing that looks like a dataset; or see `Store.open`, `read_calvin` and
            `read_lerobot`; or a conversion into this folder is not finished.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; give a training store, a split of a CALVIN dataset, or a LeRobot folder"
        )
    require_complete(folder)
    if (folder / "store.json").exists():
        return Store.open(folder)
    if (folder / INFO_FILE).exists():
        return read_lerobot(folder)
    if any((part / "ep_start_end_ids.npy").exists() for part in (folder, *(folder / name for name in SPLITS))):
        return read_calvin(folder)
    raise DatasetError(
        f"{folder}: no dataset; expected `store.json` (a training store), `{INFO_FILE}` (LeRobot) or "
        "`ep_start_end_ids.npy` (a CALVIN split)"
    )


def split_folders(folder: Path) -> dict[str, Path]:
    """The splits in a folder by name, or the folder itself without a name where it is a dataset of its own."""
    if any((folder / name).exists() for name in ("store.json", "ep_start_end_ids.npy", INFO_FILE)):
        return {"": folder}
    return {name: folder / name for name in SPLITS if (folder / name).is_dir()} or {"": folder}
