"""Folders that refer to their VLM, and policies that stand alone."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlasync.cli import main
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.base import hash_weights
from vlasync.models.export import export_policy
from vlasync.models.folder import load_vla, save_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.memory import estimate_memory
from vlasync.models.parts import trainable_table
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA, VLAConfig, build_vla

SMALL = VLAConfig(window_size=2, chunk_size=3, head=LSTMHeadConfig(hidden=16, layers=1))
LORA, QLORA, FROZEN = Tuning(mode="lora"), Tuning(mode="qlora", lora_rank=1), Tuning(mode="frozen")


@torch.no_grad()
def make_run(run: Path, vlm: Path, tuning: Tuning, spec) -> VLA:
    """A run folder as training leaves it: the VLM, and a checkpoint in which all that trains has moved."""
    shutil.copytree(vlm, run / "vlm")
    vla = build_vla(run / "vlm", dataclasses.replace(SMALL, tuning=tuning), spec)
    for parameter in vla.parameters():
        if parameter.requires_grad:
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_vla(vla, run / "checkpoints" / "0000001")
    return vla.eval()


@torch.no_grad()
def furthest(ours: VLA, theirs: VLA, batch) -> float:
    """The largest difference of actions."""
    return float((ours.decode(ours(batch)) - theirs.decode(theirs(batch))).abs().max())


@pytest.fixture
def run(tmp_path, tiny_folders, spec) -> Path:
    make_run(tmp_path / "run", tiny_folders["smolvlm"], LORA, spec)
    return tmp_path / "run"


@pytest.mark.parametrize("tuning", [LORA, FROZEN], ids=["lora", "frozen"])
def test_only_what_is_not_the_vlms_is_saved(tmp_path, tiny_folder, spec, make_batch, tuning):
    vla = make_run(tmp_path / "run", tiny_folder, tuning, spec)
    saved = load_file(tmp_path / "run" / "checkpoints" / "0000001" / "model.safetensors")
    of_vlm = {name for name in saved if name.startswith("vlm.")} - {name for name, _ in vla.named_buffers()}
    assert of_vlm == {name for name, value in vla.vlm.named_parameters(prefix="vlm") if value.requires_grad}
    assert furthest(load_vla(tmp_path / "run" / "checkpoints" / "0000001"), vla, make_batch(2, 2, 3)) == 0.0


def test_a_run_folder_can_be_moved(run, tmp_path):
    config = json.loads((run / "checkpoints" / "0000001" / "config.json").read_text())
    assert config["base"]["source"] == "../../vlm"
    assert config["base"]["sha256"] == hashlib.sha256((run / "vlm" / "model.safetensors").read_bytes()).hexdigest()
    run.rename(tmp_path / "moved")
    load_vla(tmp_path / "moved" / "checkpoints" / "0000001")


def test_a_vlm_elsewhere_is_named_in_full(tmp_path, tiny_folders, spec):
    vla = build_vla(tiny_folders["smolvlm"], dataclasses.replace(SMALL, tuning=FROZEN), spec)
    save_vla(vla, tmp_path / "run" / "untrained")
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    assert load_vla(tmp_path / "elsewhere" / "untrained").vlm.source == tiny_folders["smolvlm"]


def test_weights_in_several_files_have_one_hash(tmp_path):
    (tmp_path / "b.safetensors").write_bytes(b"second")
    (tmp_path / "a.safetensors").write_bytes(b"first ")
    index = {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert hash_weights(tmp_path) == hashlib.sha256(b"first second").hexdigest()


def test_a_vlm_that_is_gone_is_named(run):
    shutil.rmtree(run / "vlm")
    with pytest.raises(CheckpointError, match=r"0000001: it was trained beside the VLM '\.\./\.\./vlm', which cannot"):
        load_vla(run / "checkpoints" / "0000001")


def test_another_vlm_in_its_place_is_refused(run):
    weights = run / "vlm" / "model.safetensors"
    found = load_file(weights)
    name = sorted(found)[0]
    save_file(found | {name: found[name] + 1e-3}, weights, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        load_vla(run / "checkpoints" / "0000001")


def test_weights_that_the_vlm_lacked_are_saved_beside_the_updates(tmp_path, tiny_folders, spec, make_batch):
    shutil.copytree(tiny_folders["smolvlm"], tmp_path / "vlm")
    weights = load_file(tmp_path / "vlm" / "model.safetensors")
    lacking = next(name for name in sorted(weights) if name.endswith("mlp.up_proj.weight"))
    save_file({name: value for name, value in weights.items() if name != lacking}, tmp_path / "vlm/model.safetensors")
    vla = make_run(tmp_path / "run", tmp_path / "vlm", LORA, spec)
    assert len(vla.vlm.missing_weights) == 1
    assert furthest(load_vla(tmp_path / "run" / "checkpoints" / "0000001"), vla, make_batch(2, 2, 3)) == 0.0


def test_merged_acts_as_unmerged_without_vlm_or_lora_at_hand(tmp_path, tiny_folder, spec, make_batch):
    vla = make_run(tmp_path / "run", tiny_folder, LORA, spec)
    export_policy(tmp_path / "run", tmp_path / "merged", merge=True)
    shutil.rmtree(tmp_path / "run")
    merged = load_vla(tmp_path / "merged")
    assert furthest(merged, vla, make_batch(4, 2, 3)) <= 1e-5
    assert merged.config == dataclasses.replace(vla.config, tuning=Tuning())
    assert not any("lora" in name or "base_layer" in name for name in merged.state_dict())


@pytest.mark.parametrize("tuning", [Tuning(), LORA, FROZEN], ids=["full", "lora", "frozen"])
def test_an_export_stands_alone(tmp_path, tiny_folders, spec, make_batch, tuning):
    vla = make_run(tmp_path / "run", tiny_folders["smolvlm"], tuning, spec)
    (tmp_path / "run" / "checkpoints" / "0000001" / "training.safetensors").touch()
    export_policy(tmp_path / "run", tmp_path / "out")
    shutil.rmtree(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "spec.json",
        "vlm",
    ]
    assert furthest(load_vla(tmp_path / "out"), vla, make_batch(2, 2, 3)) == 0.0


def test_the_command_exports_and_touches_nothing_that_is_there(run, tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["export", str(run), str(tmp_path / "out"), "--merge"])
    assert load_vla(tmp_path / "out").config.tuning == Tuning()
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(run), str(tmp_path / "out")])
    assert "there already" in capsys.readouterr().err


def test_qlora_trains_over_four_bits_and_merges_into_what_it_computed(tmp_path, tiny_folder, spec, make_batch):
    pytest.importorskip("bitsandbytes")
    vla = make_run(tmp_path / "run", tiny_folder, QLORA, spec)
    batch = make_batch(2, 2, 3)
    vla.loss(batch).total.backward()
    reached = {name for name, value in vla.vlm.named_parameters() if value.grad is not None}
    assert reached and all("lora_" in name for name in reached)

    plain = build_vla(tiny_folder, SMALL, spec)
    updates = sum(value.numel() for value in vla.vlm.parameters() if value.requires_grad)
    counted, expected = (sum(part.total for part in trainable_table(one)) for one in (vla, plain))
    assert counted == expected + updates
    assert estimate_memory(vla, "go").acting < estimate_memory(plain, "go").acting

    loaded = load_vla(tmp_path / "run" / "checkpoints" / "0000001")
    assert furthest(loaded, vla, batch) == 0.0
    with pytest.raises(VlasyncError, match="give --merge"):
        export_policy(tmp_path / "run", tmp_path / "out")
    export_policy(tmp_path / "run", tmp_path / "out", merge=True)
    assert furthest(load_vla(tmp_path / "out"), vla, batch) <= 1e-5
