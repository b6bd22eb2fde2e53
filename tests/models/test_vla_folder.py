import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlasync.errors import CheckpointError
from vlasync.models.folder import load_vla, save_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA, VLAConfig, build_vla

SMALL = VLAConfig(window_size=2, chunk_size=3, latent=2, head=LSTMHeadConfig(hidden=16, layers=1))


@pytest.fixture
def saved(tiny_folders, spec, tmp_path):
    save_vla(build_vla(tiny_folders["smolvlm"], SMALL, spec), tmp_path / "vla")
    return tmp_path / "vla"


@torch.no_grad()
def trained(vla: VLA) -> VLA:
    """With other numbers in all that trains."""
    for parameter in vla.parameters():
        if parameter.requires_grad:
            parameter.add_(0.02 * torch.randn_like(parameter))
    return vla.eval()


@pytest.mark.parametrize("mode", ["full", "frozen", "lora"])
@torch.no_grad()
def test_a_loaded_vla_computes_what_the_saved_one_did(tiny_folder, spec, make_batch, tmp_path, mode):
    config = dataclasses.replace(SMALL, tuning=Tuning(mode=mode))
    vla = trained(build_vla(tiny_folder, config, spec))
    save_vla(vla, tmp_path / "vla")
    loaded = load_vla(tmp_path / "vla")
    batch = make_batch(2, 2, 3)
    assert torch.equal(loaded(batch).pose, vla(batch).pose)
    assert torch.equal(loaded(batch).gripper, vla(batch).gripper)
    assert loaded.config == config and loaded.spec == vla.spec
    trains = [name for name, parameter in vla.named_parameters() if parameter.requires_grad]
    assert trains == [name for name, parameter in loaded.named_parameters() if parameter.requires_grad]


def test_saving_again_replaces_the_folder_and_leaves_nothing_beside_it(saved):
    vla = load_vla(saved)
    (saved / "stray").touch()
    save_vla(vla, saved)
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors", "spec.json", "vlm"]
    assert [path.name for path in saved.parent.iterdir()] == ["vla"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "spec.json"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_vla(saved)


def test_weights_that_are_cut_short_are_one_clear_error(saved):
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        load_vla(saved)


def test_weights_of_another_config_are_refused(saved):
    weights = load_file(saved / "model.safetensors")
    del weights["tokens.embeddings"]
    save_file(weights, saved / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 weights.*tokens\.embeddings.*missing"):
        load_vla(saved)


def test_a_head_that_nothing_installed_brings_is_refused(saved):
    config = saved / "config.json"
    config.write_text(config.read_text().replace('"lstm"', '"mamba"'))
    with pytest.raises(CheckpointError, match=r"config\.json.*'mamba'.*gpt, lstm"):
        load_vla(saved)


def test_a_config_with_an_unknown_setting_is_refused(saved):
    config = saved / "config.json"
    config.write_text(config.read_text().replace('"latent"', '"latents"'))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_vla(saved)


def test_a_config_of_an_earlier_version_is_told_what_it_lacks(saved):
    config = json.loads((saved / "config.json").read_text())
    del config["image_size"], config["tuning"]["decoder_layers"], config["head"]["kind"]
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config\.json.*earlier vlasync") as caught:
        load_vla(saved)
    assert all(words in str(caught.value) for words in ('"image_size": null', "tuning.decoder_layers", "head.kind"))
