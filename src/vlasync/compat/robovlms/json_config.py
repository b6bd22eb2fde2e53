"""RoboVLMs' JSON files: with their parents, key by key, and a record of the keys that nobody asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar, cast

from vlasync.errors import VlasyncError

T = TypeVar("T", bool, int, float, str)


class Section:
    """A JSON object that is read key by key; what was never read is left over."""

    def __init__(self, values: dict[str, Any], file: Path, prefix: str = "") -> None:
        self._values = values
        self._file = file
        self._prefix = prefix
        self._read: set[str] = set()
        self._sections: list[Section] = []

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value at `key`, checked; `default`, where there is one, if the key is absent or null.

        Raises:
            VlasyncError: the key is absent, or holds something else than a `kind`.
        """
        self._read.add(key)
        value: Any = self._values.get(key)
        if value is None and default is not None:
            return default
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:  # `isinstance` would take True for a number
            got = "nothing" if value is None else repr(value)
            raise VlasyncError(f"{self._file}: {self._prefix}{key}: got {got}, expected {_NAMES[kind]}")
        return cast(T, value)

    def value(self, key: str) -> Any:
        """Whatever the file has at `key`, None where it is absent; for a key that `obstacle` judges."""
        self._read.add(key)
        return self._values.get(key)

    def has(self, key: str) -> bool:
        """Whether the file has something other than null at `key`."""
        return self._values.get(key) is not None

    def obstacle(self, key: str, followed: tuple[Any, ...]) -> str | None:
        """In words, that the value at `key` is none of those followed; an absent key means the first of them."""
        self._read.add(key)
        value = self._values.get(key, followed[0])
        if value in followed:
            return None
        return f"{self._prefix}{key}: got {value!r}, expected {' or '.join(map(repr, followed))}"

    def section(self, key: str) -> Section:
        """The object at `key`; an absent one or null counts as empty."""
        self._read.add(key)
        values = self._values.get(key) or {}
        if not isinstance(values, dict):
            raise VlasyncError(f"{self._file}: {self._prefix}{key}: got {values!r}, expected an object")
        self._sections.append(Section(values, self._file, f"{self._prefix}{key}."))
        return self._sections[-1]

    def left_over(self) -> list[str]:
        """The keys that nobody took, with those of all sections, as `section.key`."""
        own = [self._prefix + key for key in self._values.keys() - self._read]
        return sorted([*own, *(name for section in self._sections for name in section.left_over())])


def read_json(file: Path, *, children: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The settings of a config file and of its `parent`s, which it overrides key by key.

    A parent's path counts from the folder of the file or from one above it, which the original's root is.

    Args:
        file: the config.
        children: files that name this one as their parent, directly or not.

    Raises:
        VlasyncError: a file is missing, no JSON object, or its own parent.
    """
    if file in children:
        raise VlasyncError(f"{file}: `parent` leads back to this file")
    try:
        values = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise VlasyncError(f"{file}: not found") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise VlasyncError(f"{file}: no JSON ({error})") from error
    if not isinstance(values, dict):
        raise VlasyncError(f"{file}: got a JSON {type(values).__name__}, expected an object with the model's settings")
    parent = values.pop("parent", None)
    return values if not parent else _merged(read_json(_find(parent, file), children=(*children, file)), values)


_NAMES: dict[type[Any], str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


def _find(parent: str, file: Path) -> Path:
    for folder in file.absolute().parents:
        if (folder / parent).is_file():
            return folder / parent
    raise VlasyncError(f"{file}: parent: got {parent!r}, which is no file seen from its folder or one above it")


def _merged(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(parent)
    for key, value in child.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
