"""The SyncSpec that a trained policy goes by."""

from __future__ import annotations

from pathlib import Path

from vlasync.errors import CheckpointError, SpecMismatchError
from vlasync.runs import latest_checkpoint
from vlasync.spec import SyncSpec


def read_policy_spec(path: Path) -> SyncSpec:
    """The SyncSpec of a policy, with the normalisation that it applies.

    Args:
        path: a run folder (its newest checkpoint counts), a checkpoint folder, or a `spec.json`.

    Raises:
        CheckpointError: no checkpoint there, or its spec is damaged or has no normalisation.
    """
    file = latest_checkpoint(path) / "spec.json" if path.is_dir() else path
    try:
        spec = SyncSpec.from_json(file.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: not found; give a run, a checkpoint or a spec.json") from error
    except (SpecMismatchError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file}: no SyncSpec ({error}); give a run, a checkpoint or a spec.json") from error
    if spec.normalization is None:
        raise CheckpointError(f"{file}: `normalization` is None, expected statistics; raw data has none to compare")
    return spec
