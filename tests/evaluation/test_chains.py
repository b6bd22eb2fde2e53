"""The chains equal CALVIN's, number by number."""

import json

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import LAYOUTS
from vlasync.envs.playtable.tasks import TASKS, achieved
from vlasync.errors import VlasyncError
from vlasync.evaluation.chains import CABINET_PLACES, KINDS, calvin_chains, initial_observation
from vlasync.evaluation.symbolic import VARIANTS, after, initial_states


def test_chains_equal_those_of_calvin(shared_data):
    golden = json.loads((shared_data / "golden" / "eval_sequences_first200.json").read_text())
    ours = calvin_chains(len(golden))
    assert [[state, tasks] for state, tasks in ours] == golden
    assert [list(state) for state, _ in ours] == [list(state) for state, _ in golden]


def test_initial_numbers_equal_those_of_calvin(shared_data):
    golden = json.loads((shared_data / "golden" / "eval_sequences_first200.json").read_text())
    ours = [initial_observation(state) for state, _ in golden]
    with np.load(shared_data / "golden" / "initial_states_first200.npz") as arrays:
        np.testing.assert_allclose([robot for robot, _ in ours], arrays["robot_obs"], rtol=0, atol=1e-9)
        np.testing.assert_allclose([scene for _, scene in ours], arrays["scene_obs"], rtol=0, atol=1e-9)


@pytest.mark.slow
def test_there_are_a_thousand_and_each_can_be_done():
    chains = calvin_chains()
    assert len(chains) == 1000
    assert chains[:7] == calvin_chains(7)
    assert {task for _, tasks in chains for task in tasks} == set(TASKS)
    for state, tasks in chains:
        assert len({KINDS[task] for task in tasks}) == 5
        now = state
        for task in tasks:
            now = after(now, task)
            assert now is not None, (state, tasks)


def test_a_caller_may_change_what_it_got():
    state, tasks = calvin_chains(1)[0]
    state["led"] = "changed"
    tasks.clear()
    state, tasks = calvin_chains(1)[0]
    assert state["led"] == 1
    assert len(tasks) == 5
    states = [state for state, _ in calvin_chains(60)]
    assert len({id(state) for state in states}) == 60


@pytest.mark.parametrize("count", [0, 1001, -3])
def test_no_more_chains_than_there_are(count):
    with pytest.raises(VlasyncError, match=f"got {count}; CALVIN's protocol has 1 to 1000"):
        calvin_chains(count)


def test_every_task_has_a_kind_and_a_variant():
    assert set(KINDS) == set(VARIANTS) == set(TASKS)


def test_a_task_that_is_possible_in_two_ways_is_not_in_a_chain():
    (held,) = (
        state
        for state in initial_states()
        if list(state.values()) == [0, 0, "right", "open", "table", "table", "slider_left", 0]
    )
    held = after(held, "lift_pink_block_slider")
    assert held is not None
    assert held["pink_block"] == "grasped"
    assert after(held, "stack_block") is None  # on red or on blue
    assert after(held, "open_drawer") is None  # open already, and the hand is full
    assert after(held, "place_in_slider") == held | {"pink_block": "slider_right", "grasped": 0}


@pytest.mark.parametrize("scene_name", LAYOUTS)
def test_the_table_rests_in_its_initial_states(scene_name):
    table = PlayTable(scene=scene_name, cameras={})
    for state in initial_states()[::16]:
        robot, scene = initial_observation(state, LAYOUTS[scene_name])
        table.reset(robot_obs=robot, scene_obs=scene)
        start = table.snapshot()
        for _ in range(5):
            table.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
        assert achieved(start, table.snapshot()) == set()
        np.testing.assert_allclose(table.snapshot().scene_obs, scene, atol=5e-3)


def test_blocks_of_the_cabinet_are_where_their_word_says():
    for state in initial_states():
        _, scene = initial_observation(state)
        for index, color in enumerate(("red", "blue", "pink")):
            place = state[f"{color}_block"]
            if place in CABINET_PLACES:
                assert tuple(scene[6 + 6 * index : 9 + 6 * index]) == CABINET_PLACES[place]
