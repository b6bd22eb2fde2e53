"""Where each layout of a dataset says what its numbers mean, and how that is declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlasync.actions.poses import require_meaning
from vlasync.data.lerobot_names import layout_of
from vlasync.data.open import open_dataset
from vlasync.data.readers import calvin, lerobot_info
from vlasync.data.readers.declared import NEEDED, open_fields, read_draft
from vlasync.data.store import declare_spec
from vlasync.errors import DatasetError
from vlasync.files import write_text
from vlasync.spec import SyncSpec


def declare(path: Path, spec: SyncSpec) -> Path:
    """Write what the numbers of a dataset mean; the numbers stay as they are.

    Args:
        path: a training store (`store.json` is rewritten), a LeRobot folder (`meta/syncspec.json`) or a CALVIN split
            (`syncspec.json` is put beside the frames).
        spec: what the numbers mean.

    Returns:
        The file that was written.

    Raises:
        DatasetError: the file cannot be written.
    """
    try:
        if (path / "store.json").exists():
            return declare_spec(path, spec)
        file = _spec_file(path)
        write_text(file, spec.to_json())
    except OSError as error:
        raise DatasetError(f"{path}: the SyncSpec cannot be written ({error.strerror}); is it yours?") from error
    return file


def declare_fields(path: Path, fields: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    """Declare some fields; others keep what was declared before, or what the dataset itself says.

    A LeRobot folder says its rate, its cameras and, by names, its state. What is left stands as null in the file, and
    the dataset cannot be opened until it is declared, too.

    Args:
        path: a dataset.
        fields: fields of `SyncSpec` and their values.

    Returns:
        All fields in their JSON form, and the file that was written.

    Raises:
        DatasetError: no dataset there, or it does not fit what is declared.
        VlasyncError: fields that mean nothing together.
    """
    if not (path / lerobot_info.INFO_FILE).exists():
        spec = open_dataset(path).spec.replace(**fields)
        require_meaning(spec)
        file = declare(path, spec)
        return json.loads(spec.to_json()), file
    file = _spec_file(path)
    draft = read_draft(file, otherwise="correct or delete it") if file.exists() else draft_of(path)
    draft |= json.loads(json.dumps({name: _plain(value) for name, value in fields.items()}))
    if not open_fields(draft):
        require_meaning(SyncSpec.from_json(json.dumps(draft)))
    write_text(file, json.dumps(draft, indent=2, sort_keys=True))
    if not open_fields(draft):
        open_dataset(path)
    return draft, file


def draft_of(path: Path) -> dict[str, Any]:
    """The JSON form of a SyncSpec with what a LeRobot folder says of itself; everything else that is needed is null.

    Raises:
        DatasetError: `meta/info.json` cannot be read.
    """
    info = lerobot_info.read_info(path)
    names = info.names.get(lerobot_info.STATE, ())
    told = len(names) == info.vectors[lerobot_info.STATE]
    draft: dict[str, Any] = dict.fromkeys(NEEDED) | {
        "rate_hz": info.rate_hz,
        "action_index": 0,  # the layout has action and observation of one frame in one row
        "action_clip": None,
        "state_layout": [asdict(part) for part in layout_of(names)] if told else None,
        "cameras": {name: asdict(camera) for name, camera in info.as_cameras().items()},
    }
    return draft


def _plain(value: Any) -> Any:
    """A field's value in its JSON form."""
    return [asdict(part) for part in value] if isinstance(value, tuple) and hasattr(value[0], "unit") else value


def _spec_file(path: Path) -> Path:
    """Where a dataset that is no store keeps its SyncSpec."""
    lerobot = (path / lerobot_info.INFO_FILE).exists()
    return path / (lerobot_info.SPEC_FILE if lerobot else calvin.SPEC_FILE)
