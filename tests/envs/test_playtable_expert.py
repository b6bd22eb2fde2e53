"""The expert solves every task by the conditions of CALVIN, as a function of the state alone."""

import dataclasses

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import TASKS, achieved
from vlasync.errors import VlasyncError
from vlasync.types import Observation

STEP_LIMIT = 120


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


def solve(table: PlayTable, task: str, observation: Observation, limit: int = STEP_LIMIT) -> tuple[int, Observation]:
    """Steps until the task is achieved, the limit + 1 where it never is, and what is seen then."""
    expert, start = Expert(task, table.layout), table.snapshot()
    for step in range(limit):
        raw, *_ = table.step(expert.act(observation))
        observation = Observation(**raw)
        if task in achieved(start, table.snapshot()):
            return step + 1, observation
    return limit + 1, observation


def start(table: PlayTable, task: str, rng: np.random.Generator) -> Observation:
    robot_obs, scene_obs = sample_start(task, rng, table.layout)
    return Observation(**table.reset(robot_obs=robot_obs, scene_obs=scene_obs)[0])


def test_there_is_an_expert_for_every_task():
    assert set(DEMONSTRATED_TASKS) == set(TASKS)
    for task in TASKS:
        assert Expert(task).task == task


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_each_task_is_solved_from_random_starts(table, task):
    rng = np.random.default_rng(7)
    steps = [solve(table, task, start(table, task, rng))[0] for _ in range(4)]
    assert sum(step <= STEP_LIMIT for step in steps) >= 3
    assert np.mean([step for step in steps if step <= STEP_LIMIT]) < 80


@pytest.mark.parametrize("scene", ["A", "B", "C"])
def test_tasks_are_solved_in_the_other_scenes(scene):
    table, rng = PlayTable(scene=scene, cameras={}), np.random.default_rng(1)
    tasks = ("open_drawer", "move_slider_left", "turn_on_led", "turn_on_lightbulb", "lift_red_block_table")
    solved = {task: solve(table, task, start(table, task, rng))[0] <= STEP_LIMIT for task in tasks}
    assert all(solved.values()), solved


def test_a_task_begins_where_the_one_before_it_ended(table):
    observation = start(table, "place_in_drawer", np.random.default_rng(3))
    for task in ("place_in_drawer", "close_drawer", "open_drawer", "move_slider_left", "move_slider_right"):
        assert observation.scene is not None
        if task == "move_slider_left" and observation.scene[0] > 0.1:
            continue
        steps, observation = solve(table, task, observation, limit=360)
        assert steps <= 360, task


def test_a_turned_hand_does_not_come_down_on_the_block_that_it_turned(table):
    # CALVIN's second place on the table, before the drawer's handle.
    scene_obs = np.concatenate([np.zeros(6), [-0.24, 0.092, 0.46, 0, 0, 1.57], [0.23, -0.12, 0.46, 0, 0, 1.57]])
    scene_obs = np.append(scene_obs, [0.07, 0.092, 0.46, 0, 0, 1.57])
    observation = Observation(**table.reset(scene_obs=scene_obs)[0])
    steps, observation = solve(table, "rotate_blue_block_right", observation)
    assert steps <= STEP_LIMIT
    assert solve(table, "open_drawer", observation)[0] < 60


def test_a_block_that_the_task_does_not_want_is_let_go_of(table):
    observation = start(table, "place_in_drawer", np.random.default_rng(0))
    assert Expert("place_in_drawer").act(observation)[6] == -1.0
    assert Expert("turn_on_led").act(observation).tolist() == [0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_actions_are_in_range_and_depend_on_the_state_alone(table, task):
    seen = start(table, task, np.random.default_rng(0))
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
        seen, expert = start(table, task, rng), Expert(task)
        for _ in range(20):
            nudge = np.append(rng.normal(scale=0.001 / np.sqrt(3), size=3), np.zeros(12))
            nudged = expert.act(dataclasses.replace(seen, state=seen.state + nudge))
            action = expert.act(seen)
            assert np.abs(nudged - action)[:6].max() < 0.5, task
            seen = Observation(**table.step(action)[0])


def test_an_unknown_task_is_refused():
    with pytest.raises(VlasyncError, match="did you mean"):
        Expert("push_red_block")
