"""The expert solves every task by the conditions of CALVIN, as a function of the state alone."""

import dataclasses

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import achieved
from vlasync.errors import VlasyncError
from vlasync.types import Observation

STEP_LIMIT = 60


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_each_task_is_solved_from_random_starts(table, task):
    rng = np.random.default_rng(7)
    steps = []
    for _ in range(6):
        robot_obs, scene_obs = sample_start(task, rng)
        raw, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        expert, start = Expert(task), table.snapshot()
        for step in range(STEP_LIMIT):
            raw, *_ = table.step(expert.act(Observation(**raw)))
            if task in achieved(start, table.snapshot()):
                steps.append(step + 1)
                break
    assert len(steps) == 6
    assert np.mean(steps) < 45


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_actions_are_in_range_and_depend_on_the_state_alone(table, task):
    robot_obs, scene_obs = sample_start(task, np.random.default_rng(0))
    raw, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    seen = Observation(**raw)
    expert = Expert(task)
    action = expert.act(seen)
    assert action.shape == (7,)
    assert np.abs(action).max() <= 1.0
    assert action[6] in (-1.0, 1.0)
    # Acting elsewhere in between leaves nothing behind.
    moved = dataclasses.replace(seen, state=seen.state + 0.01)
    expert.act(moved)
    np.testing.assert_array_equal(expert.act(seen), action)


def test_labels_do_not_jump_under_a_millimetre(table):
    rng = np.random.default_rng(3)
    for task in DEMONSTRATED_TASKS:
        robot_obs, scene_obs = sample_start(task, rng)
        raw, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        expert = Expert(task)
        for _ in range(20):
            seen = Observation(**raw)
            nudge = np.append(rng.normal(scale=0.001 / np.sqrt(3), size=3), np.zeros(12))
            nudged = expert.act(dataclasses.replace(seen, state=seen.state + nudge))
            action = expert.act(seen)
            assert np.abs(nudged - action)[:6].max() < 0.5, task
            raw, *_ = table.step(action)


def test_an_unknown_task_is_refused():
    with pytest.raises(VlasyncError, match="did you mean"):
        Expert("push_red_block")
