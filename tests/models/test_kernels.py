"""However a VLM is computed, it computes the same."""

import pytest
import torch

from vlasync.errors import VlasyncError
from vlasync.models import products
from vlasync.models.activations import QuickGELU, use_silu
from vlasync.models.compute import Compute
from vlasync.models.kernels import halve_weights, has_half_weights, set_up
from vlasync.models.vla import VLAConfig, build_vla

CPU = torch.device("cpu")
CONFIG = VLAConfig(window_size=2, chunk_size=3)


def test_fused_attention_reads_what_plain_attention_reads(tiny_folder, spec, make_batch):
    vla, batch = build_vla(tiny_folder, CONFIG, spec).eval(), make_batch(3, 2, 3)
    plain = vla(batch).pose
    assert set_up(vla.vlm, Compute(attention="sdpa"), CPU, half=False).attention == "sdpa"
    torch.testing.assert_close(vla(batch).pose, plain, rtol=1e-4, atol=1e-5)


def test_plain_attention_is_a_cpus_own_choice_in_bf16(tiny_folder, spec, make_batch):
    vla, batch = build_vla(tiny_folder, CONFIG, spec).eval(), make_batch(2, 2, 3)
    use_silu(vla.vlm.model)  # set_up does so, too; what is left to differ is attention
    plain = vla(batch).pose
    assert set_up(vla.vlm, Compute(), CPU, half=True) == Compute(attention="eager", linear="torch")
    assert torch.equal(vla(batch).pose, plain)
    assert set_up(vla.vlm, Compute(), CPU, half=False).attention == "sdpa"


def test_onednn_is_chosen_where_mkl_leaves_vectors_unused(tiny_folder, spec, monkeypatch):
    vlm = build_vla(tiny_folder, CONFIG, spec).vlm
    for name, wide, expected in (
        ("AMD EPYC", True, "onednn"),
        ("AMD EPYC", False, "torch"),
        ("Intel Xeon", True, "torch"),
    ):
        capabilities = {"cpu_name": name, "avx512_f": wide}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert set_up(vlm, Compute(), CPU, half=False).linear == expected
        assert set_up(vlm, Compute(), CPU, half=True).linear == "torch"


def test_onednn_cannot_be_asked_for_where_it_multiplies_nothing(tiny_folder, spec):
    vlm = build_vla(tiny_folder, CONFIG, spec).vlm
    for compute, half in ((Compute(linear="onednn"), True), (Compute(linear="onednn", compile=True), False)):
        with pytest.raises(VlasyncError, match="linear: got 'onednn'"):
            set_up(vlm, compute, CPU, half=half)


def test_gradients_are_the_same_by_onednn(tiny_folder, spec, make_batch, monkeypatch):
    monkeypatch.setattr(products, "_WORTH_A_CALL", 0)
    vla, batch = build_vla(tiny_folder, CONFIG, spec).eval(), make_batch(3, 2, 3)
    found = []
    for linear in ("torch", "onednn"):
        set_up(vla.vlm, Compute(linear=linear, attention="eager"), CPU, half=False)
        vla.zero_grad()
        vla.loss(batch).total.backward()
        found.append([weight.grad for weight in vla.parameters()])
    for plain, onednn in zip(*found, strict=True):
        torch.testing.assert_close(onednn, plain, rtol=1e-4, atol=1e-6)


def test_clips_activation_is_a_silu(tiny_folders, spec, make_batch):
    vla, batch = build_vla(tiny_folders["kosmos2"], CONFIG, spec).eval(), make_batch(2, 2, 3)
    plain = vla(batch).pose
    set_up(vla.vlm, Compute(attention="eager", linear="torch"), CPU, half=False)
    assert any(isinstance(layer, QuickGELU) for layer in vla.vlm.modules())
    torch.testing.assert_close(vla(batch).pose, plain, rtol=1e-4, atol=1e-5)


def test_an_attention_that_a_family_lacks_is_an_error_unless_it_was_to_choose(tiny_folders, spec, monkeypatch):
    vlm, asked = build_vla(tiny_folders["smolvlm"], CONFIG, spec).vlm, []

    def lacking(name: str) -> None:
        asked.append(name)
        if name != "eager":
            raise ValueError("does not support it")

    monkeypatch.setattr(vlm.model, "set_attn_implementation", lacking)
    with pytest.raises(VlasyncError, match="got 'sdpa', which smolvlm lacks"):
        set_up(vlm, Compute(attention="sdpa"), CPU, half=False)
    assert set_up(vlm, Compute(), torch.device("cuda"), half=False).attention == "eager"
    assert asked == ["sdpa", "sdpa", "eager"]


def test_halved_weights_compute_what_autocast_makes_of_whole_ones(tiny_folder, spec, make_batch):
    vla, batch = build_vla(tiny_folder, CONFIG, spec).eval(), make_batch(2, 2, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = vla(batch).pose
        assert not has_half_weights(vla.vlm)
        halve_weights(vla.vlm)
        assert has_half_weights(vla.vlm)
        assert torch.equal(vla(batch).pose, expected)
    assert all(weight.dtype == torch.float32 for weight in vla.head.parameters())


def test_compiled_layers_compute_what_they_computed(tiny_folders, spec, make_batch, monkeypatch):
    compiled, compile_ = [], torch.nn.Module.compile

    def traced(layer: torch.nn.Module) -> None:
        compiled.append(layer)
        compile_(layer, backend="eager")  # a compiler of its own would take minutes

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    vla, batch = build_vla(tiny_folders["smolvlm"], CONFIG, spec).eval(), make_batch(2, 2, 3)
    with torch.no_grad():
        expected = vla(batch).pose
        set_up(vla.vlm, Compute(compile=True), CPU, half=False)
        torch.testing.assert_close(vla(batch).pose, expected, rtol=1e-4, atol=1e-5)
    layers = vla.vlm.model.config.text_config.num_hidden_layers + vla.vlm.model.config.vision_config.num_hidden_layers
    assert len(compiled) == layers
