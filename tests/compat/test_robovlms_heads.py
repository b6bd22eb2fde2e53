"""RoboVLMs' heads against what RoboVLMs itself computed: actions, losses, gradients and streams."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlasync.compat.robovlms.heads import DECODERS, LOSS, GPTDecoderConfig, decoder_config, load_decoder
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.models.chunks import ChunkTarget
from vlasync.models.heads.head import HeadShape
from vlasync.models.heads.kinds import head_config

SHAPE = HeadShape(embedding_size=64, latent=1, window_size=8, chunk_size=10)
KINDS = {"lstm": "LSTMDecoder", "fc": "FCDecoder", "gpt": "GPTDecoder"}


@pytest.fixture(params=KINDS)
def golden(request, shared_data):
    """A head with RoboVLMs' weights, and the arrays that RoboVLMs computed with them."""
    folder = shared_data / "golden" / "robovlms"
    config = decoder_config({"type": KINDS[request.param], "hidden_size": 64, "down_sample": "none", "latent": 1})
    head = config.build(SHAPE)
    load_decoder(head, load_file(folder / f"{request.param}_head.safetensors"), source="golden")
    with np.load(folder / f"{request.param}_head_io.npz") as arrays:
        return head.eval(), {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_window_gives_its_actions_and_gripper_logits(golden):
    head, theirs = golden
    with torch.no_grad():
        prediction = head(theirs["tok_seq"])
    close(prediction.pose, theirs["actions"])
    close(prediction.gripper, theirs["gripper"].squeeze(-1))


@pytest.mark.parametrize("suffix", ["", "_nomask"])
def test_losses_and_gradient_of_the_input_are_its(golden, suffix):
    head, theirs = golden
    mask = theirs["mask"].bool()
    target = ChunkTarget(
        pose=theirs["pose_label"],
        gripper_open=theirs["grip_label"].bool(),
        mask=torch.ones_like(mask) if suffix else mask,
    )
    embeddings = theirs["tok_seq"].requires_grad_()
    loss = head.loss(embeddings, target, LOSS)
    close(loss.pose, theirs[f"loss_arm{suffix}"])
    close(loss.gripper, theirs[f"loss_gripper{suffix}"])
    right = (head(embeddings).gripper > 0) == target.gripper_open
    close(right[target.mask].float().mean(), theirs[f"acc_gripper{suffix}"])
    if not suffix:
        loss.total.backward()
        close(loss.total, theirs["total"])
        torch.testing.assert_close(embeddings.grad, theirs["grad_tok"], atol=1e-7, rtol=1e-4)


@torch.no_grad()
def test_twenty_streamed_frames_are_its(golden):
    head, theirs = golden
    stream = head.init_stream(1)
    for embedding, pose, gripper in zip(
        theirs["stream_in"], theirs["stream_actions"], theirs["stream_gripper"], strict=True
    ):
        stream, prediction = head.step(stream, embedding[0])
        close(prediction.pose, pose[0])
        close(prediction.gripper, gripper[0].squeeze(-1))


def test_weights_of_another_size_are_refused(golden, shared_data):
    head, _ = golden
    weights = head.state_dict()
    name = next(iter(weights))
    with pytest.raises(CheckpointError, match=rf"1 weights.*{name}.*missing"):
        load_decoder(head, {key: value for key, value in weights.items() if key != name}, source="x.pt")


@pytest.mark.parametrize("name", DECODERS)
def test_a_saved_head_is_found_by_name(name):
    config = DECODERS[name](hidden_size=32)
    assert head_config(**dataclasses.asdict(config)) == config


def test_heads_without_continuous_chunks_are_refused():
    with pytest.raises(VlasyncError, match=r"act_head\.type: got 'DiscreteDecoder'"):
        decoder_config({"type": "DiscreteDecoder"})


def test_a_gpt_head_that_the_original_could_not_run_is_refused():
    with pytest.raises(VlasyncError, match="hidden_size is 32"):
        GPTDecoderConfig(hidden_size=32).build(dataclasses.replace(SHAPE, latent=2))
