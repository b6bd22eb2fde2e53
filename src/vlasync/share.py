"""One machine's share of work that several do together, as the command line writes it: `i/n`, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from vlasync.errors import VlasyncError

Item = TypeVar("Item")

_EXPECTED = "expected i/n with i from 0 to n - 1, such as 0/4, 1/4, 2/4 and 3/4 on four machines"


@dataclass(frozen=True)
class Share:
    """Every `count`-th piece of work from number `number` on; all of it by default.

    Attributes:
        number: 0 to `count - 1`.
        count: of shares.
    """

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise VlasyncError(f"shard: got {self}; {_EXPECTED}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Inverse of `str`.

        Raises:
            VlasyncError: the text says something else.
        """
        if not (match := re.fullmatch(r"(\d+)/(\d+)", text)):
            raise VlasyncError(f"shard: got {text!r}; {_EXPECTED}")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """What falls to this share; the shares of one count have each item once."""
        return items[self.number :: self.count]


WHOLE = Share()
"""All of the work."""
