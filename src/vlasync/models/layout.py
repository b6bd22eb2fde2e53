"""A prompt in an order of one's own, for models that were trained with one; the rule is the VLM's own prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from vlasync.errors import VlasyncError
from vlasync.models.prompt import PromptTokens
from vlasync.models.quirks import image_block_of
from vlasync.models.vlm import VLM

Part = Literal["bos", "images", "text"]


@dataclass(frozen=True, kw_only=True)
class PromptLayout:
    """What stands before [LRN] in place of the VLM's own prompt.

    What follows [LRN] has no place here: a causal VLM does not read it before it has answered.

    Attributes:
        parts: `bos` is the tokenizer's token for the beginning of a text, `images` are the places of all images, in the
            order of the cameras and without marks around them, `text` is the text.
        text: with `{sentence}` where the sentence stands, less the blanks around it.
    """

    parts: tuple[Part, ...] = ("bos", "images", "text")
    text: str = "{sentence}"

    def __post_init__(self) -> None:
        if sorted(set(self.parts) - {"bos"}) != ["images", "text"] or len(set(self.parts)) != len(self.parts):
            raise VlasyncError(f"prompt.parts: got {self.parts}, expected 'images' and 'text' once, and perhaps 'bos'")
        if self.text.count("{sentence}") != 1:
            raise VlasyncError(f"prompt.text: got {self.text!r}, expected a text with {{sentence}} in it once")

    @property
    def words(self) -> str:
        """The order in words, for the SyncSpec."""
        return " ".join(self.parts)

    def tokens(self, vlm: VLM, sentence: str, num_images: int) -> PromptTokens:
        """The prompt of a VLM for a sentence and images.

        Token fields other than the ids hold at each image what they hold in the VLM's own prompt, and elsewhere what
        they hold there at the first token that is no image.
        """
        own = vlm.prompt("", num_images)
        places = _image_places(vlm, own)
        ids = {"bos": self._bos(vlm), "images": own.fields["input_ids"][places], "text": self._text(vlm, sentence)}
        fields = {"input_ids": torch.cat([ids[part] for part in self.parts])}
        for name in own.fields.keys() - fields.keys():
            value = own.fields[name]
            between = value[~places][0]
            fields[name] = torch.cat(
                [value[places] if part == "images" else between.expand(len(ids[part])) for part in self.parts]
            )
        return PromptTokens(fields=fields)

    def _bos(self, vlm: VLM) -> torch.Tensor:
        token = vlm.tokenizer.bos_token_id
        if token is None and "bos" in self.parts:
            raise VlasyncError(
                "prompt.parts: the VLM's tokenizer has no token for the beginning of a text; leave out bos"
            )
        return torch.tensor([] if token is None else [token], dtype=torch.long)

    def _text(self, vlm: VLM, sentence: str) -> torch.Tensor:
        text = self.text.replace("{sentence}", sentence.strip())
        return torch.tensor(vlm.tokenizer(text, add_special_tokens=False)["input_ids"], dtype=torch.long)


def _image_places(vlm: VLM, prompt: PromptTokens) -> torch.Tensor:
    """Which tokens of a prompt are places of images, `[L]` bool."""
    config = vlm.model.config
    if (block := image_block_of(config)) is not None:
        return prompt.fields[block.field] == block.value
    names = [name for name in ("image_token_id", "image_token_index") if hasattr(config, name)]
    if not names:
        raise VlasyncError(f"{type(config).__name__} names no image token; leave `prompt` at the VLM's own")
    return prompt.fields["input_ids"] == getattr(config, names[0])
