import dataclasses

import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.folder import load_vla, save_vla
from vlasync.models.heads.kinds import HEADS, head_config
from vlasync.models.vla import VLAConfig, build_vla

HISTORIES = ("policy_head", "interleaved", "one_step")
SMALL = VLAConfig(window_size=3, chunk_size=2, shift_px={})
SIZES = {
    "fc": {"hidden": 16},
    "lstm": {"hidden": 16, "layers": 1},
    "gpt": {"hidden": 16, "layers": 1, "attention_heads": 2},
    "discrete": {"hidden": 16, "layers": 1, "attention_heads": 2, "bins": 16},
    "flow": {"hidden": 16, "layers": 1, "attention_heads": 2, "steps": 2, "blocks": 1},
}


def build(folders, spec, *, family="kosmos2", head="lstm", **settings):
    config = dataclasses.replace(SMALL, head=head_config(head, **SIZES[head]), **settings)
    return build_vla(folders[family], config, spec).eval()


def stream(vla, batch):
    """Predicted poses `[B, T, K, P]` of all frames, given one by one."""
    state, poses = vla.init_stream(len(batch.sentences)), []
    for t in range(batch.state.shape[1]):
        images = {name: image[:, t] for name, image in batch.images.items()}
        state, prediction = vla.step(state, images, batch.state[:, t], batch.sentences)
        poses.append(prediction.pose)
    return torch.stack(poses, dim=1)


def frames(batch, part):
    return dataclasses.replace(
        batch,
        images={name: image[:, part] for name, image in batch.images.items()},
        state=batch.state[:, part],
        actions=batch.actions[:, part],
        chunk_mask=batch.chunk_mask[:, part],
    )


def test_every_head_has_a_small_size():
    assert set(SIZES) == set(HEADS)


@pytest.mark.parametrize("readout", ["lrn", "pooled"])
@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("head", SIZES)
@torch.no_grad()
def test_streaming_equals_windowed_before_and_after_the_window_is_full(
    head, history, readout, tiny_folders, spec, make_batch
):
    vla = build(tiny_folders, spec, head=head, history=history, readout=readout, latent=2)
    batch = make_batch(2, 5, 2)
    streamed = stream(vla, batch)
    whole = vla(frames(batch, slice(0, 3))).pose
    torch.testing.assert_close(streamed[:, :3], whole, atol=1e-5, rtol=0)
    for last in (3, 4):
        window = vla(frames(batch, slice(last - 2, last + 1))).pose[:, -1]
        torch.testing.assert_close(streamed[:, last], window, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["kosmos2", "smolvlm"])
@pytest.mark.parametrize(("history", "looks_back"), [("policy_head", True), ("interleaved", True), ("one_step", False)])
@torch.no_grad()
def test_frames_are_read_in_the_light_of_earlier_ones_alone(
    history, looks_back, family, tiny_folders, spec, make_batch
):
    vla = build(tiny_folders, spec, family=family, history=history)
    batch = make_batch(1, 3, 2)
    images = {name: image.clone() for name, image in batch.images.items()}
    images["gripper"][:, 1] = 255 - images["gripper"][:, 1]
    moved = (vla(dataclasses.replace(batch, images=images)).pose - vla(batch).pose).abs().amax((0, 2, 3))
    assert moved[0] <= 1e-6 < moved[1]
    assert (moved[2] > 1e-6) == looks_back


@pytest.mark.parametrize("history", HISTORIES)
def test_the_loss_reaches_everything(history, tiny_folders, spec, make_batch):
    vla = build(tiny_folders, spec, history=history, latent=2).train()
    vla.loss(make_batch(2, 3, 2)).total.backward()
    assert [name for name, weight in vla.named_parameters() if weight.grad is None] == []


@torch.no_grad()
def test_an_interleaved_window_does_not_depend_on_its_batch_mates(tiny_folders, spec, make_batch):
    vla = build(tiny_folders, spec, history="interleaved", readout="pooled", latent=3)
    batch = make_batch(3, 3, 2)
    together = vla.embed_windows(batch.images, batch.state, batch.sentences)
    for row in range(3):
        images = {name: image[row : row + 1] for name, image in batch.images.items()}
        alone = vla.embed_windows(images, batch.state[row : row + 1], batch.sentences[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0)


def test_a_vlm_that_reads_its_prompt_in_both_directions_is_refused(tiny_folders, spec):
    with pytest.raises(VlasyncError, match=r"interleaved.*paligemma.*policy_head"):
        build(tiny_folders, spec, family="paligemma", history="interleaved")


@torch.no_grad()
def test_a_saved_vla_keeps_history_and_readout(tiny_folders, spec, make_batch, tmp_path):
    vla = build(tiny_folders, spec, history="interleaved", readout="pooled")
    save_vla(vla, tmp_path / "vla")
    loaded = load_vla(tmp_path / "vla")
    batch = make_batch(1, 3, 2)
    assert loaded.config == vla.config and loaded.spec == vla.spec
    assert torch.equal(loaded(batch).pose, vla(batch).pose)


@torch.no_grad()
def test_pooling_takes_the_maximum_over_equal_stretches(tiny_folders, spec):
    vla = build(tiny_folders, spec, readout="pooled", latent=3)
    rows = vla.tokens.assemble(
        ["open the drawer", "push the red block to the left side of the table"], torch.device("cpu")
    )
    hidden = torch.randn(*rows.attention_mask.shape, 4)
    for row, mask in enumerate(rows.attention_mask.bool()):
        own = torch.nn.functional.adaptive_max_pool1d(hidden[row, mask].T, 3).T
        assert torch.equal(rows.read(hidden)[row], own)


@torch.no_grad()
def test_the_images_of_a_frame_pass_the_vision_tower_once(tiny_folders, spec, make_batch):
    vla = build(tiny_folders, spec, family="smolvlm", history="interleaved")
    seen = []
    vla.vlm.model.vision_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(kwargs["pixel_values"] if "pixel_values" in kwargs else args[0])),
        with_kwargs=True,
    )
    stream(vla, make_batch(2, 5, 2))
    assert seen == [2 * len(vla.config.cameras)] * 5
