"""A converted checkpoint acts in a rollout as RoboVLMs' own evaluation of it did, frame for frame."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlasync.cli import main
from vlasync.compat.robovlms.convert import convert_checkpoint
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.folder import load_vla
from vlasync.models.images import prepare_images
from vlasync.policy import Policy
from vlasync.types import Observation


@pytest.fixture
def converted(kosmos, tmp_path):
    convert_checkpoint(kosmos / "config.json", kosmos / "state_dict.safetensors", tmp_path / "run")
    return tmp_path / "run"


def rollout(run, kosmos):
    """Actions `[20, 7]` on the recorded frames."""
    policy = Policy.load(run, device="cpu")
    with np.load(kosmos / "wrapper_io.npz") as recorded:
        policy.reset(str(recorded["lang"]))
        frames = zip(recorded["rgb_static"], recorded["rgb_gripper"], recorded["robot_obs"], strict=True)
        return np.stack(
            [
                policy.act(Observation(images={"static": static, "gripper": gripper}, state=state))
                for static, gripper, state in frames
            ]
        )


def test_twenty_frames_of_its_evaluation_give_its_actions(converted, kosmos):
    with np.load(kosmos / "wrapper_io.npz") as recorded:
        np.testing.assert_allclose(rollout(converted, kosmos), recorded["final_action"], atol=1e-5)


@torch.no_grad()
def test_what_the_model_says_before_scaling_is_its(converted, kosmos):
    vla = load_vla(converted / "checkpoints/0000000")
    with np.load(kosmos / "wrapper_io.npz") as recorded:
        frames = torch.from_numpy(recorded["rgb_static"]).permute(0, 3, 1, 2)
        sentence, raw = str(recorded["lang"]), torch.from_numpy(recorded["raw_action"]).flatten(1, 2)
        shift, shifted = (
            float(recorded["gripper_bias_shift"]),
            torch.from_numpy(recorded["raw_action_shift"]).flatten(1, 2),
        )
    stream = vla.init_stream(1)
    for frame, wanted, wanted_shifted in zip(frames, raw, shifted, strict=True):
        stream, prediction = vla.step(stream, {"static": frame[None]}, torch.zeros(1, 15), [sentence])
        said = torch.cat([prediction.pose, prediction.gripper.unsqueeze(-1)], -1)
        torch.testing.assert_close(said, wanted, atol=1e-5, rtol=0)
        said[..., -1] += shift
        torch.testing.assert_close(said, wanted_shifted, atol=1e-5, rtol=0)


def test_images_are_its_to_the_last_bit(converted, kosmos):
    spec = load_vla(converted / "checkpoints/0000000").spec
    with np.load(kosmos / "wrapper_io.npz") as recorded:
        frames = torch.from_numpy(recorded["rgb_static"]).permute(0, 3, 1, 2)
        theirs = recorded["pixels_28"]
    ours = prepare_images(frames, spec.image_transform)[:, :, ::28, ::28]
    np.testing.assert_allclose(ours, theirs[:, 0, 0], atol=1e-6)  # of float32 around 1; a grey level is 0.015


def test_its_gripper_opens_and_closes_here_as_there(kosmos, tmp_path):
    weights = load_file(kosmos / "state_dict.safetensors")
    with np.load(kosmos / "wrapper_io.npz") as recorded:
        weights["act_head.gripper.mlp.6.bias"] += float(recorded["gripper_bias_shift"])
        expected = recorded["final_action_shift"]
    save_file(weights, tmp_path / "shifted.safetensors")
    convert_checkpoint(kosmos / "config.json", tmp_path / "shifted.safetensors", tmp_path / "run")
    np.testing.assert_allclose(rollout(tmp_path / "run", kosmos), expected, atol=1e-5)
    assert set(expected[:, -1]) == {-1.0, 1.0}


@pytest.mark.parametrize("prefix", ["", "model.", "module.model.", "module."])
def test_whatever_wrapped_the_weights_the_policy_is_the_same(converted, kosmos, tmp_path, prefix):
    weights = {prefix + name: value for name, value in load_file(kosmos / "state_dict.safetensors").items()}
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "x.ckpt")
    convert_checkpoint(kosmos / "config.json", tmp_path / "x.ckpt", tmp_path / "again")
    ours, theirs = (load_file(run / "checkpoints/0000000/model.safetensors") for run in (converted, tmp_path / "again"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_missing_and_unexpected_weights_are_one_error_that_lists_them(kosmos, tmp_path):
    weights = load_file(kosmos / "state_dict.safetensors")
    del weights["action_token"]
    weights["backbone.more"] = torch.zeros(1)
    weights["act_head.rnn.bias_hh_l0"] = torch.zeros(3)
    save_file(weights, tmp_path / "x.safetensors")
    message = (
        r"1 missing: tokens\.embeddings; 1 unexpected: vlm\.model\.more; "
        r"1 of another shape: head\.rnn\.bias_hh_l0 \(3,\) instead of \(256,\)"
    )
    with pytest.raises(CheckpointError, match=message):
        convert_checkpoint(kosmos / "config.json", tmp_path / "x.safetensors", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_cannot_be_followed_are_named(kosmos, tmp_path):
    config = json.loads((kosmos / "config.json").read_text())
    config["act_head"]["history_type"] = "pre"
    config["norm_max"] = 0.4
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(VlasyncError, match=r"(?s)act_head\.history_type: got 'pre', expected 'post'.*norm_max"):
        convert_checkpoint(tmp_path / "config.json", kosmos / "state_dict.safetensors", tmp_path / "run")


def test_the_command_converts_once_and_says_what_has_no_effect(kosmos, tmp_path, capsys):
    arguments = [str(kosmos / "config.json"), str(kosmos / "state_dict.safetensors"), str(tmp_path / "run")]
    with pytest.raises(SystemExit, match="0"):
        main(["convert-checkpoint", *arguments])
    assert "use_tube_mask" in capsys.readouterr().out.replace("\n", " ")
    assert "use_tube_mask" in json.loads((tmp_path / "run" / "conversion.json").read_text())["without_effect"]
    with pytest.raises(SystemExit, match="2"):
        main(["convert-checkpoint", *arguments])
    assert "has checkpoints" in " ".join(capsys.readouterr().err.split())
