"""Starts: random, repeatable under a seed, and feasible for their task."""

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.envs.playtable.layouts import LAYOUTS
from vlasync.envs.playtable.starts import sample_start
from vlasync.errors import VlasyncError

HELD = ("place_in_slider", "place_in_drawer", "stack_block")


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_starts_leave_room_for_the_task(task):
    rng = np.random.default_rng(0)
    for _ in range(10 if task in HELD else 50):
        robot_obs, scene_obs = sample_start(task, rng)
        assert robot_obs.shape == (15,)
        assert scene_obs.shape == (24,)
        slider, drawer, _, switch, bulb, led = scene_obs[:6]
        assert (switch > 0.044) == bool(bulb)
        assert {"open_drawer": drawer < 0.22 - 0.12, "close_drawer": drawer > 0.12}.get(task, True)
        assert drawer > 0.15 or "_drawer" not in task or task == "open_drawer"
        assert {"move_slider_left": slider < 0.28 - 0.15, "move_slider_right": slider > 0.15}.get(task, True)
        assert {"turn_on_led": not led, "turn_off_led": led}.get(task, True)
        assert {"turn_on_lightbulb": not bulb, "turn_off_lightbulb": bulb}.get(task, True)


@pytest.mark.parametrize("task", [task for task in DEMONSTRATED_TASKS if task != "unstack_block"])
def test_blocks_stand_apart(task):
    rng = np.random.default_rng(0)
    for _ in range(10 if task in HELD else 50):
        blocks = sample_start(task, rng)[1][6:].reshape(3, 6)
        distances = np.linalg.norm(blocks[:, None, :2] - blocks[None, :, :2], axis=-1)
        assert distances[np.triu_indices(3, 1)].min() > 0.09


@pytest.mark.parametrize("task", HELD)
def test_the_block_is_in_the_hand_and_stays_there(table, task):
    rng = np.random.default_rng(2)
    for _ in range(6):
        robot_obs, scene_obs = sample_start(task, rng)
        table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        for _ in range(10):
            snapshot = table.snapshot()
            held = [block for block in range(3) if snapshot.robot_contacts[block]]
            assert snapshot.robot_contacts.sum() == len(held) == 1
            assert snapshot.touched_bodies(held[0]) == {"robot"}
            table.step(np.array([0, 0, 0, 0, 0, 0, -1.0]))


def test_a_block_lies_where_the_task_lifts_it_from(table):
    rng = np.random.default_rng(4)
    for place, surface in (("table", "base_link"), ("slider", "plank_link"), ("drawer", "drawer_link")):
        robot_obs, scene_obs = sample_start(f"lift_blue_block_{place}", rng)
        table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        for _ in range(5):
            table.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
        assert table.snapshot().touches(1, f"table/{surface}")


def test_a_stack_stands(table):
    robot_obs, scene_obs = sample_start("unstack_block", np.random.default_rng(5))
    table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    for _ in range(10):
        table.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
    snapshot = table.snapshot()
    upper = int(np.argmax(snapshot.block_pos[:, 2]))
    assert snapshot.block_pos[upper, 2] > 0.49
    assert {body.split("_")[0] for body in snapshot.touched_bodies(upper)} == {"block"}


@pytest.mark.parametrize("scene", LAYOUTS)
def test_starts_lie_within_their_scene(scene):
    layout, rng = LAYOUTS[scene], np.random.default_rng(6)
    for task in DEMONSTRATED_TASKS:
        robot_obs, scene_obs = sample_start(task, rng, layout)
        assert 0.0 <= scene_obs[0] <= layout.slider_limit
        assert np.abs(scene_obs[6::6]).max() < 0.44, task
        assert np.isfinite(robot_obs).all()


def test_a_pushed_block_has_a_free_way():
    rng = np.random.default_rng(1)
    for side, sign in (("right", 1), ("left", -1)):
        for _ in range(100):
            _, scene_obs = sample_start(f"push_blue_block_{side}", rng)
            red, blue, pink = scene_obs[6:].reshape(3, 6)
            ahead = [sign * (other[0] - blue[0]) for other in (red, pink) if abs(other[1] - blue[1]) < 0.08]
            assert all(gap < 0 or gap > 0.2 for gap in ahead)


def test_the_same_seed_gives_the_same_start_and_another_does_not():
    first, again, other = (sample_start("open_drawer", np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(again))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))


def test_an_unknown_task_is_refused():
    with pytest.raises(VlasyncError, match="no such task"):
        sample_start("fold_laundry", np.random.default_rng(0))
