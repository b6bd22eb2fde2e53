"""Records that stand in a JSON file: written whole or not at all, refused by name where it holds anything else."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from vlasync.errors import CheckpointError
from vlasync.files import write_text


class SavedRecord(ABC):
    """What every such record is read and written by.

    Attributes:
        kind: what the file holds, for messages.
        remedy: what to do when it does not.
    """

    kind: ClassVar[str]
    remedy: ClassVar[str]

    @abstractmethod
    def to_json(self) -> str:
        """The record as JSON."""

    @classmethod
    @abstractmethod
    def from_plain(cls, raw: dict[str, Any]) -> Self:
        """The record from its parsed JSON, which is consumed; anything wrong in it raises an error of Python's own."""

    @classmethod
    def from_json(cls, text: str, *, where: Path | str) -> Self:
        """Inverse of `to_json`.

        Raises:
            CheckpointError: naming `where` and the unknown, missing or ill-typed field.
        """
        try:
            return cls.from_plain(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{where}: not {cls.kind} in this version's form ({type(error).__name__}: {error}); {cls.remedy}"
            ) from error

    def save(self, path: Path) -> None:
        """Write the record whole or not at all."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing, or holds something else.
        """
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; {cls.remedy}")
        return cls.from_json(path.read_text(encoding="utf-8", errors="replace"), where=path)
