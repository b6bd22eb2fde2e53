"""The adapter to CALVIN's simulator: against a recorded trace, and against the simulator itself where it is at hand."""

from pathlib import Path

import numpy as np
import pytest

from vlasync.data.open import open_dataset
from vlasync.envs.calvin import CalvinEnv
from vlasync.envs.calvin import env as calvin_env_module
from vlasync.envs.calvin.checkout import SENTENCES, Checkout
from vlasync.envs.calvin.contacts import Bodies
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.tasks import CONTACT_PARTNERS, ROBOT_CONTACT_BODIES, TASKS, achieved
from vlasync.errors import VlasyncError

UNIT = np.array([0.02, 0.02, 0.02, 0.05, 0.05, 0.05])
"""What 1 means in an increment of CALVIN's robot: metres and radians."""

TRACE = "training_100"
FRAMES = 45

FIXTURES_AND_POSITIONS = [*range(9), *range(12, 15), *range(18, 21)]
"""Columns of CALVIN's scene without the blocks' rotations: how a block leans by a degree depends on older contacts."""


class RecordedSimulation:
    """Stands in for the simulator: it knows one recorded trace and takes nothing but the commands that led to it."""

    def __init__(self, checkout, *, scene, cameras, renderer):
        del checkout, scene, renderer
        self.cameras = cameras

    @classmethod
    def of(cls, commands, robot, scene, images):
        return type("Recorded", (cls,), {"commands": commands, "robot": robot, "scene": scene, "pixels": images})

    def reset(self, robot_obs, scene_obs):
        np.testing.assert_array_equal(robot_obs, self.robot[0])
        np.testing.assert_array_equal(scene_obs, self.scene[0])
        self.frame, self.target_pose = 0, robot_obs[:6].copy()

    def step(self, action):
        self.target_pose = self.target_pose + action[:6] * UNIT
        np.testing.assert_allclose(self.target_pose, self.commands[self.frame][:6], atol=1e-9)
        assert action[6] == self.commands[self.frame][6]
        self.frame += 1

    def robot_obs(self):
        return self.robot[self.frame]

    def scene_obs(self):
        return self.scene[self.frame]

    def images(self):
        return {name: self.pixels[name][self.frame] for name in self.cameras}


@pytest.fixture(scope="session")
def trace(shared_data: Path):
    """Commands, robot and scene states of a recording made in CALVIN's simulator."""
    extras = np.load(shared_data / "calvin_sample_extras.npz")
    return [extras[f"{TRACE}__{name}"] for name in ("cmd", "robot_obs", "scene_obs")]


def follow(env, commands):
    """Send the arm to the commanded poses, one per step; the observations."""
    seen = []
    for command in commands:
        seen.append(env.step(np.append((command[:6] - env.target_pose) / UNIT, command[6]))[0])
    return seen


def test_a_recorded_trace_comes_out_as_it_was_recorded(monkeypatch, shared_data, checkout, trace):
    commands, robot, scene = trace
    recording = open_dataset(shared_data / "calvin_sample/training")[0]
    images = {name: [recording.images[name][t] for t in range(6)] for name in ("static", "gripper")}
    recorded = RecordedSimulation.of(commands, robot, scene, images)
    monkeypatch.setattr(calvin_env_module, "Simulation", recorded)
    env = CalvinEnv(checkout)
    first, _ = env.reset(robot_obs=robot[0], scene_obs=scene[0])
    seen = [first, *follow(env, commands[:5])]
    for t, frame in enumerate(seen):
        assert env.observation_space.contains(frame)
        np.testing.assert_array_equal(frame["state"], robot[t])
        np.testing.assert_array_equal(frame["scene"], scene[t])
        for name in images:
            np.testing.assert_array_equal(frame["images"][name], images[name][t])


def test_its_interface_is_the_play_tables(monkeypatch, checkout):
    monkeypatch.setattr(calvin_env_module, "Simulation", RecordedSimulation)
    env, table = CalvinEnv(checkout, cameras={}), PlayTable(cameras={})
    assert env.sync_spec == table.sync_spec
    assert env.observation_space == table.observation_space
    assert env.action_space == table.action_space


@pytest.mark.parametrize("action", [np.zeros(7), np.append(np.zeros(5), 1.0), np.full(7, np.nan)])
def test_what_the_simulator_would_choke_on_is_refused(monkeypatch, checkout, action):
    monkeypatch.setattr(calvin_env_module, "Simulation", RecordedSimulation)
    with pytest.raises(VlasyncError, match="action"):
        CalvinEnv(checkout).step(action)


def test_a_folder_without_the_simulator_says_how_to_get_it(tmp_path):
    with pytest.raises(VlasyncError, match="git clone"):
        CalvinEnv(tmp_path)


def test_sentences_are_the_checkouts(checkout):
    lines = [f'{task}: ["please {task}", "another"]' for task in TASKS]
    (checkout / SENTENCES).write_text("# comment\n" + "\n".join(lines))
    assert Checkout.find(checkout).sentences() == {task: f"please {task}" for task in TASKS}


@pytest.mark.parametrize("text", ["", "a: [", "open_drawer: ['only this one']", "- 1"])
def test_sentences_of_another_form_are_refused(checkout, text):
    (checkout / SENTENCES).write_text(text)
    with pytest.raises(VlasyncError, match="34 tasks"):
        Checkout.find(checkout).sentences()


def test_the_simulator_alone_has_no_sentences(checkout):
    with pytest.raises(VlasyncError, match="whole CALVIN repository"):
        Checkout.find(checkout / "calvin_env").sentences()


def test_contact_points_become_columns():
    bodies = Bodies(robot=0, blocks=(4, 2, 3), table=5, table_links={-1: "base_link", 3: "drawer_link"})

    def point(body, link):
        return (0, 9, body, 7, link, (0.0,) * 3)  # the first link is the block's own

    touched = bodies.touched_by_block([point(5, 3), point(2, -1), point(6, -1)])
    assert {name for name, hit in zip(CONTACT_PARTNERS, touched, strict=True) if hit} == {
        "table/drawer_link",
        "block_blue",
        "plane",
    }
    held = bodies.touched_by_robot([point(4, -1), point(0, 9), point(5, -1)])
    assert {name for name, hit in zip(ROBOT_CONTACT_BODIES, held, strict=True) if hit} == {
        "block_red",
        "robot_self",
        "table",
    }


def test_the_simulator_repeats_its_recording(simulator_root, trace):
    commands, robot, scene = trace
    env = CalvinEnv(simulator_root, cameras={})
    env.reset(robot_obs=robot[0], scene_obs=scene[0])
    start = env.snapshot()
    seen = follow(env, commands[:FRAMES])
    states, scenes = np.stack([frame["state"] for frame in seen]), np.stack([frame["scene"] for frame in seen])
    assert np.abs(states[:, :3] - robot[1 : FRAMES + 1, :3]).max() < 1e-4
    assert np.abs(scenes - scene[1 : FRAMES + 1])[:, FIXTURES_AND_POSITIONS].max() < 3e-3
    assert "turn_on_led" in achieved(start, env.snapshot())
    env.close()


def test_an_episode_does_not_depend_on_the_one_before(simulator_root, trace):
    commands, robot, scene = trace
    env = CalvinEnv(simulator_root, cameras={})
    runs = []
    for length in (FRAMES, 10, FRAMES):
        env.reset(robot_obs=robot[0], scene_obs=scene[0])
        runs.append(follow(env, commands[:length])[-1]["scene"])
    np.testing.assert_array_equal(runs[0], runs[2])
    env.close()


@pytest.mark.slow
def test_the_simulator_draws_what_was_recorded(simulator_root, shared_data):
    recording = open_dataset(shared_data / "calvin_sample/training")[0]
    env = CalvinEnv(simulator_root)
    for _ in range(2):
        seen, _ = env.reset(robot_obs=recording.state[0], scene_obs=recording.scene[0])
    for name, limit in {"static": 0.1, "gripper": 1.0}.items():  # one physics step of motion passes at a reset
        assert np.abs(seen["images"][name].astype(int) - recording.images[name][0]).mean() < limit, name
    env.close()


def test_a_closed_simulation_is_not_driven_on(simulator_root):
    old = CalvinEnv(simulator_root, cameras={})
    new = CalvinEnv(simulator_root, scene="A", cameras={})
    with pytest.raises(VlasyncError, match="closed"):
        old.reset(seed=0)
    new.reset(seed=0)
    new.close()
