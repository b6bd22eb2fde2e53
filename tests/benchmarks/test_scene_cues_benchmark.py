"""The benchmark of what scenes are told apart by, with experts in the place of policies."""

import numpy as np

import scene_cues as benchmark
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import LAYOUTS
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.rollout import plan_trials


def test_a_hybrid_is_the_scene_but_for_one_thing_of_another():
    hybrids = dict(benchmark.hybrids("D"))
    assert hybrids["D as it is"] == LAYOUTS["D"]
    painted = hybrids["D, colours of A"]
    assert (painted.table, painted.door, painted.drawer) == (LAYOUTS["A"].table, LAYOUTS["A"].door, LAYOUTS["A"].drawer)
    assert (painted.drawer_x, painted.button_x) == (LAYOUTS["D"].drawer_x, LAYOUTS["D"].button_x)
    assert hybrids["D, drawer of C"].drawer_x == LAYOUTS["C"].drawer_x
    assert "D, drawer of B" not in hybrids  # it stands where D's does
    assert len(hybrids) == 1 + 3 + 2 + 3


def test_who_takes_a_scene_for_another_fails_where_things_stand_elsewhere():
    task = "turn_off_led"
    sentences = {task: plan_trials([task], 1, seed=benchmark.SEED)[0].sentence}
    painted = dict(benchmark.hybrids("D"))["D, colours of A"]
    for scene, count in (("D", 1), ("A", 0)):  # the button of A stands further left
        assert benchmark.solved(ExpertActor(scene, sentences), painted, task, 1) == count


def test_a_table_of_an_own_layout_has_its_things_where_that_says():
    painted = dict(benchmark.hybrids("D"))["D, colours of B"]
    images = [PlayTable(scene=scene).reset(seed=0)[0]["images"]["static"] for scene in ("D", painted)]
    assert not np.array_equal(*images)
