import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.vlm import VLM


def test_no_vocabulary_head_is_kept(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder)
    assert not [name for name, _ in vlm.named_parameters() if "lm_head" in name]


@torch.no_grad()
@pytest.mark.parametrize(("family", "num_images"), [("smolvlm", 2), ("paligemma", 2), ("kosmos2", 1)])
def test_hidden_states_are_those_of_model_and_processor_called_directly(tiny_folders, family, num_images):
    vlm = VLM.from_pretrained(tiny_folders[family]).eval()
    images = list(torch.randint(0, 256, (num_images, 32, 32, 3), dtype=torch.uint8).numpy())
    direct = call_processor(vlm, family, images)
    expected = vlm.model(**direct).last_hidden_state
    fields = {name: value[None] for name, value in vlm.prompt("open the drawer", num_images).fields.items()}
    pixels = direct["pixel_values"].reshape(1, num_images, 3, 32, 32)
    torch.testing.assert_close(vlm(fields, direct["attention_mask"], pixels), expected, atol=1e-6, rtol=0)


def call_processor(vlm, family, images):
    """The processor as its model's documentation calls it."""
    match family:
        case "smolvlm":
            content = [{"type": "image"}] * len(images) + [{"type": "text", "text": "open the drawer"}]
            turn = [{"role": "user", "content": content}]
            text = vlm.processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
            return vlm.processor(images=[images], text=[text], return_tensors="pt")
        case "paligemma":
            encoded = vlm.processor(images=[images], text=["<image><image>open the drawer"], return_tensors="pt")
            del encoded["labels"]
            return encoded
        case _:
            places = vlm.model.config.latent_query_num
            return vlm.processor(images=images[0], text="open the drawer", num_image_tokens=places, return_tensors="pt")


def test_each_image_has_its_places_in_the_prompt(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder)
    one, two, three = (len(vlm.prompt("open the drawer", count)) for count in (1, 2, 3))
    assert three - two == two - one > 0


def test_kosmos_prompt_repeats_the_image_block_before_the_sentence(tiny_folders):
    vlm = VLM.from_pretrained(tiny_folders["kosmos2"])
    fields = vlm.prompt("open the drawer", 2).fields
    tokens = vlm.tokenizer.convert_ids_to_tokens(fields["input_ids"])
    mask = fields["image_embeds_position_mask"]
    assert mask.sum() == 2 * vlm.model.config.latent_query_num
    assert tokens.count("<image>") == tokens.count("</image>") == 2
    assert tokens.index("<image>") == 1
    assert int(mask.nonzero().max()) < len(tokens) - 1


@pytest.mark.parametrize("camera", [0, 1])
def test_every_image_reaches_the_end_of_the_prompt(tiny_folder, camera):
    vlm = VLM.from_pretrained(tiny_folder).eval()
    fields = {name: value[None] for name, value in vlm.prompt("open the drawer", 2).fields.items()}
    pixels = torch.randn(1, 2, 3, 32, 32)
    changed = pixels.clone()
    changed[:, camera] = torch.randn(3, 32, 32)
    mask = torch.ones_like(fields["input_ids"])
    assert not torch.allclose(vlm(fields, mask, pixels)[:, -1], vlm(fields, mask, changed)[:, -1], atol=1e-4)


def test_the_order_of_the_images_matters(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder).eval()
    fields = {name: value[None] for name, value in vlm.prompt("open the drawer", 2).fields.items()}
    pixels = torch.randn(1, 2, 3, 32, 32)
    mask = torch.ones_like(fields["input_ids"])
    assert not torch.allclose(vlm(fields, mask, pixels)[:, -1], vlm(fields, mask, pixels.flip(1))[:, -1], atol=1e-5)


def test_a_folder_without_a_model_is_one_clear_error(tmp_path):
    with pytest.raises(VlasyncError, match=str(tmp_path)):
        VLM.from_pretrained(tmp_path)
