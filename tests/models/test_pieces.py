import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models.pieces import cut_prompt
from vlasync.models.prompt import PromptTokens
from vlasync.models.vlm import VLM

# A prompt of small numbers: 1 opens it, 2 stands for an image, 5 and more are words, 3 closes it.
WORDS = {"": [], "go": [5, 6]}


def write(image, *, between=(), around=(), opening=(1,), closing=(3,)):
    """A processor that writes `image` once per image, with `between` two of them and `around` all of them."""

    def tokens(sentence, num_images):
        images = [*image, *(list(between) + list(image)) * (num_images - 1)]
        ids = torch.tensor([*opening, *around, *images, *around, *WORDS[sentence], *closing])
        return PromptTokens(fields={"input_ids": ids, "image_mask": (ids == 2).long()})

    return tokens


@pytest.mark.parametrize("num_images", [1, 2, 3])
@pytest.mark.parametrize(
    ("processor", "text", "images"),
    [
        (write([8, 2, 2, 9]), [1, 5, 6], [[8, 2, 2, 9]] * 3),
        (write([2, 2], closing=()), [1, 5, 6], [[2, 2]] * 3),
        (write([8, 2, 9], between=[7], around=[4]), [1, 4, 4, 5, 6], [[8, 2, 9], *[[7, 8, 2, 9]] * 2]),
    ],
)
def test_a_prompt_becomes_its_text_and_its_images(processor, text, images, num_images):
    pieces = cut_prompt(processor, "go", num_images)
    assert pieces.text.fields["input_ids"].tolist() == text
    expected = [token for image in images[:num_images] for token in image]
    assert pieces.images.fields["input_ids"].tolist() == expected
    assert pieces.images.fields["image_mask"].tolist() == [int(token == 2) for token in expected]


def test_a_text_that_comes_first_stays_where_it_is():
    def text_first(sentence, num_images):
        return PromptTokens(fields={"input_ids": torch.tensor([1, *WORDS[sentence], *[2] * num_images, 3])})

    pieces = cut_prompt(text_first, "go", 2)
    assert [piece.fields["input_ids"].tolist() for piece in (pieces.text, pieces.images)] == [[1, 5, 6], [2, 2]]


def test_images_that_are_numbered_are_refused():
    def numbered(sentence, num_images):
        images = [token for number in range(num_images) for token in (10 + number, 2)]
        return PromptTokens(fields={"input_ids": torch.tensor([1, *images, *WORDS[sentence], 3])})

    with pytest.raises(VlasyncError, match="policy_head"):
        cut_prompt(numbered, "go", 2)


def test_the_pieces_of_a_real_prompt_hold_all_of_it(tiny_folder):
    vlm = VLM.from_pretrained(tiny_folder)
    prompt, pieces = vlm.prompt("open it", 2), cut_prompt(vlm.prompt, "open it", 2)
    assert pieces.text.fields.keys() == prompt.fields.keys()
    ids = [*pieces.text.fields["input_ids"].tolist(), *pieces.images.fields["input_ids"].tolist()]
    rest = prompt.fields["input_ids"].tolist()
    for token in ids:
        rest.remove(token)
    assert len(rest) < 12 and not set(rest) & set(pieces.images.fields["input_ids"].tolist())
