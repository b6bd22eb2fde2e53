"""One chain: five tasks in a row, each under its sentence, until one fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlasync.envs.calvin.checkout import Checkout
from vlasync.envs.playtable.instructions import HELD_OUT
from vlasync.envs.playtable.tasks import TASKS
from vlasync.envs.simulators import Simulator
from vlasync.evaluation.chains import calvin_chains, initial_observation
from vlasync.evaluation.rollout import Actor, Outcome, drive
from vlasync.execution import Execution

OWN_SENTENCES: Mapping[str, str] = {task: HELD_OUT[task][0] for task in TASKS}
"""Task -> the first of its held-out sentences."""


@dataclass(frozen=True, kw_only=True)
class PlannedChain:
    """A chain and the sentences for it.

    Attributes:
        index: its number among CALVIN's 1000, from 0.
        state: symbolic initial state, see `vlasync.evaluation.symbolic`.
        tasks: in order.
        instructions: the sentence for each task; that of another task where instructions are swapped.
    """

    index: int
    state: Mapping[str, int | str]
    tasks: tuple[str, ...]
    instructions: tuple[str, ...]


def plan_chains(
    count: int, *, swapped: bool = False, sentences: Mapping[str, str] = OWN_SENTENCES
) -> list[PlannedChain]:
    """The first `count` of CALVIN's chains, with one sentence per task.

    Args:
        count: 1 to 1000.
        swapped: each sentence asks for another task, drawn evenly from a generator seeded by the chain's number.
        sentences: what asks for each task; see `protocol_sentences`.

    Raises:
        VlasyncError: there are not as many chains.
    """
    chains = []
    for index, (state, tasks) in enumerate(calvin_chains(count)):
        rng = np.random.default_rng(index)
        asked = [str(rng.choice([name for name in TASKS if name != task])) if swapped else task for task in tasks]
        instructions = tuple(sentences[task] for task in asked)
        chains.append(PlannedChain(index=index, state=state, tasks=tuple(tasks), instructions=instructions))
    return chains


def protocol_sentences(calvin_root: Path | None = None) -> Mapping[str, str]:
    """The sentence that asks for each of the 34 tasks: CALVIN's own in its simulator, else `OWN_SENTENCES`.

    Raises:
        VlasyncError: the checkout at `calvin_root` has no sentences.
    """
    return OWN_SENTENCES if calvin_root is None else Checkout.find(calvin_root).sentences()


def run_chain(
    policy: Actor, env: Simulator, chain: PlannedChain, *, max_steps: int, execution: Execution
) -> list[Outcome]:
    """Set the chain's initial state up, then one task after the other without a reset, up to the first that fails.

    Returns:
        The outcomes of the tasks that were begun; all but the last are successes.
    """
    robot_obs, scene_obs = initial_observation(chain.state, env.layout)
    observation, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    outcomes: list[Outcome] = []
    for task, instruction in zip(chain.tasks, chain.instructions, strict=True):
        outcome, observation = drive(
            policy, env, observation, task=task, instruction=instruction, max_steps=max_steps, execution=execution
        )
        outcomes.append(outcome)
        if not outcome.success:
            break
    return outcomes
