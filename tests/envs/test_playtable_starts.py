"""Starts: random, repeatable under a seed, and feasible for their task."""

import numpy as np
import pytest

from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS
from vlasync.envs.playtable.starts import sample_start
from vlasync.errors import VlasyncError


@pytest.mark.parametrize("task", DEMONSTRATED_TASKS)
def test_starts_leave_room_for_the_task(task):
    rng = np.random.default_rng(0)
    for _ in range(50):
        robot_obs, scene_obs = sample_start(task, rng)
        assert robot_obs.shape == (15,)
        assert scene_obs.shape == (24,)
        slider, drawer, _, switch, bulb, led = scene_obs[:6]
        blocks = scene_obs[6:].reshape(3, 6)
        distances = np.linalg.norm(blocks[:, None, :2] - blocks[None, :, :2], axis=-1)
        assert distances[np.triu_indices(3, 1)].min() > 0.09
        assert (switch > 0.044) == bool(bulb)
        assert {"open_drawer": drawer < 0.22 - 0.12, "close_drawer": drawer > 0.12}.get(task, True)
        assert {"move_slider_left": slider < 0.28 - 0.15, "move_slider_right": slider > 0.15}.get(task, True)
        assert {"turn_on_led": not led, "turn_off_led": led}.get(task, True)
        assert {"turn_on_lightbulb": not bulb, "turn_off_lightbulb": bulb}.get(task, True)


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
