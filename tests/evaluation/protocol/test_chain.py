"""One chain: tasks follow one another without a reset, and the first failure ends it."""

import dataclasses

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import HELD_OUT
from vlasync.envs.playtable.tasks import TASKS
from vlasync.errors import VlasyncError
from vlasync.evaluation.chains import calvin_chains, initial_observation
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.protocol.chain import OWN_SENTENCES, plan_chains, run_chain
from vlasync.evaluation.protocol.films import film_chain
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.spec import Camera
from vlasync.types import ActionChunk, Observation


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
        chain, instructions=(chain.instructions[0], OWN_SENTENCES["turn_on_lightbulb"], chain.instructions[2])
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


def test_every_chain_of_calvin_has_its_sentences():
    plain, swapped = plan_chains(12), plan_chains(12, swapped=True)
    assert [(planned.state, list(planned.tasks)) for planned in plain] == calvin_chains(12)
    assert [planned.index for planned in plain] == list(range(12))
    for ours, theirs in zip(plain, swapped, strict=True):
        assert ours.instructions == tuple(HELD_OUT[task][0] for task in ours.tasks)
        assert (ours.tasks, ours.state) == (theirs.tasks, theirs.state)
        assert all(said != asked for said, asked in zip(theirs.instructions, ours.instructions, strict=True))
    assert swapped == plan_chains(12, swapped=True)


def test_every_task_has_a_sentence_of_its_own():
    assert len(set(OWN_SENTENCES.values())) == len(TASKS) == 34


class CountingActor(ExpertActor):
    """The expert with a memory to be declared, which counts how often it is asked."""

    def __init__(self, memory: int) -> None:
        super().__init__("D")
        self.memory = memory
        self.asked = 0

    def predict(self, observation: Observation) -> ActionChunk:
        self.asked += 1
        chunk = super().predict(observation)
        return dataclasses.replace(chunk, actions=chunk.actions.repeat(4, axis=0))


@pytest.mark.parametrize(("memory", "share"), [(1, 3), (8, 1)])
def test_between_chunks_only_a_policy_with_a_memory_is_shown_frames(memory, share, chains, table):
    actor = CountingActor(memory)
    open_loop = Execution(kind="open_loop", steps=3)
    outcomes = run_chain(actor, table, chains[0], max_steps=30, execution=open_loop)
    assert actor.asked == sum(-(-outcome.steps // share) for outcome in outcomes)
