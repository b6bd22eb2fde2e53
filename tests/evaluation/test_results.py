import dataclasses
import json
import os
import platform

import pytest
import torch

from vlasync.errors import CheckpointError, VlasyncError
from vlasync.evaluation.results import EvaluationResults, TaskResult, describe_machine, wilson_interval


def test_wilson_interval_agrees_with_the_closed_form():
    z, n, p = 1.959963984540054, 20, 19 / 20
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    assert wilson_interval(19, 20) == pytest.approx((middle - half, middle + half))


@pytest.mark.parametrize("successes", range(11))
def test_wilson_interval_holds_the_rate_and_stays_a_probability(successes):
    low, high = wilson_interval(successes, 10)
    assert 0 <= low <= successes / 10 <= high <= 1
    assert high - low > 0


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 2), (0, 0)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(ValueError, match="cannot be"):
        TaskResult("open_drawer", successes, trials)


@pytest.mark.parametrize(
    ("flags", "words"),
    [({"avx512_f", "avx2", "amx_tile"}, "x86_64, AMX"), ({"avx2"}, "x86_64, AVX2"), (set(), "x86_64")],
)
def test_a_machine_is_told_by_what_its_cores_multiply_with(monkeypatch, flags, words):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(flags, True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert describe_machine() == f"2 CPU cores, {words}"


def test_results_come_back_from_disk_as_they_were(results, tmp_path):
    results.save(tmp_path / "run" / "results.json")
    assert EvaluationResults.load(tmp_path / "run" / "results.json") == results
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["results.json"]


def test_json_has_the_keys_that_others_read(results):
    raw = json.loads(results.to_json())
    assert raw["mean_success"] == pytest.approx(159 / 160)
    assert raw["untrained_mean_success"] == pytest.approx(2 / 160)
    assert raw["swapped_instruction_mean_success"] == 0
    assert {"minutes", "seeds", "versions"} <= set(raw)
    row = raw["tasks"]["push_blue_block_right"]
    assert (row["successes"], row["trials"]) == (19, 20)
    assert (row["low"], row["high"]) == wilson_interval(19, 20)
    assert (row["untrained"]["successes"], row["swapped"]["successes"]) == (1, 0)


def test_a_baseline_that_was_not_run_is_none_not_zero(results):
    alone = dataclasses.replace(results, untrained=(), swapped_instruction=())
    assert alone.untrained_mean_success is None
    assert json.loads(alone.to_json())["swapped_instruction_mean_success"] is None
    assert EvaluationResults.from_json(alone.to_json(), where="here") == alone


def test_a_baseline_over_other_tasks_is_refused(results):
    with pytest.raises(ValueError, match="untrained: tasks"):
        dataclasses.replace(results, untrained=results.untrained[1:])


def test_mean_is_over_tasks_not_over_rollouts(results):
    uneven = (TaskResult("a", 1, 1), TaskResult("b", 0, 99))
    unequal = dataclasses.replace(results, tasks=uneven, untrained=(), swapped_instruction=())
    assert unequal.mean_success == pytest.approx(0.5)
    assert unequal.weakest.task == "b"


@pytest.mark.parametrize("field", ["tasks", "spec", "minutes", "seeds", "audit", "mean_success"])
def test_a_missing_field_is_named(results, field):
    raw = json.loads(results.to_json())
    del raw[field]
    with pytest.raises(CheckpointError, match=field):
        EvaluationResults.from_json(json.dumps(raw), where="here")


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw | {"surprise": 1},
        lambda raw: raw | {"trainable": [{"part": "vision"}]},
        lambda raw: raw | {"tasks": {"open_drawer": 1}},
        lambda raw: raw | {"tasks": {}},
        lambda raw: [raw],
    ],
)
def test_results_of_another_form_are_one_clear_error(results, damage):
    text = json.dumps(damage(json.loads(results.to_json())))
    with pytest.raises(VlasyncError, match=r"runs/x/results\.json: not the results"):
        EvaluationResults.from_json(text, where="runs/x/results.json")


def test_a_torn_or_missing_file_is_one_clear_error(results, tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(CheckpointError, match="no such file"):
        EvaluationResults.load(path)
    path.write_text(results.to_json()[:100])
    with pytest.raises(CheckpointError, match=r"results\.json"):
        EvaluationResults.load(path)
