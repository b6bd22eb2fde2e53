"""The scripts behind docs/speed.md, at a size that a CPU has time for."""

import pytest
import torch

import budget
import convert_speed
import gpu
import peer_robovlms as peer
import text_sharing
from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.settings import read_settings
from vlasync.models.compute import Compute


def test_the_gpu_script_measures_its_tiny_model_here():
    speed = gpu.measure("tiny", tuning="full", compute=Compute(), half=False, batch=1, steps=3)
    assert speed.learning.frames == 8
    assert speed.acting.p50 > 0 and speed.learning.mfu > 0


@pytest.mark.parametrize(("model", "billions"), [("kosmos2", 1.6), ("paligemma", 2.9)])
def test_models_have_the_size_of_those_that_papers_train(model, billions):
    vlm = gpu.random_vlm(gpu.MODELS[model], torch.device("meta"))
    assert sum(weight.numel() for weight in vlm.parameters()) / 1e9 == pytest.approx(billions, abs=0.1)


def test_text_before_the_images_costs_less_than_all_text():
    found = text_sharing.sharing(gpu.MODELS["kosmos2"])
    assert 0 < found.before < found.text < found.tokens
    assert 0 < found.text * found.cost < 0.1


def test_the_peers_config_is_read_by_vlasync_as_robovlms_wrote_it(tmp_path):
    peer.write_model(tmp_path, peer.SIZES["tiny"])
    vla = build_policy(read_settings(tmp_path / "config.json"))
    assert (vla.config.window_size, vla.config.chunk_size, vla.config.cameras) == (8, 10, ("static",))
    assert vla.vlm.model.config.text_config.embed_dim == peer.SIZES["tiny"].hidden


def test_ratios_are_theirs_over_ours():
    theirs = peer.Measured(train=[6.0, 9.0, 6.0], act=[4.0], memory=100.0)
    ours = peer.Measured(train=[2.0], act=[1.0], memory=50.0)
    found = {("robovlms", "fp32"): theirs, ("vlasync", "bf16"): ours}
    words = peer._ratios(found, ("robovlms", "fp32"), ("vlasync", "bf16"))
    assert "training step 3.00, control step 4.00, memory of ours 0.50" in words


def test_only_what_stands_between_the_pages_marks_is_replaced():
    page = "before\n<!-- budget -->\nold\n<!-- end of budget -->\nafter\n"
    text = budget.written(page, "| table |", "a device")
    assert text == "before\n<!-- budget -->\na device\n\n| table |\n<!-- end of budget -->\nafter\n"
    assert budget.written(text, "| table |", "a device") == text


def test_a_split_that_is_too_short_is_repeated_and_converted_whole(shared_data, monkeypatch):
    seen = []
    opened = convert_speed.Store.open
    monkeypatch.setattr(convert_speed.Store, "open", lambda folder: seen.append(opened(folder)) or seen[0])
    split = shared_data / "calvin_sample" / "validation"
    assert convert_speed.calvin_frames_per_second(split, frames=500, workers=1) > 0
    assert seen[0].num_frames >= 500
