import dataclasses

import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.folder import load_vla, save_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.layout import PromptLayout
from vlasync.models.sequence import ActionTokens
from vlasync.models.vla import VLAConfig, build_vla
from vlasync.models.vlm import VLM
from vlasync.spec import TokenLayout

CPU = torch.device("cpu")


def words(vlm, layout, sentence, num_images=1):
    tokens = ActionTokens(vlm, latent=1, num_images=num_images, state=None, prompt=layout)
    return vlm.tokenizer.convert_ids_to_tokens(tokens.assemble([sentence], CPU).fields["input_ids"][0])


def test_parts_stand_in_their_order_and_the_images_without_marks(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder)
    text = vlm.tokenizer.tokenize("push it")
    forward = words(vlm, PromptLayout(), " push it\n", num_images=2)
    backward = words(vlm, PromptLayout(parts=("text", "images"), text="do: {sentence}"), "push it", num_images=2)
    assert forward[0] == vlm.tokenizer.bos_token and forward[-1] == backward[-1] == "<|lrn_0|>"
    assert forward[-1 - len(text) : -1] == text
    images = forward[1 : -1 - len(text)]
    assert backward == [*vlm.tokenizer.tokenize("do: push it"), *images, "<|lrn_0|>"]
    assert len(images) == 2 * len(words(vlm, PromptLayout(), "push it")[1 : -1 - len(text)]) > 2


@torch.no_grad()
def test_each_image_is_read_from_its_places(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder).eval()
    tokens = ActionTokens(vlm, latent=1, num_images=2, state=None, prompt=PromptLayout())
    rows = tokens.assemble(["open it"], CPU)
    pixels = torch.randn(1, 2, 3, 32, 32)
    with tokens.inserted(tokens.values(torch.zeros(1, 0))):
        one, two = (vlm(rows.fields, rows.attention_mask, images) for images in (pixels, pixels.flip(1)))
    assert (one - two)[0, rows.places[0].squeeze(-1)].abs().max() > 1e-6


@torch.no_grad()
def test_a_saved_vla_keeps_its_prompt(tiny_folder, spec, make_batch, tmp_path):
    config = VLAConfig(
        window_size=2,
        chunk_size=3,
        head=LSTMHeadConfig(hidden=8, layers=1),
        prompt=PromptLayout(parts=("text", "images"), text="do: {sentence}"),
    )
    vla = build_vla(tiny_folder, config, spec).eval()
    save_vla(vla, tmp_path / "vla")
    loaded = load_vla(tmp_path / "vla")
    assert loaded.config == config and loaded.spec.tokens == TokenLayout(layout="text images [state] [LRN]", latent=1)
    batch = make_batch(2, 2, 3)
    assert torch.equal(loaded(batch).pose, vla(batch).pose)
    other = build_vla(tiny_folder, dataclasses.replace(config, prompt=None), spec).eval()
    assert not torch.equal(other(batch).pose, vla(batch).pose)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": ("bos", "text")}, "'images' and 'text' once"),
        ({"parts": ("text", "images", "text")}, "'images' and 'text' once"),
        ({"text": "do it"}, r"\{sentence\} in it once"),
    ],
)
def test_impossible_layouts_are_refused(settings, message):
    with pytest.raises(VlasyncError, match=message):
        PromptLayout(**settings)
