"""A VLM's own prompt cut into pieces, so that the images of many frames can follow one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from vlasync.errors import VlasyncError
from vlasync.models.prompt import PromptTokens, joined

WritePrompt = Callable[[str, int], PromptTokens]
"""Sentence and number of images -> the prompt."""


@dataclass(frozen=True, kw_only=True)
class PromptPieces:
    """What a prompt consists of, in the order in which frames can be added at its end.

    Attributes:
        text: the sentence with what stands before it, without images.
        images: the places of one frame's images with the marks around them.
    """

    text: PromptTokens
    images: PromptTokens


def cut_prompt(write: WritePrompt, sentence: str, num_images: int) -> PromptPieces:
    """Find the pieces by comparing prompts: one more image adds an image, another sentence another text.

    What closes a prompt behind its sentence, such as the mark of an answer, is left out: frames take its place.

    Args:
        write: the VLM's own prompt.
        sentence: the instruction.
        num_images: of one frame.

    Raises:
        VlasyncError: a further image is not written as those before it.
    """
    prompt, longer = write(sentence, num_images), write(sentence, num_images + 1)
    image = len(longer) - len(prompt)  # tokens of one image, with what parts it from the next
    start = len(prompt) - _common(prompt, longer, from_end=True)
    stop = min(_common(prompt, longer), start + num_images * image)
    if not _repeats(prompt, longer, start, stop, num_images):
        raise VlasyncError(
            f"history 'interleaved': the processor writes {num_images + 1} images in another way than one more behind "
            f"{num_images}: frames cannot follow one another; use 'policy_head'"
        )
    closing = min(_common(prompt, write("", num_images), from_end=True), len(prompt) - stop)
    text = joined([prompt.part(0, start), prompt.part(stop, len(prompt) - closing)])
    return PromptPieces(text=text, images=prompt.part(start, stop))


def _repeats(prompt: PromptTokens, longer: PromptTokens, start: int, stop: int, num_images: int) -> bool:
    """Whether `longer` is `prompt` with its images, which stand from `start` to `stop`, once more repeated."""
    image = len(longer) - len(prompt)
    added = longer.part(start, start + image)
    return (
        (num_images - 1) * image < stop - start
        and _equal(longer, joined([prompt.part(0, start), added, prompt.part(start, len(prompt))]))
        and (num_images == 1 or _equal(added, prompt.part(start, start + image)))
    )


def _common(one: PromptTokens, other: PromptTokens, *, from_end: bool = False) -> int:
    """How many tokens two prompts share from their beginning, or from their end."""
    shorter = min(len(one), len(other))
    ours, theirs = (prompt.fields["input_ids"] for prompt in (one, other))
    if from_end:
        ours, theirs = ours.flip(0), theirs.flip(0)
    return int((ours[:shorter] == theirs[:shorter]).long().cumprod(0).sum())


def _equal(one: PromptTokens, other: PromptTokens) -> bool:
    return len(one) == len(other) and all(torch.equal(value, other.fields[name]) for name, value in one.fields.items())
