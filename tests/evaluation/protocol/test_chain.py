"""One chain: tasks follow one another without a reset, and the first failure ends it."""

import dataclasses

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.errors import VlasyncError
from vlasync.evaluation.chains import initial_observation
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.protocol.chain import protocol_sentence, run_chain
from vlasync.evaluation.protocol.films import film_chain
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.spec import Camera


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


def test_the_expert_solves_chains(chains, table):
    for chain in chains:
        outcomes = run_chain(ExpertActor("D"), table, chain, max_steps=120, execution=FIRST_ACTION)
        assert [outcome.success for outcome in outcomes] == [True, True, True], chain.tasks


def test_nothing_is_reset_between_tasks(chains, table):
    chain = chains[0]
    outcomes = run_chain(ExpertActor("D"), table, chain, max_steps=120, execution=FIRST_ACTION)
    end = table.snapshot()
    robot, scene = initial_observation(chain.state)
    table.reset(robot_obs=robot, scene_obs=scene)
    for action in np.concatenate([outcome.executed for outcome in outcomes]):
        table.step(action)
    np.testing.assert_array_equal(table.snapshot().scene_obs, end.scene_obs)


def test_a_chain_ends_with_the_first_task_that_fails(chains, table):
    chain = chains[0]
    confused = dataclasses.replace(
        chain, instructions=(chain.instructions[0], protocol_sentence("turn_on_lightbulb"), chain.instructions[2])
    )
    outcomes = run_chain(ExpertActor("D"), table, confused, max_steps=60, execution=FIRST_ACTION)
    assert [outcome.success for outcome in outcomes] == [True, False]
    assert outcomes[1].steps == 60


def test_a_chain_does_not_depend_on_what_ran_before(chains, table):
    fresh = run_chain(ExpertActor("D"), PlayTable(cameras={}), chains[1], max_steps=120, execution=FIRST_ACTION)
    actor = ExpertActor("D")
    for chain in (chains[2], chains[0]):
        run_chain(actor, table, chain, max_steps=120, execution=FIRST_ACTION)
    again = run_chain(actor, table, chains[1], max_steps=120, execution=FIRST_ACTION)
    for ours, theirs in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(ours.executed, theirs.executed)


def test_what_is_executed_is_asked_for(chains, table):
    with pytest.raises(VlasyncError, match="open_loop:2: the policy predicts 1 actions"):
        run_chain(ExpertActor("D"), table, chains[0], max_steps=9, execution=Execution(kind="open_loop", steps=2))


def test_a_film_shows_each_task_that_was_begun(chains, table):
    outcomes = run_chain(ExpertActor("D"), table, chains[0], max_steps=120, execution=FIRST_ACTION)
    end = table.snapshot()
    filmed = PlayTable(cameras={"static": Camera(height=48, width=48)})
    recordings = film_chain(filmed, chains[0], outcomes)
    assert [len(recording) for recording in recordings] == [outcome.steps for outcome in outcomes]
    assert [recording.instruction for recording in recordings] == list(chains[0].instructions)
    assert recordings[1].task == "2 of 3: turn_on_led"
    np.testing.assert_array_equal(filmed.snapshot().scene_obs, end.scene_obs)
    filmed.close()
