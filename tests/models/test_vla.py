import dataclasses

import pytest
import torch

from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.models.augmentation import ColorJitter
from vlasync.models.chunks import ChunkPrediction
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.losses import chunk_loss
from vlasync.models.parts import trainable_table
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLAConfig, build_vla

SMALL = VLAConfig(window_size=4, chunk_size=3, head=LSTMHeadConfig(hidden=32, layers=1))
CHANGING = (
    SMALL,
    dataclasses.replace(SMALL, shift_px={}, color_jitter=ColorJitter(0.4, 0.4, 0.4, 0.04)),
    dataclasses.replace(SMALL, shift_px={}, cut_mix={"static": 1.0}),
)
PARTS = ("vision", "projector", "text_embedding", "decoder", "[LRN]", "state", "head")
ADDED = ("[LRN]", "state", "head")


def parts_with_gradient(vla) -> set[str]:
    """Parts in which at least one parameter has a gradient that is not all zero."""
    for parameter in vla.parameters():
        parameter.requires_grad_(parameter.grad is not None and bool(parameter.grad.abs().sum() > 0))
    return {count.part for count in trainable_table(vla) if count.trainable}


@torch.no_grad()
def test_streaming_frame_by_frame_equals_the_windowed_forward(tiny_folder, spec, make_batch):
    vla = build_vla(tiny_folder, SMALL, spec).eval()
    batch = make_batch(2, 4, 3)
    window = vla(batch)
    stream = vla.init_stream(2)
    for t in range(4):
        images = {name: image[:, t] for name, image in batch.images.items()}
        stream, streamed = vla.step(stream, images, batch.state[:, t], batch.sentences)
        torch.testing.assert_close(streamed.pose, window.pose[:, t], atol=1e-5, rtol=0)
        torch.testing.assert_close(streamed.gripper, window.gripper[:, t], atol=1e-5, rtol=0)


def test_full_tuning_reaches_every_part(tiny_folder, spec, make_batch):
    vla = build_vla(tiny_folder, SMALL, spec).train()
    batch = make_batch(2, 4, 3)
    vla.loss(batch).total.backward()
    assert all(parameter.grad is not None for parameter in vla.parameters())
    assert parts_with_gradient(vla) == set(PARTS)


def test_frozen_tuning_reaches_only_what_was_added(tiny_folder, spec, make_batch):
    vla = build_vla(tiny_folder, dataclasses.replace(SMALL, tuning=Tuning(mode="frozen")), spec).train()
    assert not vla.vlm.training
    batch = make_batch(2, 4, 3)
    vla.loss(batch).total.backward()
    assert parts_with_gradient(vla) == set(ADDED)


def test_lora_reaches_adapters_in_vision_projector_and_decoder(tiny_folder, spec, make_batch):
    tuning = Tuning(mode="lora", lora_rank=2, lora_dropout=0.0)
    vla = build_vla(tiny_folder, dataclasses.replace(SMALL, tuning=tuning), spec).train()
    trainable = {name for name, parameter in vla.vlm.named_parameters() if parameter.requires_grad}
    assert trainable and all("lora_" in name for name in trainable)
    batch = make_batch(2, 4, 3)
    vla.loss(batch).total.backward()
    assert parts_with_gradient(vla) == set(PARTS) - {"text_embedding"}


@torch.no_grad()
def test_lora_starts_as_the_plain_vlm(tiny_folder, spec, make_batch):
    batch = make_batch(1, 4, 3)
    plain = build_vla(tiny_folder, SMALL, spec, seed=3).eval()
    tuned = build_vla(tiny_folder, dataclasses.replace(SMALL, tuning=Tuning(mode="lora")), spec, seed=3).eval()
    tuned.head.load_state_dict(plain.head.state_dict())
    tuned.tokens.load_state_dict(plain.tokens.state_dict())
    torch.testing.assert_close(tuned(batch).pose, plain(batch).pose, atol=1e-6, rtol=0)


def test_every_parameter_is_counted_once_in_the_table(tiny_folder, spec):
    vla = build_vla(tiny_folder, SMALL, spec)
    table = trainable_table(vla)
    assert tuple(count.part for count in table) == PARTS
    assert sum(count.total for count in table) == sum(parameter.numel() for parameter in vla.parameters())
    assert all(count.total > 0 for count in table)


def test_one_batch_can_be_overfitted(tiny_folders, spec, make_batch):
    config = VLAConfig(window_size=8, chunk_size=10, head=LSTMHeadConfig(hidden=128), shift_px={})
    vla = build_vla(tiny_folders["kosmos2"], config, spec).train()
    batch = make_batch(1, 8, 10)
    optimizer = torch.optim.AdamW(vla.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=250)
    losses = []
    for _ in range(250):
        loss = vla.loss(batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 * losses[0]


@pytest.mark.parametrize("config", CHANGING, ids=["shifts", "colours", "other windows"])
def test_training_changes_images_and_evaluation_does_not(config, tiny_folders, spec, make_batch):
    vla = build_vla(tiny_folders["smolvlm"], config, spec)
    batch = make_batch(2, 4, 3)
    with torch.no_grad():
        vla.eval()
        assert torch.equal(vla(batch).pose, vla(batch).pose)
        vla.train()
        assert not torch.equal(vla(batch).pose, vla(batch).pose)


@pytest.mark.parametrize("config", CHANGING, ids=["shifts", "colours", "other windows"])
def test_the_frames_of_a_window_change_alike(config, tiny_folders, spec, make_batch):
    vla = build_vla(tiny_folders["smolvlm"], config, spec).train()
    batch = make_batch(2, 4, 3)
    still = {name: image[:, :1].expand_as(image) for name, image in batch.images.items()}
    seen = []
    vla.vlm.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[2].unflatten(0, (2, 4))))
    vla(dataclasses.replace(batch, images=still))
    assert (seen[0] == seen[0][:, :1]).all()


def test_images_are_mixed_for_the_camera_that_was_named_alone(tiny_folders, spec, make_batch):
    config = dataclasses.replace(SMALL, shift_px={}, cut_mix={"gripper": 1.0})
    vla, batch, seen = build_vla(tiny_folders["smolvlm"], config, spec), make_batch(2, 4, 3), []
    vla.vlm.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[2]))
    vla.eval()(batch)
    vla.train()(batch)
    changed = (seen[0] != seen[1]).flatten(2).any(2).any(0)
    assert dict(zip(config.cameras, changed.tolist(), strict=True)) == {"static": False, "gripper": True}


@pytest.mark.parametrize(
    ("mix", "message"),
    [({"wrist": 0.5}, "no camera 'wrist' among static, gripper"), ({"static": 1.5}, "share of 'static' is 1.5")],
)
def test_a_mix_that_makes_no_sense_is_refused(mix, message):
    with pytest.raises(VlasyncError, match=message):
        VLAConfig(cut_mix=mix)


def test_a_perfect_prediction_decodes_to_the_demonstrated_actions(tiny_folders, spec, make_batch):
    vla = build_vla(tiny_folders["smolvlm"], SMALL, spec)
    batch = make_batch(2, 4, 3)
    half, centre = 0.7, -0.1  # of the bounds -0.8..0.6
    prediction = ChunkPrediction(pose=(batch.actions[..., :6] - centre) / half, gripper=batch.actions[..., 6] * 20.0)
    torch.testing.assert_close(vla.decode(prediction), batch.actions, atol=1e-6, rtol=0)
    assert chunk_loss(prediction, vla.target(batch), vla.config.loss).total.item() < 1e-6


def test_the_spec_of_a_vla_says_what_the_model_sees(tiny_folders, spec):
    vla = build_vla(tiny_folders["smolvlm"], dataclasses.replace(SMALL, latent=2), spec)
    assert vla.spec.image_transform is not None and vla.spec.image_transform.height == 32
    assert vla.spec.tokens is not None and vla.spec.tokens.latent == 2
    assert spec.difference(vla.spec) == []


def test_equal_seeds_give_equal_weights(tiny_folders, spec):
    first, second, other = (build_vla(tiny_folders["smolvlm"], SMALL, spec, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.tokens.embeddings, second.tokens.embeddings)
    assert not torch.equal(first.tokens.embeddings, other.tokens.embeddings)


def test_a_camera_that_the_data_lacks_is_named(tiny_folders, spec):
    with pytest.raises(VlasyncError, match=r"wrist.*gripper"):
        build_vla(tiny_folders["smolvlm"], dataclasses.replace(SMALL, cameras=("static", "wrist")), spec)


def test_missing_or_foreign_statistics_are_refused(tiny_folders, spec):
    with pytest.raises(SpecMismatchError, match="normalization"):
        build_vla(tiny_folders["smolvlm"], SMALL, spec.replace(normalization=None))
    with pytest.raises(SpecMismatchError, match="fitted"):
        build_vla(tiny_folders["smolvlm"], SMALL, spec.replace(action_frame="tcp"))
