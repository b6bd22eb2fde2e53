"""Where each layout of a dataset says what its numbers mean."""

from __future__ import annotations

from pathlib import Path

from vlasync.data.readers.calvin import SPEC_FILE
from vlasync.data.store import write_spec
from vlasync.errors import DatasetError
from vlasync.files import write_text
from vlasync.spec import SyncSpec


def declare(path: Path, spec: SyncSpec) -> Path:
    """Write what the numbers of a dataset mean; the numbers stay as they are.

    Args:
        path: a training store (`store.json` is rewritten) or a CALVIN split (`syncspec.json` is put beside the frames).
        spec: what the numbers mean.

    Returns:
        The file that was written.

    Raises:
        DatasetError: the file cannot be written.
    """
    try:
        if (path / "store.json").exists():
            return write_spec(path, spec)
        file = path / SPEC_FILE
        write_text(file, spec.to_json())
    except OSError as error:
        raise DatasetError(f"{path}: the SyncSpec cannot be written ({error.strerror}); is it yours?") from error
    return file
