"""Reads `.npy` files that hold a pickled dict without running any code that the file asks for.

A pickle is a program: it names functions and calls them, so loading a foreign file may do anything. CALVIN stores its
sentences this way. Here the only names that a file may use are those with which numpy pickles arrays, dtypes and
scalars, and each stands for an inert record of this module that is turned into an array afterwards: not even numpy's
own unpickling code sees the file.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vlasync.errors import DatasetError, UnsafeFileError

_PLAIN_KINDS = "biufcSUO"
"""Kinds of dtype that hold numbers or text, or (O) a list of plain objects."""


class _DtypeRecord:
    """What a pickle says about a dtype."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code
        self.byte_order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = state[1]

    def build(self) -> np.dtype[Any]:
        dtype = np.dtype(self.code)
        if dtype.kind not in _PLAIN_KINDS:
            raise pickle.UnpicklingError(f"dtype {self.code!r}")
        return dtype.newbyteorder(self.byte_order) if self.byte_order in ("<", ">") else dtype


class _ArrayRecord:
    """What a pickle says about an array; its content arrives through `__setstate__`."""

    state: tuple[Any, ...] = ()

    def __init__(self, *_: Any) -> None:
        """Ignore the arguments of numpy's `_reconstruct`: a type, a shape and a type code that the state repeats."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def build(self) -> Any:
        _version, shape, dtype, fortran_order, content = self.state
        order = "F" if fortran_order else "C"
        if dtype.build().kind != "O":
            return np.frombuffer(content, dtype.build()).reshape(shape, order=order).copy()
        array = np.empty(len(content), dtype=object)
        array[:] = [_plain(item) for item in content]
        return array.reshape(shape, order=order)


class _ScalarRecord:
    """What a pickle says about a numpy scalar."""

    def __init__(self, dtype: _DtypeRecord, content: bytes) -> None:
        self.dtype = dtype
        self.content = content

    def build(self) -> Any:
        return np.frombuffer(self.content, self.dtype.build())[0]


# numpy 2 renamed `numpy.core` to `numpy._core`; both write such files.
_RECORDS: dict[tuple[str, str], type[Any]] = {
    ("numpy", "dtype"): _DtypeRecord,
    ("numpy", "ndarray"): _ArrayRecord,
    ("numpy.core.multiarray", "_reconstruct"): _ArrayRecord,
    ("numpy._core.multiarray", "_reconstruct"): _ArrayRecord,
    ("numpy.core.multiarray", "scalar"): _ScalarRecord,
    ("numpy._core.multiarray", "scalar"): _ScalarRecord,
}


class _RecordUnpickler(pickle.Unpickler):
    """Unpickles plain containers, text and numbers, and the records above."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        super().__init__(stream)
        self.file = file

    def find_class(self, module: str, name: str) -> type[Any]:
        if (module, name) not in _RECORDS:
            raise UnsafeFileError(
                f"{self.file}: asks for `{module}.{name}`; expected only arrays and plain containers. Nothing was run. "
                "Get the file from a source you trust"
            )
        return _RECORDS[module, name]


def read_object_array(file: Path) -> Any:
    """The one object (a dict, for CALVIN) that `np.save` pickled into a 0-dimensional object array.

    Raises:
        UnsafeFileError: the file names a function or class other than numpy's arrays, dtypes and scalars.
        DatasetError: the file is missing, damaged, or no such array.
    """
    try:
        with file.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(stream)
            if shape != () or not dtype.hasobject:
                raise DatasetError(f"{file}: holds {dtype} {shape}, expected one pickled object of shape ()")
            return _plain(_RecordUnpickler(stream, file).load()).item()
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: not found") from error
    # A damaged pickle can fail in any of these ways, none of which says more than that it is damaged.
    except (
        pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError,
        RecursionError,
    ) as error:  # fmt: skip
        raise DatasetError(f"{file}: damaged, or no array of plain objects ({error!r})") from error


def _plain(value: Any) -> Any:
    """`value` with all records in it, however deep, turned into arrays and scalars."""
    if isinstance(value, _ArrayRecord | _ScalarRecord):
        return value.build()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_plain(item) for item in value)
    return value
