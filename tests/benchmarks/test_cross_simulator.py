"""The comparison of simulators, with a recording of the play table in the place of CALVIN's."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import cross_simulator as benchmark
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.starts import sample_start
from vlasync.errors import DatasetError
from vlasync.types import Observation

TASK, STEPS = "turn_on_led", 70


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


@pytest.fixture(scope="module")
def stretch(table) -> benchmark.Stretch:
    """What the expert did, as target poses and the states that followed."""
    robot_obs, scene_obs = sample_start(TASK, np.random.default_rng(3))
    seen, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    expert, observations, commands = Expert(TASK), [seen], []
    for _ in range(STEPS):
        action = expert.act(Observation(**seen))
        seen, *_ = table.step(action)
        observations.append(seen)
        commands.append(np.append(table.target_pose, action[6]))
    return benchmark.Stretch(
        task=TASK,
        scene_name="D",
        length=STEPS,
        commands=np.stack(commands),
        states=np.stack([seen["state"] for seen in observations]),
        scenes=np.stack([seen["scene"] for seen in observations]),
    )


def test_a_simulator_repeats_its_own_commands(table, stretch):
    trace = benchmark.drive(table, stretch)
    assert trace.solved
    # The first frame is one physics step late, as a reset takes one.
    for step in benchmark.AFTER:
        assert max(benchmark.apart(trace, stretch, step)) < 0.5


def test_distances_are_millimetres_and_degrees(stretch):
    there = benchmark.Trace(states=stretch.states, scenes=stretch.scenes, solved=True)
    states, scenes = stretch.states.copy(), stretch.scenes.copy()
    states[:, 1] += 0.003
    states[:, 5] += np.radians(2.0)
    scenes[:, 1] -= 0.004
    scenes[:, 12:15] += np.array([0.0, 0.03, 0.04])
    moved = benchmark.Trace(states=states, scenes=scenes, solved=False)
    assert benchmark.apart(there, moved, 8) == pytest.approx((3.0, 2.0, 4.0, 50.0))
    table = benchmark.distances({"recording": [there, there], "play table": [there, moved]})
    assert (
        table.splitlines()[3] == "| play table, recording | 8 | 2 | 1.5 (3.0) | 1.0 (2.0) | 2.0 (4.0) | 25.0 (50.0) |"
    )
    assert (
        benchmark.tasks([stretch, stretch], {"play table": [there, moved]}).splitlines()[-1] == "| all tasks | 2 | 1 |"
    )


def test_every_span_of_the_recordings_has_its_commands(shared_data: Path):
    stretches = list(benchmark.read_stretches(shared_data / "calvin_sample", shared_data / "calvin_sample_extras.npz"))
    assert len(stretches) == 15
    for stretch in stretches:
        assert len(stretch.states) == len(stretch.scenes) == len(stretch.commands) + 1
        lead = np.linalg.norm(stretch.commands[:-1, :3] - stretch.states[2:, :3], axis=1)
        assert lead.mean() < 0.01  # metres: two frames later the arm is about where it was sent


def test_recordings_without_commands_are_named(shared_data: Path, tmp_path: Path):
    np.savez(tmp_path / "none.npz", other=np.zeros(3))
    with pytest.raises(DatasetError, match="no training_100__cmd"):
        list(benchmark.read_stretches(shared_data / "calvin_sample", tmp_path / "none.npz"))


def test_the_page_has_a_place_for_the_tables(tmp_path, monkeypatch, stretch):
    page = tmp_path / "simulator.md"
    page.write_text(benchmark.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(benchmark, "PAGE", page)
    monkeypatch.setattr(benchmark, "read_stretches", lambda *_: [stretch, dataclasses.replace(stretch, length=5)])
    config = benchmark.CrossSimulator(calvin=tmp_path, commands=tmp_path, write=True)
    benchmark.main(config)
    written = page.read_text(encoding="utf-8")
    assert "| turn on led | 2 | 1 |" in written
    benchmark.main(config)
    assert page.read_text(encoding="utf-8") == written
