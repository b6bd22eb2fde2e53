"""What a run logs of its speed, and that how it is computed does not change what it learns."""

import json
from dataclasses import replace

import pytest
import torch

from vlasync.models.compute import Compute
from vlasync.runs import read_metrics
from vlasync.training.metrics import Meter
from vlasync.training.run import train

TERMS = {"learning_rate": 1e-3, "loss": 1.0, "pose": 1.0, "gripper": 0.0, "gradient_norm": 1.0}


def line_after(meter: Meter, steps: int):
    for _ in range(steps):
        with meter.step():
            torch.ones(16, 16) @ torch.ones(16, 16)
        meter.add(TERMS, frames=5)
    return meter.line(steps, None)


def test_utilisation_is_the_operations_of_all_steps_over_what_the_device_could_do(monkeypatch):
    now = iter([0.0, 2.0, 2.0])  # the clock starts, the line is written
    monkeypatch.setattr("vlasync.training.metrics.time.monotonic", lambda: next(now))
    line = line_after(Meter(minutes=0.0, peak_flops=1e6), 3)
    assert line.frames_per_second == 15 / 2.0
    assert line.mfu == pytest.approx(3 * 2 * 16**3 / (2.0 * 1e6))


def test_a_meter_that_knows_no_device_says_nothing_of_its_use():
    assert line_after(Meter(minutes=0.0), 1).mfu is None


def test_a_run_learns_the_same_however_it_is_computed(recipe, store, tmp_path):
    short = replace(recipe, training=replace(recipe.training, steps=2, milestones=()))
    train(short, store, tmp_path / "plain")
    train(short, store, tmp_path / "repeated", compute=Compute(checkpointing=1))
    plain, repeated = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("plain", "repeated"))
    assert [line.loss for line in plain] == [line.loss for line in repeated]
    assert all(line.mfu is not None and line.mfu > 0 for line in plain)
    record = json.loads((tmp_path / "repeated" / "compute.json").read_text())
    assert record["checkpointing"] == 1 and record["attention"] in ("eager", "sdpa")
