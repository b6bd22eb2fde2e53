import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from vlasync.errors import VlasyncError
from vlasync.models.tiny import TinySize, build_tiny_vlm

SIZE = TinySize(image_size=16, patch_size=8, hidden=16, vision_layers=1, text_layers=1, heads=2)


def test_auto_classes_load_the_folder_with_a_head_that_matches_the_tokenizer(tiny_folder):
    model = AutoModelForImageTextToText.from_pretrained(tiny_folder)
    processor = AutoProcessor.from_pretrained(tiny_folder)
    assert model.get_input_embeddings().weight.shape[0] >= len(processor.tokenizer)


def test_any_text_survives_the_tokenizer(tiny_folder):
    tokenizer = AutoProcessor.from_pretrained(tiny_folder).tokenizer
    for text in ("open the drawer", "Öffne die Schublade!", "서랍을 열어"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text


def test_equal_arguments_give_equal_files_and_leave_the_random_state_alone(tmp_path):
    before = torch.random.get_rng_state()
    first, second = (build_tiny_vlm("smolvlm", tmp_path / name, corpus=["open it"], size=SIZE) for name in "ab")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_seed_gives_other_weights(tmp_path):
    first, second = (
        build_tiny_vlm("smolvlm", tmp_path / str(seed), corpus=["open it"], size=SIZE, seed=seed) for seed in (0, 1)
    )
    assert (first / "model.safetensors").read_bytes() != (second / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "change", [{"patch_size": 5}, {"heads": 3}, {"pixel_shuffle": 3}], ids=["patches", "heads", "shuffle"]
)
def test_sizes_that_do_not_divide_are_refused(change):
    with pytest.raises(VlasyncError, match=r"multiple|divide"):
        TinySize(**{"image_size": 16, "patch_size": 8, **change})


def test_unknown_family_lists_the_known_ones(tmp_path):
    with pytest.raises(VlasyncError, match="smolvlm, paligemma, kosmos2"):
        build_tiny_vlm("gpt", tmp_path, corpus=["a"], size=SIZE)
