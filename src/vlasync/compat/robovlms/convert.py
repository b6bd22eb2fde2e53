"""`vlasync convert-checkpoint`: a RoboVLMs checkpoint becomes a run folder that `Policy.load` reads.

In a rollout the policy then does what the original does: the same prompt, images resized by PIL, window, head and
scaling of the actions, and the first action of each chunk.
"""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.checkpoint import read_weights
from vlasync.compat.robovlms.names import load_weights
from vlasync.compat.robovlms.settings import Settings, read_settings
from vlasync.errors import CheckpointError
from vlasync.files import write_text
from vlasync.models.folder import save_vla


def convert_checkpoint(config: Path, weights: Path, out: Path, *, vlm: Path | None = None) -> Settings:
    """Write `out/checkpoints/0000000/`, the policy, and `out/conversion.json`, where it comes from.

    Args:
        config: RoboVLMs' JSON file.
        weights: its weights, see `read_weights`.
        out: the run folder, which must not have checkpoints.
        vlm: folder with the VLM's config and tokenizer, instead of the one that the config names.

    Returns:
        What the config says, with the keys that had no effect.

    Raises:
        VlasyncError: a setting that vlasync cannot follow, or no VLM where the config says.
        CheckpointError: the weights cannot be read, or are not those of the config; `out` has checkpoints.
        UnsafeFileError: the file of weights asks for code.
    """
    settings = read_settings(config)
    if (out / "checkpoints").exists():
        raise CheckpointError(f"{out}: has checkpoints; give a folder for the converted one alone")
    vla = build_policy(settings, vlm)
    load_weights(vla, read_weights(weights), source=str(weights))
    save_vla(vla, out / "checkpoints" / f"{0:07d}")
    record = {"config": str(config), "weights": str(weights), "without_effect": settings.idle}
    write_text(out / "conversion.json", json.dumps(record, indent=2) + "\n")
    return settings


def run_conversion(config: Path, weights: Path, out: Path, *, vlm: Path | None, console: Console) -> int:
    """The command: convert, say what had no effect, and how to go on.

    Returns:
        Exit code 0; errors are raised as by `convert_checkpoint`.
    """
    settings = convert_checkpoint(config, weights, out, vlm=vlm)
    console.print(f"{len(settings.idle)} settings have no effect on the policy, here or there:", style="dim")
    console.print(", ".join(settings.idle), style="dim", highlight=False)
    if settings.training_obstacles:
        console.print("trained by settings that vlasync has not, which a policy need not know:", style="dim")
        console.print("\n".join(f"  {line}" for line in settings.training_obstacles), style="dim", highlight=False)
    console.print(f"converted: {out}; `Policy.load({str(out)!r})` acts with it")
    return 0
