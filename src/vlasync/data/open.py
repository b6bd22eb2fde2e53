"""Opens a dataset of any known layout."""

from __future__ import annotations

from pathlib import Path

from vlasync.data.dataset import Dataset
from vlasync.data.readers.calvin import read_calvin
from vlasync.data.readers.lerobot import read_lerobot
from vlasync.data.readers.lerobot_info import INFO_FILE
from vlasync.data.store import Store
from vlasync.errors import DatasetError


def open_dataset(path: Path | str) -> Dataset:
    """The episodes at `path`: a training store, a split in CALVIN's layout, or a LeRobot v3 folder.

    Raises:
        DatasetError: nothing is there, or nothing that looks like a dataset; or see `Store.open`, `read_calvin` and
            `read_lerobot`.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; give a training store, a split of a CALVIN dataset, or a LeRobot folder"
        )
    if (folder / "store.json").exists():
        return Store.open(folder)
    if (folder / INFO_FILE).exists():
        return read_lerobot(folder)
    if any((part / "ep_start_end_ids.npy").exists() for part in (folder, folder / "training", folder / "validation")):
        return read_calvin(folder)
    raise DatasetError(
        f"{folder}: no dataset; expected `store.json` (a training store), `{INFO_FILE}` (LeRobot) or "
        "`ep_start_end_ids.npy` (a CALVIN split)"
    )
