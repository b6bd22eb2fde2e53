"""What trains under each tuning, and that nothing else does."""

import sys

import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.parts import decoder_layers, trainable_table, vlm_parts
from vlasync.models.tuning import Tuning, apply_tuning, merge_lora
from vlasync.models.vlm import VLM
from vlasync.testing.vlm import check_vla, small_vla

TUNINGS = {
    "full": Tuning(),
    "without vision": Tuning(parts=("projector", "text_embedding", "decoder")),
    "text embedding alone": Tuning(parts=("text_embedding",)),
    "last layer": Tuning(parts=("decoder",), decoder_layers=1),
    "lora": Tuning(mode="lora", lora_rank=2),
    "lora in the decoder": Tuning(mode="lora", parts=("decoder",), lora_rank=2),
    "frozen": Tuning(mode="frozen"),
}


def trains(vlm: VLM) -> set[str]:
    return {name for name, parameter in vlm.model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("tuning", TUNINGS.values(), ids=TUNINGS)
def test_gradients_reach_what_the_tuning_names_and_nothing_else(tiny_folder, tuning):
    vla = small_vla(VLM.from_pretrained(tiny_folder), tuning)
    (result,) = check_vla(vla, ["gradients"])
    assert result.passed, result
    parts = set(tuning.parts) if tuning.mode != "frozen" else set()
    trainable = {count.part for count in trainable_table(vla) if count.trainable}
    assert trainable == (parts - {"text_embedding"} if tuning.adapts else parts) | {"[LRN]", "state", "head"}


@pytest.mark.parametrize(("train", "words"), [(True, "astray in: vision"), (False, "none in: decoder")])
def test_the_clause_notices_what_trains_beside_the_tuning(tiny_folders, train, words):
    vla = small_vla(VLM.from_pretrained(tiny_folders["smolvlm"]), Tuning(parts=("decoder",)))
    for name, part in vlm_parts(vla.vlm).items():
        if part == ("vision" if train else "decoder"):
            vla.vlm.model.get_parameter(name).requires_grad_(train)
    (result,) = check_vla(vla, ["gradients"])
    assert not result.passed and result.measured == words


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_the_last_decoder_layers_are_those_at_the_end(tiny_folder, mode):
    vlm = VLM.from_pretrained(tiny_folder)
    layers = decoder_layers(vlm)
    assert len(layers) == 2
    apply_tuning(vlm, Tuning(mode=mode, parts=("decoder",), decoder_layers=1))
    assert trains(vlm) and all(name.startswith(f"{layers[1]}.") for name in trains(vlm))


def test_more_decoder_layers_than_there_are_is_one_clear_error(tiny_folders):
    with pytest.raises(VlasyncError, match=r"decoder_layers: got 3, but the decoder has 2"):
        apply_tuning(VLM.from_pretrained(tiny_folders["smolvlm"]), Tuning(decoder_layers=3))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mode": "lorra"}, r"tuning\.mode: got 'lorra', expected one of full, lora, qlora, frozen"),
        ({"lora_rank": 8}, r"tuning\.lora_rank: got 8, without effect under mode 'full', only under lora, qlora"),
        ({"mode": "frozen", "parts": ("vision",)}, r"tuning\.parts: .* without effect under mode 'frozen'"),
        ({"parts": ()}, r"tuning\.parts: got \(\), expected some of vision, .*; for none use mode 'frozen'"),
        ({"parts": ("tower",)}, r"tuning\.parts: got \('tower',\)"),
        ({"decoder_layers": 0}, r"tuning\.decoder_layers: got 0"),
        ({"parts": ("vision",), "decoder_layers": 2}, r"tuning\.decoder_layers: .* decoder among the parts"),
        ({"mode": "lora", "lora_rank": 0}, r"tuning\.lora_rank: got 0, expected 1 or more"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(settings, words):
    with pytest.raises(VlasyncError, match=words):
        Tuning(**settings)


def test_updates_where_there_is_no_linear_layer_are_refused(tiny_folders):
    with pytest.raises(VlasyncError, match="text_embedding of this VLM hold no linear layer"):
        apply_tuning(VLM.from_pretrained(tiny_folders["smolvlm"]), Tuning(mode="lora", parts=("text_embedding",)))


def test_merging_leaves_a_plain_model_of_the_same_names(tiny_folder):
    plain, vlm = VLM.from_pretrained(tiny_folder), VLM.from_pretrained(tiny_folder)
    apply_tuning(vlm, Tuning(mode="lora", lora_rank=2))
    merge_lora(vlm)  # the updates start as zero
    before, after = plain.state_dict(), vlm.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[name], after[name]) for name in before)
    assert trains(vlm) == trains(plain)


def test_four_bits_without_bitsandbytes_are_one_clear_error(tiny_folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(VlasyncError, match=r"bitsandbytes is not installed; pip install 'vlasync\[qlora\]'"):
        apply_tuning(VLM.from_pretrained(tiny_folders["smolvlm"]), Tuning(mode="qlora"))


def test_four_bits_of_random_weights_are_refused(tiny_folders):
    vlm = VLM.from_pretrained(tiny_folders["smolvlm"])
    vlm.missing_weights = ("connector.weight",)
    with pytest.raises(VlasyncError, match=r"1 weights of the VLM are random, first connector\.weight"):
        apply_tuning(vlm, Tuning(mode="qlora"))
