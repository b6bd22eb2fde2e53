"""The VLM that a VLA's folder refers to where it does not hold a copy: where it lies, and the hash of its weights."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.vlm import VLM

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"  # in transformers' order of preference


@dataclass(frozen=True, kw_only=True)
class Base:
    """A VLM whose weights are left out of a VLA's folder.

    Attributes:
        source: Hugging Face name, or folder: a relative path is seen from the VLA's folder.
        sha256: of its safetensors file; of several, of all of them one behind the other in the order of their names.
    """

    source: str
    sha256: str

    @classmethod
    def of(cls, source: str | Path, folder: Path) -> Self:
        """Refer from a VLA's folder to a VLM.

        Both in one run folder are on relative terms, so that the run can be moved as a whole.
        """
        sha256 = hash_weights(source)
        if not Path(source).is_dir():
            return cls(source=str(source), sha256=sha256)
        base, home = Path(source).resolve(), folder.resolve()
        near = base.is_relative_to(home.parents[:2][-1])  # the run's own of run/checkpoints/<step>
        return cls(source=os.path.relpath(base, home) if near else str(base), sha256=sha256)

    def load(self, folder: Path, *, processor: Path, image_size: tuple[int, int] | None) -> VLM:
        """Load the VLM.

        Args:
            folder: the VLA's.
            processor: folder of the processor that the VLA was trained with.
            image_size: see `VLM`.

        Raises:
            CheckpointError: it is not there, or its weights are others.
        """
        seen = folder / self.source
        source = seen.resolve() if seen.is_dir() else self.source
        try:
            vlm = VLM.from_pretrained(source, image_size=image_size, processor=processor)
        except VlasyncError as error:
            raise CheckpointError(
                f"{folder}: it was trained beside the VLM {self.source!r}, which cannot be loaded; bring that VLM "
                f"back, or name its place as base.source in config.json ({error})"
            ) from error
        self.require_weights(source, folder)
        return vlm

    def require_weights(self, source: str | Path, folder: Path) -> None:
        """Raise `CheckpointError` unless the VLM at `source` is this one, beside which `folder` was trained."""
        found = hash_weights(source)
        if found != self.sha256:
            raise CheckpointError(
                f"{source}: got a VLM whose weights have sha256 {found}, expected {self.sha256}, beside which {folder} "
                "was trained; bring that VLM back, or name its place as base.source in config.json"
            )


def hash_weights(source: str | Path) -> str:
    """The `Base.sha256` of a VLM, by Hugging Face name (from what was downloaded) or by folder.

    Raises:
        VlasyncError: it has no safetensors files.
    """
    files = _weight_files(source)
    return _hash(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@functools.cache
def _hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash files given with size and time of change, by which a file that was exchanged is read again."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _weight_files(source: str | Path) -> list[Path]:
    """The files that transformers reads a VLM's weights from."""
    folder = Path(source) if Path(source).is_dir() else _downloaded(str(source))
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    if (folder / _INDEX).is_file():
        shards = set(json.loads((folder / _INDEX).read_text())["weight_map"].values())
        return [folder / name for name in sorted(shards)]
    raise VlasyncError(
        f"{source}: got neither {_SINGLE} nor {_INDEX}, one of which is needed to refer to a VLM by its hash; save it "
        "with save_pretrained, or tune with mode 'full'"
    )


def _downloaded(name: str) -> Path:
    """The folder into which transformers downloaded a VLM."""
    try:
        return Path(snapshot_download(name, allow_patterns="*.safetensors*", local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise VlasyncError(f"{name}: its weights are not among what was downloaded ({error})") from error
