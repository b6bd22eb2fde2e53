"""`vlasync declare` from its options to its exit code."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlasync.errors import VlasyncError
from vlasync.spec import ActionFrame, ActionMode, Rotation, RotationComposition, StateSlice

UNITS = ("m", "rad", "command", "1")
"""Units of the state's parts."""


@dataclass(frozen=True, kw_only=True)
class DeclareOptions:
    """What the numbers of a dataset mean; see `docs/syncspec.md`.

    Attributes:
        action_frame: axes in which an action's translation and rotation are written.
        action_mode: a pose to go to, or an increment on the measured or on the commanded pose.
        rotation: how a rotation is written down.
        rotation_composition: how a rotation increment joins the old rotation.
        position_scale_m: metres per unit of an action's first three numbers.
        rotation_scale_rad: radians per unit of an action's rotation numbers.
        action_clip: bound that the recorded numbers were clipped to.
        gripper_open: the number that commands an open gripper.
        gripper_closed: the number that commands a closed gripper.
        state: parts of the state as NAME:FIRST:STOP:UNIT, e.g. `tcp_position:0:3:m tcp_euler:3:6:rad`; units are m,
            rad, command and 1.
    """

    action_frame: ActionFrame | None = None
    action_mode: ActionMode | None = None
    rotation: Rotation | None = None
    rotation_composition: RotationComposition | None = None
    position_scale_m: float | None = None
    rotation_scale_rad: float | None = None
    action_clip: float | None = None
    gripper_open: float | None = None
    gripper_closed: float | None = None
    state: tuple[str, ...] = ()


def run_declare(data: Path, options: DeclareOptions, console: Console) -> int:
    """Declare what the options say, and show what is declared and what is open.

    Returns:
        0 when everything is declared, 1 while fields are open.

    Raises:
        VlasyncError: no dataset, options without meaning, or a dataset that does not fit them.
    """
    from vlasync.data.declaration import declare_fields
    from vlasync.data.readers.declared import open_fields

    given: dict[str, Any] = {field.name: getattr(options, field.name) for field in fields(options)}
    given["state_layout"] = tuple(_slice(text) for text in given.pop("state")) or None
    declared, file = declare_fields(data, {name: value for name, value in given.items() if value is not None})
    missing = open_fields(declared)
    table = Table(box=None, show_header=False)
    for name, value in declared.items():
        for row in _rows(name, value):
            table.add_row(*row, style="bold yellow" if name in missing else None)
    console.print(table)
    if missing:
        flags = " ".join("--state" if name == "state_layout" else f"--{name.replace('_', '-')}" for name in missing)
        console.print(Text(f"{file}: still open, and nothing can read the dataset before: {flags}"))
        return 1
    console.print(Text(f"{file}: all is declared; do the numbers follow it? See `vlasync check {data}`"))
    return 0


def _slice(text: str) -> StateSlice:
    """`tcp_position:0:3:m` as a part of the state."""
    try:
        name, start, stop, unit = text.split(":")
        part = StateSlice(name=name, start=int(start), stop=int(stop), unit=unit)
    except ValueError as error:
        raise VlasyncError(f"--state {text!r}: expected NAME:FIRST:STOP:UNIT, e.g. tcp_position:0:3:m") from error
    if not 0 <= part.start < part.stop or unit not in UNITS:
        raise VlasyncError(f"--state {text!r}: expected 0 <= FIRST < STOP and one of the units {', '.join(UNITS)}")
    return part


def _rows(name: str, value: Any) -> list[tuple[str, str]]:
    """A field of a SyncSpec's JSON form as lines of a table; cameras and parts of the state have one each."""
    if isinstance(value, dict):
        return [(f"{name}.{key}", _words(part)) for key, part in value.items()]
    if name == "state_layout" and value:
        return [(f"{name}.{part['name']}", f"{part['start']}:{part['stop']} {part['unit']}") for part in value]
    return [(name, "?" if value is None and name != "action_clip" else _words(value))]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return "none" if value is None else str(value)
