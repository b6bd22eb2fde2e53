"""The rows of one episode in a parquet file that holds many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlasync.errors import DatasetError, NotFiniteError


class Rows:
    """Rows `first .. first + length - 1` of a parquet file, read column by column and only as far as needed."""

    def __init__(self, file: Path, *, first: int, length: int, episode: int) -> None:
        """Read nothing yet.

        Args:
            file: the parquet file.
            first: the episode's first row in the file.
            length: its number of rows.
            episode: its number, for messages.
        """
        self.file = file
        self.episode = episode
        self.first = first
        self._length = length
        self._kept: tuple[str, int, pa.ChunkedArray[Any]] | None = None

    def __len__(self) -> int:
        return self._length

    def column(self, key: str, start: int, stop: int) -> pa.ChunkedArray[Any]:
        """Rows `start .. stop - 1` of the episode in one column.

        The row group read last is kept, because images are asked for one after the other.

        Raises:
            DatasetError: the file is missing or damaged, too short, or lacks the column.
        """
        kept = self._kept
        wanted = range(self.first + start, self.first + stop)
        if kept is None or kept[0] != key or not kept[1] <= wanted.start <= wanted.stop <= kept[1] + len(kept[2]):
            kept = self._kept = (key, *self._read(key, wanted))
        return kept[2].slice(wanted.start - kept[1], len(wanted))

    def numbers(self, key: str, size: int | None = None) -> NDArray[Any]:
        """A column of numbers, `[T]` or `[T, size]`, all finite.

        Raises:
            DatasetError: see `column`; or another shape or type.
            NotFiniteError: NaN or infinite numbers.
        """
        column = self.column(key, 0, self._length).combine_chunks()
        width = 1
        if (
            pa.types.is_list(column.type)
            or pa.types.is_large_list(column.type)
            or pa.types.is_fixed_size_list(column.type)
        ):
            width = len(column.flatten()) // max(len(column), 1)
            column = column.flatten()
        try:
            values = column.to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise DatasetError(f"{self.file}: column `{key}` cannot be read ({error})") from error
        if values.dtype.kind not in "fiu" or width != (size or 1) or len(values) != self._length * width:
            raise DatasetError(
                f"{self.file}: column `{key}` of episode {self.episode} holds {column.type} [{self._length}, {width}], "
                f"expected numbers [{self._length}, {size or 1}]"
            )
        if not np.isfinite(values).all():
            raise NotFiniteError(
                f"{self.file}: `{key}` of episode {self.episode} has NaN or infinite numbers; leave this episode out"
            )
        return values if size is None else values.reshape(self._length, size)

    def _read(self, key: str, wanted: range) -> tuple[int, pa.ChunkedArray[Any]]:
        """First row and content of the row groups that hold the wanted rows."""
        try:
            with pq.ParquetFile(self.file) as parquet:
                if key not in (names := parquet.schema_arrow.names):
                    raise DatasetError(f"{self.file}: has no column `{key}`; it has {names}")
                groups, first = row_groups(parquet, wanted)
                column = parquet.read_row_groups(groups, columns=[key]).column(key)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{self.file}: missing or damaged ({error}); copy the file again") from error
        if first + len(column) < wanted.stop:
            raise DatasetError(
                f"{self.file}: ends after {first + len(column)} rows, but episode {self.episode} goes on to row "
                f"{wanted.stop - 1} by meta/episodes; copy the file again"
            )
        return first, column


def row_groups(parquet: pq.ParquetFile, wanted: range) -> tuple[list[int], int]:
    """The row groups that overlap the wanted rows, and the first row of the first of them."""
    counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.metadata.num_row_groups)]
    starts = np.cumsum([0, *counts])
    groups: Sequence[int] = [
        group for group in range(len(counts)) if starts[group] < wanted.stop and starts[group + 1] > wanted.start
    ]
    return list(groups), int(starts[groups[0]]) if groups else 0
