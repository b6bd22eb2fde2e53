"""The whole way, in miniature: record, audit, train, evaluate, report; killed on the way and gone on."""

import json
import multiprocessing
import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vlasync.checks.findings import Problem
from vlasync.checks.report.audit_report import AuditReport, PartReport
from vlasync.checks.report.summary import Summary
from vlasync.demo import DemoConfig, demo_config, is_sound, run_demo
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize
from vlasync.recipes.demo import DEMO_TASKS
from vlasync.recording import calvin_cameras
from vlasync.training.run import TinyVLM

TASKS = ("turn_on_led", "open_drawer")


def miniature(run: Path) -> DemoConfig:
    """The demo with everything small: it shows that the stages fit together, not that anything is learned."""
    full = demo_config(run)
    small = TinySize(image_size=32, patch_size=16, pixel_shuffle=1, hidden=32, vision_layers=1, text_layers=1, heads=2)
    return DemoConfig(
        recording=replace(full.recording, tasks=TASKS, episodes=4, shard_episodes=2, cameras=calvin_cameras(32, 32)),
        training=replace(
            full.training,
            vlm=TinyVLM(family="smolvlm", size=small),
            vla=replace(full.training.vla, head=LSTMHeadConfig(hidden=32, layers=1)),
            training=replace(
                full.training.training, steps=8, batch_size=4, checkpoint_every=2, log_every=2, validate_every=4
            ),
            validation_every=4,
        ),
        evaluation=replace(
            full.evaluation, tasks=TASKS, trials=2, baseline_trials=1, curve_trials=1, max_steps=4, videos=2
        ),
    )


def _run(run: Path) -> None:
    run_demo(miniature(run), run)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("demo")
    _run(run)
    return run


def test_results_hold_what_others_read(finished: Path):
    results = json.loads((finished / "results.json").read_text())
    assert set(results["tasks"]) == set(TASKS)
    for row in results["tasks"].values():
        assert row["trials"] == 2
        assert row["untrained"]["trials"] == row["swapped"]["trials"] == 1
    for name in ("mean_success", "untrained_mean_success", "swapped_instruction_mean_success"):
        assert 0.0 <= results[name] <= 1.0
    assert set(results["minutes"]) >= {"record", "audit", "train", "evaluate"}
    assert results["audit"]["problems"] == []
    assert [point["trials"] for point in results["curve"]] == [2, 2, 2, 4]
    assert results["seeds"].keys() >= {"training", "evaluation"}
    assert results["versions"].keys() >= {"torch", "transformers", "mujoco", "vlasync"}


def test_the_report_stands_alone(finished: Path):
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert page.count("data:video/mp4") == 2
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"url\((?!['\"]?(?:data:|#))", page)


def test_a_second_run_reuses_what_is_there(finished: Path):
    kept = [*finished.rglob("*.npy"), *finished.rglob("*.npz"), *finished.rglob("*.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    first = json.loads((finished / "results.json").read_text())
    _run(finished)
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    assert json.loads((finished / "results.json").read_text())["tasks"] == first["tasks"]


@pytest.mark.parametrize("stage", ["data/shards/*", "checkpoints/*", "evaluation/*.npz"])
def test_killed_in_any_stage_it_goes_on_and_ends_the_same(stage: str, finished: Path, tmp_path: Path):
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(stage)):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.02)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / "results.json").exists()
    _run(tmp_path)
    ours, theirs = (json.loads((run / "results.json").read_text()) for run in (tmp_path, finished))
    assert ours["tasks"] == theirs["tasks"]
    assert [row["loss"] for row in ours["training_log"]] == [row["loss"] for row in theirs["training_log"]]


def _report(*problems: Problem, episodes: int = 1200) -> AuditReport:
    looked = Summary(frames=40 * episodes, episodes=episodes, lengths={}, sentences=0, tasks={}, spec=None)
    part = PartReport(name="", path=None, episodes=episodes, summary=looked, inferred={}, convention={})
    return AuditReport(problems=problems, parts=(part,))


def _problem(code: str, where: str, count: int) -> Problem:
    return Problem(code=code, where=where, count=count, confidence=1.0, message="odd", advice="look")


@pytest.mark.parametrize(
    ("report", "sound"),
    [
        (_report(), True),
        (_report(_problem("image-duplicate", "a, static", 5), _problem("action-clipped", "b", 7)), True),
        (_report(_problem("image-duplicate", "a, static", 5), _problem("action-clipped", "b", 8)), False),
        (_report(_problem("action-clipped", "b", 1), episodes=99), False),
        (_report(_problem("image-lag", "all episodes, static", 1)), False),
        (_report(_problem("unreadable", "c", 1)), False),
    ],
)
def test_single_odd_episodes_are_trained_on_and_more_is_not(report: AuditReport, sound: bool):
    assert is_sound(report) == sound


def test_the_demo_that_users_see_has_enough_tasks_and_trials(tmp_path: Path):
    config = demo_config(tmp_path)
    assert len(set(config.evaluation.tasks)) >= 8
    assert any(task.startswith("push") for task in DEMO_TASKS) and any(task.startswith("lift") for task in DEMO_TASKS)
    assert config.evaluation.trials >= 20
    assert set(config.recording.tasks) == set(config.evaluation.tasks)
