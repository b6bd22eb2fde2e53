"""Reads the weights out of PyTorch's `.pt` and `.ckpt` files without running any code that the file asks for.

Such a file is a zip archive: a pickle, which is a program, and beside it the bytes of each tensor. Here the only names
that the pickle may use are those of tensors, of their storages and of ordered dicts, and each stands for an inert
record of this module: not even PyTorch's own unpickling code sees the file. `.safetensors` files hold no program.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vlasync.errors import CheckpointError, UnsafeFileError

_HOLDERS = ("state_dict", "model_state_dict", "module")
"""Keys under which Lightning, the original and DeepSpeed keep a model's weights beside their own records."""

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class _StorageRecord:
    """What a pickle says about a storage: the type of its numbers, and the archive's member with their bytes."""

    dtype: torch.dtype
    key: str


@dataclass(frozen=True)
class _TensorRecord:
    """What a pickle says about a tensor: where in a storage its numbers lie."""

    storage: _StorageRecord
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _PlainDict(dict[Any, Any]):
    """Stands for an ordered dict; the attributes that PyTorch hangs on it are dropped."""

    def __setstate__(self, _: Any) -> None:
        """Ignore them."""


def _tensor(storage: _StorageRecord, offset: int, size: Any, stride: Any, *_: Any) -> _TensorRecord:
    return _TensorRecord(storage, offset, tuple(size), tuple(stride))


def _parameter(data: _TensorRecord, *_: Any) -> _TensorRecord:
    return data


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _PlainDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _RecordUnpickler(pickle.Unpickler):
    """Unpickles plain containers, text and numbers, and the records above."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        super().__init__(stream)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise UnsafeFileError(
                f"{self.file}: asks for `{module}.{name}`; expected only tensors and plain containers. Nothing was "
                "run; where you trust the file, save its weights alone as .safetensors and give that"
            )
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _StorageRecord:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str):
            raise pickle.UnpicklingError(f"a persistent id of kind {kind!r}")
        return _StorageRecord(dtype, key)


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """The weights of a model by name, on the CPU, from `.safetensors`, `.pt`, `.ckpt` or `.bin`.

    What else a training checkpoint holds, such as the optimiser's state, is left on the disk.

    Raises:
        UnsafeFileError: the file names a function or class other than those of tensors and plain containers.
        CheckpointError: it is missing, damaged, of PyTorch's old format, or holds no weights.
    """
    if file.is_dir():
        raise CheckpointError(
            f"{file}: a folder, as DeepSpeed writes its parts; join them with its zero_to_fp32.py and give that file"
        )
    if not file.is_file():
        raise CheckpointError(f"{file}: not found; give a .safetensors, .pt or .ckpt file")
    try:
        return load_file(file) if file.suffix == ".safetensors" else _read_archive(file)
    except (CheckpointError, UnsafeFileError):
        raise
    # A damaged file can fail in any of these ways, none of which says more than that it is damaged.
    except (
        SafetensorError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError,
        TypeError, AttributeError, RuntimeError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        raise CheckpointError(f"{file}: damaged, or no file of weights ({error!r}); use another copy") from error


def _read_archive(file: Path) -> dict[str, torch.Tensor]:
    if not zipfile.is_zipfile(file):
        raise CheckpointError(
            f"{file}: no zip archive, so cut short or of PyTorch's format before 1.6; save its weights as .safetensors"
        )
    with zipfile.ZipFile(file) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise CheckpointError(f"{file}: compressed, which PyTorch's files never are; use another copy")
        (program,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        root = program.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise CheckpointError(f"{file}: written on a big-endian machine; save its weights as .safetensors")
        with archive.open(program) as stream:
            content = _RecordUnpickler(stream, file).load()  # pyright: ignore[reportArgumentType]
        return _built(_weights_in(content, file), archive, root)


def _weights_in(content: Any, file: Path) -> dict[str, _TensorRecord]:
    """The model's own dict within what was saved."""
    holder = next((key for key in _HOLDERS if isinstance(content, dict) and isinstance(content.get(key), dict)), None)
    weights = content if holder is None else content[holder]
    if not isinstance(weights, dict) or not weights:
        raise CheckpointError(f"{file}: holds no dict of weights, alone or under one of {', '.join(_HOLDERS)}")
    if odd := [key for key, value in weights.items() if not isinstance(value, _TensorRecord)]:
        raise CheckpointError(f"{file}: {odd[0]!r} among the weights is no tensor; expected a dict of tensors alone")
    return {str(name): value for name, value in weights.items()}


def _built(weights: dict[str, _TensorRecord], archive: zipfile.ZipFile, root: str) -> dict[str, torch.Tensor]:
    """The tensors, those of one storage over the same bytes."""
    storages: dict[str, bytearray] = {}
    tensors: dict[str, torch.Tensor] = {}
    for name, record in weights.items():
        key = record.storage.key
        if key not in storages:
            storages[key] = bytearray(archive.read(f"{root}data/{key}"))
        if not storages[key]:
            tensors[name] = torch.empty(record.size, dtype=record.storage.dtype)
            continue
        numbers = torch.frombuffer(storages[key], dtype=record.storage.dtype)
        # torch checks that the tensor lies within the storage
        tensors[name] = numbers.as_strided(record.size, record.stride, record.offset)
    return tensors
