"""A VLA is timed as a whole, and the time of its parts adds up."""

import json

import pytest
import torch
from rich.console import Console

from vlasync.models.compute import Compute
from vlasync.speed.acting import percentiles
from vlasync.speed.budget import BACKWARD, PARTS, budget_of
from vlasync.speed.learning import noise_batch, training_step
from vlasync.speed.measure import Speed, measure_speed

SENTENCE = "open the drawer"


@pytest.fixture(scope="module")
def speed(vla) -> Speed:
    return measure_speed(vla, SENTENCE, compute=Compute(), half=False, windows=2, steps=12)


def test_times_are_in_order_and_rates_follow_from_them(speed):
    acting, learning = speed.acting, speed.learning
    assert 0 < acting.p50 <= acting.p95 <= acting.p99
    assert learning.frames == 4
    assert learning.frames_per_second == pytest.approx(4 / (learning.milliseconds / 1e3))
    flops = learning.flops_per_frame * learning.frames_per_second
    assert learning.mfu == pytest.approx(flops / learning.peak_flops)
    assert learning.peak_memory > 0


def test_every_part_takes_time_and_an_acting_step_has_no_gradients(speed):
    acting, learning = speed.acting.parts, speed.learning.parts
    assert set(PARTS) - set(learning) == {"decode"}
    assert set(acting) == set(PARTS) - {*BACKWARD, "optimizer"}
    assert all(milliseconds > 0 for part, milliseconds in (*acting.items(), *learning.items()) if part != "rest")


def test_what_takes_longer_shows_in_its_own_part_and_in_its_gradients(vla, speed, monkeypatch):
    decoder = vla.vlm.model.text_model
    monkeypatch.setitem(decoder._modules, "layers", torch.nn.ModuleList([*decoder.layers, *[decoder.layers[0]] * 30]))
    monkeypatch.setattr(decoder.config, "num_hidden_layers", len(decoder.layers))
    step = training_step(vla.train(), noise_batch(vla, SENTENCE, windows=2), dtype=torch.float32)
    step()
    parts = budget_of(vla, step, repeats=2)
    for part in ("decoder", "decoder backward"):  # many layers, as other work on the machine adds some milliseconds
        assert parts[part] > speed.learning.parts[part]


def test_it_is_shown_with_device_and_precision(speed):
    console = Console(record=True, width=120)
    speed.print(console)
    text = console.export_text()
    assert "fp32, sdpa attention" in text
    assert f"p50 {speed.acting.p50:.1f} ms" in text
    assert "decoder backward" in text


def test_percentiles_are_those_of_the_times():
    assert percentiles(range(101)) == (50, 95, 99)
    json.dumps(percentiles([1.0, 2.0]))
