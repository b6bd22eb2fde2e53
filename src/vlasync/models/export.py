"""`vlasync export`: a run's policy as one folder that stands alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlasync.errors import VlasyncError
from vlasync.models.folder import load_vla, save_vla
from vlasync.models.tuning import Tuning, merge_lora
from vlasync.models.vla import VLA
from vlasync.runs import latest_checkpoint


def export_policy(run: Path, out: Path, *, merge: bool = False) -> VLA:
    """Write the policy of a run to `out` with all weights, the VLM's among them, and without what only training needs.

    Args:
        run: a run folder, or one of its checkpoints.
        out: folder to write, which must not be there.
        merge: fold low-rank updates into the weights, so that what is left is a plain VLA.

    Returns:
        What was written.

    Raises:
        CheckpointError: nothing there to export, or it cannot be loaded.
        VlasyncError: `out` is there, or a VLM in 4 bits is to be written without merging.
    """
    if out.exists():
        raise VlasyncError(f"{out}: is there already; give a folder that is not")
    vla = load_vla(latest_checkpoint(run))
    tuning = vla.config.tuning
    if tuning.mode == "qlora" and not merge:
        raise VlasyncError(f"{run}: its VLM is in 4 bits, which is no form to stand alone in; give --merge")
    if merge and tuning.adapts:
        merge_lora(vla.vlm)
        vla.config = replace(vla.config, tuning=Tuning())
    save_vla(vla, out, whole=True)
    return vla
