"""The SyncSpec that was written down beside a dataset whose own layout has no place for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlasync.errors import DatasetError
from vlasync.spec import SyncSpec

NEEDED = tuple(
    field.name
    for field in dataclasses.fields(SyncSpec)
    if field.default is dataclasses.MISSING and field.name != "action_clip"
)
"""Fields that must be declared; the others have a default, and `action_clip` is null where nothing was clipped."""


def read_declared(file: Path, found: Mapping[str, Any], *, otherwise: str) -> SyncSpec:
    """The SyncSpec in `file`, which must fit the data.

    Args:
        file: a `syncspec.json`.
        found: `sizes` that the data really has.
        otherwise: what to do when the file does not describe the data, for messages.

    Raises:
        DatasetError: the file is damaged, leaves a field open (null), or declares other sizes.
    """
    raw = read_draft(file, otherwise=otherwise)
    if still_open := open_fields(raw):
        raise DatasetError(
            f"{file}: {', '.join(still_open)} not declared yet (null); say what the numbers mean with "
            f"`vlasync declare {file.parent.parent if file.parent.name == 'meta' else file.parent}`"
        )
    try:
        spec = SyncSpec.from_json(json.dumps(raw))
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"{file}: no SyncSpec ({error}); {otherwise}") from error
    if (declared := sizes(spec)) != found:
        raise DatasetError(f"{file}: declares {declared}, but the first frame has {found}; {otherwise}")
    return spec


def read_draft(file: Path, *, otherwise: str) -> dict[str, Any]:
    """The JSON object in `file`, whatever it leaves open.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        raw = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file}: no SyncSpec ({error}); {otherwise}") from error
    if not isinstance(raw, dict):
        raise DatasetError(f"{file}: no SyncSpec (it holds {type(raw).__name__}, not an object); {otherwise}")
    return raw


def open_fields(raw: Mapping[str, Any]) -> list[str]:
    """Fields of a SyncSpec's JSON form that are null, though they must be declared."""
    return [name for name in NEEDED if name in raw and raw[name] is None]


def sizes(spec: SyncSpec) -> dict[str, Any]:
    """Length of state and action, height and width of each camera."""
    return sizes_of(spec.state_size, spec.action_size, spec.cameras)


def sizes_of(state: int, actions: int, cameras: Mapping[str, Any]) -> dict[str, Any]:
    """The same, of data: `cameras` are records with `height` and `width`."""
    return {"state": state, "actions": actions} | {
        name: (camera.height, camera.width) for name, camera in cameras.items()
    }
