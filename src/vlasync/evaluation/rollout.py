"""One rollout: a policy drives the play table under one sentence until the task is solved or time is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import sentence
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import achieved
from vlasync.errors import SpecMismatchError
from vlasync.policy import Policy
from vlasync.spec import SyncSpec
from vlasync.types import Observation

# Recorded increments are changes of the measured pose; the play table adds them to its target pose. Both agree where
# the arm keeps up with its target, and CALVIN's own benchmark hands them over unchanged: the one conversion made here.
PASS_THROUGH = "action_mode"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One start and one sentence.

    Attributes:
        task: whose start is set up and whose success is judged.
        instructed: the task that the sentence asks for; another one where instructions are swapped.
        sentence: held-out wording, never seen in training.
        seed: of the start.
        index: number of this trial among those of its task.
    """

    task: str
    instructed: str
    sentence: str
    seed: int
    index: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a trial.

    Attributes:
        success: whether the task was achieved within the step limit.
        steps: control steps taken.
        clipped: share of action entries that the environment's range +-1 cut off.
        executed: `[T, 7]` actions given to the environment.
        predicted: `[T, K, 7]` chunks that the policy predicted.
    """

    success: bool
    steps: int
    clipped: float
    executed: NDArray[np.float64]
    predicted: NDArray[np.float64]


def plan_trials(tasks: Sequence[str], trials: int, *, seed: int, swapped: bool = False) -> list[Trial]:
    """The same starts for every condition: `trials` per task, each with a held-out sentence.

    Args:
        tasks: tasks to try.
        trials: number of trials for each.
        seed: the same seed gives the same starts and sentences.
        swapped: take each sentence from another of the tasks.
    """
    planned = []
    for task in tasks:
        for index in range(trials):
            start = np.random.SeedSequence([seed, *task.encode(), index]).generate_state(1)[0]
            rng = np.random.default_rng([int(start), 1])
            others = [other for other in tasks if other != task]
            instructed = str(rng.choice(others)) if swapped else task
            words = sentence(instructed, "held_out", rng)
            planned.append(Trial(task=task, instructed=instructed, sentence=words, seed=int(start), index=index))
    return planned


def hand_over(policy: SyncSpec, environment: SyncSpec) -> list[str]:
    """Check that a policy's numbers mean what the environment takes them for; the conversions made, in words.

    Raises:
        SpecMismatchError: they differ in something that this hand-over does not convert.
    """
    made = []
    for item in policy.difference(environment):
        if item.field != PASS_THROUGH:
            raise SpecMismatchError(f"policy to environment: the SyncSpecs differ in {item}")
        made.append(
            f"{item.field}: {item.ours} increments are added to the {item.theirs} pose unchanged, as CALVIN does"
        )
    return made


def rollout(policy: Policy, env: PlayTable, trial: Trial, *, max_steps: int) -> Outcome:
    """Run one trial; success is judged after every step between the first snapshot and the current one."""
    robot_obs, scene_obs = sample_start(trial.task, np.random.default_rng(trial.seed))
    raw, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    policy.reset(trial.sentence)
    start = env.snapshot()
    executed, predicted, clipped, success = [], [], 0.0, False
    while len(executed) < max_steps and not success:
        chunk = policy.predict(Observation(**raw))
        action = np.clip(chunk.actions[0], -1.0, 1.0)
        clipped += float(np.mean(action != chunk.actions[0]))
        raw, *_ = env.step(action)
        executed.append(action)
        predicted.append(chunk.actions)
        success = trial.task in achieved(start, env.snapshot())
    return Outcome(
        success=success,
        steps=len(executed),
        clipped=clipped / len(executed),
        executed=np.stack(executed),
        predicted=np.stack(predicted),
    )


def replay(env: PlayTable, trial: Trial, executed: NDArray[np.float64]) -> dict[str, NDArray[np.uint8]]:
    """The images of a trial again, camera name -> `[T, H, W', 3]` uint8, at the resolution of `env`.

    The play table is deterministic, so replaying the executed actions shows exactly what happened.
    """
    robot_obs, scene_obs = sample_start(trial.task, np.random.default_rng(trial.seed))
    raw, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    frames: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in raw["images"]}
    for action in executed:
        for name, image in raw["images"].items():
            frames[name].append(image.copy())
        raw, *_ = env.step(action)
    return {name: np.stack(images) for name, images in frames.items()}
