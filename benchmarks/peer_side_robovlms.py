"""RoboVLMs' side of `peer_robovlms.py`; runs under an interpreter that has what RoboVLMs asks for.

ROBOVLMS_PYTHON peer_side_robovlms.py FOLDER PRECISION CLOCK, with RoboVLMs' checkout on PYTHONPATH
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

from peer_side import BATCH, CAMERA_PX, CHUNK, SENTENCE, WINDOW, arithmetic, optimizer_of, resident_bytes, serve


def robovlms_model(folder: Path) -> torch.nn.Module:
    """RoboVLMs' own model of a config, as its trainer builds it."""
    _import_alone()
    from robovlms.model.backbone.robokosmos import RoboKosMos

    configs = json.loads((folder / "config.json").read_text())
    weights = folder / "vlm"
    configs["vlm"]["pretrained_model_name_or_path"] = str(weights)
    configs["tokenizer"]["pretrained_model_name_or_path"] = str(weights)
    if not (weights / "model.safetensors").exists():
        Kosmos2ForConditionalGeneration(Kosmos2Config.from_pretrained(weights)).save_pretrained(weights)
    return RoboKosMos(
        configs=configs,
        train_setup_configs=configs["train_setup"],
        act_head_configs=configs["act_head"],
        window_size=configs["window_size"],
        fwd_pred_next_n=configs["fwd_pred_next_n"],
        use_hand_rgb=False,
    )


def _import_alone() -> None:
    """Import the model without what its packages import beside it: simulators, other VLMs, a CLIP that is unused."""
    root = Path(next(iter(find_spec("robovlms").submodule_search_locations)))
    for name in ("model.backbone", "data", "utils"):
        package = ModuleType(f"robovlms.{name}")
        package.__path__ = [str(root / name.replace(".", "/"))]
        sys.modules[package.__name__] = package
    unused = ModuleType("robovlms.model.text_encoder.clip_text_encoder")
    unused.ClipTextFeatureEncoder = None
    sys.modules[unused.__name__] = unused


def main(folder: Path, precision: str, clock: str) -> None:
    """Build the model and answer."""
    before = resident_bytes()
    model = robovlms_model(folder)
    text = model.tokenizer(f"<grounding>An image of a robot {SENTENCE}", return_tensors="pt").input_ids
    pixels = torch.rand(BATCH, WINDOW, 3, 224, 224)
    labels = (torch.rand(BATCH, WINDOW, CHUNK, 6) - 0.5, torch.randint(0, 2, (BATCH, WINDOW, CHUNK)).float())
    mask = torch.ones(BATCH, WINDOW, CHUNK)
    optimizer = optimizer_of(model)
    camera = np.random.default_rng(0).integers(0, 256, (CAMERA_PX, CAMERA_PX, 3), dtype=np.uint8)

    def train() -> None:
        model.train()
        with arithmetic(precision):
            loss = model(
                pixels,
                text.repeat(BATCH, 1),
                attention_mask=torch.ones(BATCH, text.shape[1], dtype=torch.bool),
                action_labels=labels,
                action_mask=mask,
                data_source=["calvin_action"],
            )
        (loss["loss_arm_act"] + 0.01 * loss["loss_gripper_act"]).backward()
        optimizer.step()
        optimizer.zero_grad()
        model.act_head.reset()  # it keeps the batch's state, which a rollout would go on from

    def act() -> None:
        model.eval()
        # Its wrapper resizes by PIL and normalises by CLIP's colours.
        image = Image.fromarray(camera).resize((224, 224), Image.Resampling.BICUBIC)
        values = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float().div_(255.0).sub_(0.45).div_(0.27)
        with torch.no_grad(), arithmetic(precision):
            pose, gripper = model.inference(
                values[None, None], text, attention_mask=torch.ones(1, text.shape[1], dtype=torch.bool)
            )["action"]
        torch.cat([pose, (gripper.sigmoid() > 0.5).to(pose.dtype).view(*pose.shape[:-1], 1)], dim=-1).float().numpy()

    serve(train, act, clock=clock, before=before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
