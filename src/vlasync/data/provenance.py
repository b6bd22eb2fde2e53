"""What a converted dataset was made from, and whether all of it is there: `conversion.json` in its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlasync.data.dataset import Dataset, Outline
from vlasync.errors import DatasetError
from vlasync.files import write_text

RECORD_FILE = "conversion.json"


def fingerprint(dataset: Dataset, outlines: Sequence[Outline]) -> str:
    """A short text that two datasets share only if their meaning, lengths, frame numbers and sentences are the same."""
    content = json.dumps([dataset.spec.to_json(), [asdict(outline) for outline in outlines]])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def claim(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Begin a conversion into `folder`, or go on with the one that was begun there.

    Args:
        folder: of the dataset to write.
        settings: what decides its content, as plain JSON values; None says no more than a missing one.

    Returns:
        Whether that conversion is complete.

    Raises:
        DatasetError: the folder holds something else, or a conversion of other data or with other settings.
    """
    record = _read(folder)
    if record is None:
        if folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise DatasetError(f"{folder}: holds something that is no conversion begun here; choose another folder")
        _write(folder, settings, complete=False)
        return False
    earlier = record["settings"]
    changed = [
        f"{name} {earlier.get(name)!r} there, {settings.get(name)!r} now"
        for name in sorted({*earlier, *settings})
        if earlier.get(name) != settings.get(name)
    ]
    if changed:
        raise DatasetError(f"{folder}: holds another conversion ({'; '.join(changed)}); choose another folder")
    return record["complete"]


def complete(folder: Path, settings: Mapping[str, Any]) -> None:
    """All of the conversion is there."""
    _write(folder, settings, complete=True)


def require_complete(folder: Path) -> None:
    """Raise `DatasetError` where a conversion into `folder` was begun and not finished."""
    record = _read(folder)
    if record is not None and not record["complete"]:
        raise DatasetError(
            f"{folder}: a conversion of {record['settings'].get('source')} into this folder is not finished; run the "
            "same `vlasync convert` again, and every shard of it"
        )


def _read(folder: Path) -> dict[str, Any] | None:
    file = folder / RECORD_FILE
    try:
        record = json.loads(file.read_text())
        return {"settings": dict(record["settings"]), "complete": bool(record["complete"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file}: damaged ({error!r}); delete the folder and convert again") from error


def _write(folder: Path, settings: Mapping[str, Any], *, complete: bool) -> None:
    write_text(folder / RECORD_FILE, json.dumps({"settings": settings, "complete": complete}, indent=2))
