"""Every family keeps the contract, and the contract notices a VLM that does not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vlasync.models.quirks import QUIRKS
from vlasync.models.vlm import VLM
from vlasync.testing.families import FAMILIES, build_family
from vlasync.testing.vlm import CLAUSES, check_vlm
from vlasync.testing.vlm_history import REFUSED


def load(name: str, folder: Path) -> VLM:
    family = FAMILIES[name]
    if not family.available:
        pytest.skip(f"{family.images} needs {family.needs}")
    return VLM.from_pretrained(build_family(name, folder), image_size=family.image_size)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_keeps_the_contract(name, tmp_path):
    results = check_vlm(load(name, tmp_path))
    assert [result.clause for result in results] == list(CLAUSES)
    assert [str(result) for result in results if not result.passed] == []


@pytest.mark.parametrize("name", ["paligemma", "florence2"])
def test_a_family_that_reads_in_both_directions_is_refused_as_one_that_carries_history(name, tmp_path):
    (clause,) = [result for result in check_vlm(load(name, tmp_path)) if result.clause == "interleaved"]
    assert clause.measured.startswith(f"{REFUSED}history 'interleaved': {name} reads its prompt in both directions")


def test_a_quirk_belongs_to_a_family_that_is_tested():
    assert set(QUIRKS) <= set(FAMILIES)
    assert all(quirk.note for quirk in QUIRKS.values())


def leaks_backwards(vlm, forward):
    def broken(fields, attention_mask, pixel_values):
        hidden = forward(fields, attention_mask, pixel_values)
        return hidden + 0.01 * (hidden * attention_mask.unsqueeze(-1)).sum(1, keepdim=True)

    return broken


def counts_padding(vlm, forward):
    def broken(fields, attention_mask, pixel_values):
        return forward(fields, attention_mask, pixel_values) + 0.01 * attention_mask.shape[1]

    return broken


def sees_one_camera(vlm, forward):
    def broken(fields, attention_mask, pixel_values):
        return forward(fields, attention_mask, pixel_values[:, :1].expand_as(pixel_values))

    return broken


def forgets_the_order(vlm, forward):
    def broken(fields, attention_mask, pixel_values):
        return forward(fields, attention_mask, pixel_values.mean(1, keepdim=True).expand_as(pixel_values))

    return broken


def normalises_otherwise(vlm, forward):
    arguments = vlm.image_arguments
    vlm.image_arguments = lambda pixels: {name: value + 0.1 for name, value in arguments(pixels).items()}
    return forward


def teaches_no_vision(vlm, forward):
    for parameter in vlm.model.vision_tower.parameters():
        parameter.requires_grad_(False)
    return forward


def counts_images(vlm, forward):
    vlm.model.multi_modal_projector.register_forward_hook(lambda _, __, output: output + 0.01 * len(output))
    return forward


def depends_on_the_batch(vlm, forward):
    def broken(fields, attention_mask, pixel_values):
        return forward(fields, attention_mask, pixel_values) + 0.01 * len(pixel_values)

    return broken


def keeps_something_unsaved(vlm, forward):
    vlm.secret = 0.1
    return lambda *arguments: forward(*arguments) + vlm.secret


def overflows(vlm, forward):
    def broken(*arguments):
        hidden = forward(*arguments)
        return hidden * torch.inf if torch.is_autocast_enabled("cpu") else hidden

    return broken


def differs_when_checkpointed(vlm, forward):
    return lambda *arguments: forward(*arguments) * (2.0 if vlm.model.is_gradient_checkpointing else 1.0)


@pytest.mark.parametrize(
    ("breakage", "clauses"),
    [
        (leaks_backwards, {"prompt"}),
        (counts_padding, {"padding"}),
        (sees_one_camera, {"cameras", "interleaved"}),
        (forgets_the_order, {"cameras"}),
        (normalises_otherwise, {"pixels"}),
        (teaches_no_vision, {"gradients"}),
        (counts_images, {"padding", "interleaved"}),
        (depends_on_the_batch, {"padding", "streaming"}),
        (keeps_something_unsaved, {"folder"}),
        (overflows, {"bfloat16"}),
        (differs_when_checkpointed, {"checkpointing"}),
    ],
)
def test_a_broken_vlm_is_noticed(breakage, clauses, tmp_path):
    vlm = load("llava", tmp_path)
    vlm.forward = breakage(vlm, vlm.forward)
    failed = {result.clause for result in check_vlm(vlm) if not result.passed}
    assert clauses <= failed


def test_weights_that_are_not_there_are_noticed(tmp_path):
    load("llava", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name in weights if "projector" in name)
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    failed = {result.clause: result for result in check_vlm(VLM.from_pretrained(tmp_path)) if not result.passed}
    assert name.removeprefix("model.") in failed["weights"].measured


def test_a_clause_that_raises_is_a_finding(tmp_path):
    vlm = load("llava", tmp_path)
    vlm.forward = lambda *arguments: 1 / 0
    failed = [result for result in check_vlm(vlm) if not result.passed]
    assert len(failed) >= 6
    assert "ZeroDivisionError" in failed[0].measured
