"""`vlasync vlm`: its tables, its numbers and its exit codes."""

import pytest
import torch
from torch import nn

from vlasync.cli import main
from vlasync.models.memory import estimate_memory
from vlasync.models.tuning import Tuning
from vlasync.models.vlm import VLM
from vlasync.testing.vlm import CLAUSES, small_vla
from vlasync.testing.vlm_report import report_vlm


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code


def test_the_command_shows_all_there_is(tiny_folders, capsys):
    assert run("vlm", tiny_folders["smolvlm"]) == 0
    text = capsys.readouterr().out
    assert all(clause in text for clause in CLAUSES)
    assert "FAIL" not in text
    assert all(words in text for words in ("SmolVLMModel", "32 x 32 px", "tokens per frame", "decoder", "iB"))


def test_a_vlm_that_breaks_the_contract_is_exit_code_1(tiny_folders, capsys, monkeypatch):
    forward = VLM.forward
    monkeypatch.setattr(VLM, "forward", lambda vlm, fields, mask, pixels: forward(vlm, fields, mask, pixels[:, [0, 0]]))
    assert run("vlm", tiny_folders["smolvlm"]) == 1
    assert "FAIL" in capsys.readouterr().out


def test_what_cannot_be_loaded_is_exit_code_2(tmp_path, capsys):
    assert run("vlm", tmp_path) == 2


@pytest.mark.parametrize("mode", ["full", "lora", "frozen"])
def test_what_trains_follows_the_tuning(tiny_folder, mode):
    report = report_vlm(VLM.from_pretrained(tiny_folder), Tuning(mode=mode), contract=False)
    trainable = {part.part: part.trainable for part in report.parts}
    assert (trainable["vision"] == 0) == (mode == "frozen")
    assert trainable["[LRN]"] > 0
    assert report.clauses == ()
    assert report.passed


def test_memory_follows_the_formula(tiny_folder):
    vla = small_vla(VLM.from_pretrained(tiny_folder))
    total = sum(parameter.numel() for parameter in vla.parameters())
    full = estimate_memory(vla, "open the drawer")
    assert full.acting == 2 * total
    assert full.training == 20 * total
    assert full.batch(3) - full.batch(1) == 2 * full.per_frame
    vla.requires_grad_(False)
    frozen = estimate_memory(vla, "open the drawer")
    assert frozen.training == 4 * total
    assert frozen.per_frame == 0 < full.per_frame


def test_activations_are_those_that_autograd_keeps(tiny_folders):
    """A square keeps its input: one more tensor of known size per frame."""
    vla = small_vla(VLM.from_pretrained(tiny_folders["smolvlm"]))
    before = estimate_memory(vla, "open the drawer").per_frame
    forward, extra = vla.vlm.forward, nn.Parameter(torch.ones(1000))

    def keeps_more(*arguments):
        return forward(*arguments) + ((extra * 2.0) ** 2).sum() * 0.0

    vla.vlm.forward = keeps_more
    assert estimate_memory(vla, "open the drawer").per_frame - before >= 4000
