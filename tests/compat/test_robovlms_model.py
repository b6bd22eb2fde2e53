"""A whole RoboVLMs model against what RoboVLMs itself computed: images, tokens, embeddings, losses, actions."""

import json

import pytest
import torch

from vlasync.compat.robovlms.batch import batch_rows, embed_batch
from vlasync.compat.robovlms.names import weights_by_our_names
from vlasync.models.chunks import ChunkTarget

SENTENCES = ("push the red block to the left", "open the drawer")  # 15 and 11 tokens
CPU = torch.device("cpu")


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def pixels(vla, given):
    """Images in the order of the prompt, `[B, W, I, 3, h, w]`."""
    return torch.stack([given["vision_x" if name == "static" else "vision_gripper"] for name in vla.config.cameras], 2)


def windows(vla, given):
    """Action embeddings `[B, W, n, D]` of both windows, with [LRN] where the original's training has it."""
    images = pixels(vla, given)
    sentences = [sentence for sentence in SENTENCES for _ in range(images.shape[1])]
    return embed_batch(vla, images.flatten(0, 1), sentences).unflatten(0, images.shape[:2])


def alone(vla, images, sentence):
    """Action embeddings `[N, n, D]` of N frames of one sentence, as a VLA has them."""
    rows = vla.tokens.assemble([sentence] * len(images), CPU)
    with vla.tokens.inserted(vla.tokens.values(torch.zeros(len(images), 0))):
        hidden = vla.vlm(rows.fields, rows.attention_mask, images)
    return rows.read(hidden)


@torch.no_grad()
def test_image_features_are_its(golden, arrays):
    _, vla = golden
    theirs = arrays("output")["image_features"]  # of two frames of each window
    frames = arrays("input")["vision_x"][:, :2].flatten(0, 1)
    close(vla.vlm.model.get_image_features(frames).pooler_output, theirs.flatten(0, 1))


def test_texts_are_its(golden, arrays):
    _, vla = golden
    given = arrays("input")
    for row, sentence in enumerate(SENTENCES):
        theirs = given["lang_x"][row][given["attention_mask"][row].bool()].tolist()
        fields = vla.tokens.assemble([sentence], CPU).fields
        places = fields["image_embeds_position_mask"][0].bool()
        ours = fields["input_ids"][0][~places].tolist()
        assert [*ours[:-1], vla.vlm.tokenizer.eos_token_id] == theirs
        assert places.sum() == 8 * len(vla.config.cameras)


@torch.no_grad()
def test_embeddings_of_words_are_its(golden, arrays):
    _, vla = golden
    close(vla.vlm.token_embedding(arrays("input")["lang_x"]), arrays("output")["word_embeddings"])


@torch.no_grad()
def test_action_embeddings_and_actions_of_a_batch_are_its(golden, arrays):
    name, vla = golden
    theirs = arrays("output")
    embeddings = windows(vla, arrays("input"))
    close(embeddings, theirs[f"{name}_action_hs"])
    prediction = vla.head(embeddings)
    close(prediction.pose, theirs[f"{name}_actions"])
    close(prediction.gripper, theirs[f"{name}_gripper"].squeeze(-1))


def chunks(given):
    """The demonstrated chunks of both windows."""
    return ChunkTarget(
        pose=given["arm_label"], gripper_open=given["gripper_label"].bool(), mask=given["action_mask"].bool()
    )


@torch.no_grad()
def test_losses_and_share_of_right_grippers_are_its(golden, arrays):
    name, vla = golden
    given, theirs = arrays("input"), arrays("output")
    target, embeddings = chunks(given), windows(vla, given)
    loss = vla.head.loss(embeddings, target, vla.config.loss)
    close(loss.pose, theirs[f"{name}_loss_arm_act"])
    close(loss.gripper, theirs[f"{name}_loss_gripper_act"])
    close(loss.pose + loss.gripper, theirs[f"{name}_loss"])
    close(loss.total, theirs[f"{name}_trainer_loss"])
    right = (vla.head(embeddings).gripper > 0) == target.gripper_open
    close(right[target.mask].float().mean(), theirs[f"{name}_acc_gripper_act"])


def test_gradients_of_every_weight_have_its_norms(golden, arrays, kosmos):
    name, vla = golden
    if name == "hand":
        pytest.skip("recorded for the static camera")
    given = arrays("input")
    vla.head.loss(windows(vla, given), chunks(given), vla.config.loss).total.backward()
    recorded = json.loads((kosmos / "grad_norms.json").read_text())
    theirs = weights_by_our_names({key: torch.tensor(norm) for key, norm in recorded.items()})
    ours = {key: value.grad.norm() for key, value in vla.named_parameters()}
    vla.zero_grad()
    assert ours.keys() == theirs.keys() and len(ours) == 126
    for key, norm in theirs.items():
        # Sums in another order: float32 keeps 7 digits, of which millions of additions cost one. What a key's bias adds
        # is equal for all places, and softmax takes it out again: its true gradient is 0, and 1e-11 is rounding.
        torch.testing.assert_close(ours[key], norm, rtol=1e-5, atol=1e-9, msg=key)


@torch.no_grad()
def test_twelve_streamed_frames_are_its(golden, arrays):
    name, vla = golden
    theirs = arrays("output")
    images = pixels(vla, arrays("input"))[0]
    embeddings = alone(vla, torch.cat([images, images])[:12], SENTENCES[0])
    stream = vla.init_stream(1)
    for step, embedding in enumerate(embeddings):
        stream, prediction = vla.head.step(stream, embedding[None])
        close(prediction.pose, theirs[f"{name}_stream_actions"][step, 0])
        close(prediction.gripper, theirs[f"{name}_stream_gripper"][step, 0].squeeze(-1))


@torch.no_grad()
def test_a_sentence_alone_is_its_and_its_batch_mates_change_it(golden, arrays):
    name, vla = golden
    if name == "hand":
        pytest.skip("recorded for the static camera")
    theirs = arrays("output")
    texts, mask = theirs["short_text_alone_lang_x"], theirs["short_text_alone_mask"]
    assert mask.all() and torch.equal(
        texts[0], arrays("input")["lang_x"][1][arrays("input")["attention_mask"][1].bool()]
    )
    embeddings = alone(vla, pixels(vla, arrays("input"))[1], SENTENCES[1])
    prediction = vla.head(embeddings[None])
    close(prediction.pose, theirs["short_text_alone_actions"])
    change = (prediction.pose - theirs["static_actions"][1:]).abs().max()
    assert change == pytest.approx(0.0341, abs=1e-4)  # as its own notes have it


def test_only_shorter_texts_of_a_batch_have_their_action_token_behind_padding(golden):
    _, vla = golden
    rows = batch_rows(vla, SENTENCES, CPU)
    names = [vla.vlm.tokenizer.convert_ids_to_tokens(ids) for ids in rows.fields["input_ids"]]
    assert names[0][-2:] == ["<|lrn_0|>", "</s>"]
    assert names[1][-7:] == ["drawer", "</s>", "<pad>", "<pad>", "<pad>", "<|lrn_0|>", "<pad>"]
    assert rows.attention_mask[1, -7:].tolist() == [1, 1, 0, 0, 0, 1, 0]
