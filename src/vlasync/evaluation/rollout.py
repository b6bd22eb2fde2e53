"""One rollout: a policy drives a simulator under one sentence until the task is solved or time is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.handover import hand_to_environment
from vlasync.envs.playtable.instructions import sentence
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import achieved
from vlasync.envs.simulators import Simulator
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk, Observation


class Actor(Protocol):
    """What can drive: a `vlasync.policy.Policy`, or whatever answers as one does."""

    @property
    def spec(self) -> SyncSpec:
        """What the numbers of its observations and actions mean."""
        ...

    @property
    def memory(self) -> int:
        """Frames that a prediction looks back on, its own included."""
        ...

    def reset(self, instruction: str) -> None:
        """Begin a new task."""
        ...

    def predict(self, observation: Observation) -> ActionChunk:
        """The chunk intended from this frame on."""
        ...


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
        clipped: share of action entries that the environment's `action_clip` cut off.
        executed: `[T, 7]` actions given to the environment.
        predicted: `[T, K, 7]` chunks that the policy predicted, in the environment's representation.
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


def rollout(
    policy: Actor, env: Simulator, trial: Trial, *, max_steps: int, execution: Execution = FIRST_ACTION
) -> Outcome:
    """Run one trial from its start; see `drive`."""
    robot_obs, scene_obs = sample_start(trial.task, np.random.default_rng(trial.seed), env.layout)
    observation, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    outcome, _ = drive(
        policy,
        env,
        observation,
        task=trial.task,
        instruction=trial.sentence,
        max_steps=max_steps,
        execution=execution,
    )
    return outcome


def drive(
    policy: Actor,
    env: Simulator,
    observation: dict[str, Any],
    *,
    task: str,
    instruction: str,
    max_steps: int,
    execution: Execution,
) -> tuple[Outcome, dict[str, Any]]:
    """Let a policy drive from where the table stands; success is judged after each step against the first snapshot.

    Args:
        policy: begins anew, with an empty history.
        env: the table, in the state of which `observation` tells.
        observation: what `env` gave last.
        task: whose condition ends the rollout.
        instruction: what the policy hears.
        max_steps: control steps after which the task counts as failed.
        execution: what of the predicted chunks is executed.

    Returns:
        What came of it, and the last observation.

    Raises:
        SpecMismatchError: the policy's actions cannot be brought into the environment's representation.
    """
    handed = hand_to_environment(policy.spec, env.sync_spec)
    bound = np.inf if env.sync_spec.action_clip is None else env.sync_spec.action_clip
    policy.reset(instruction)
    plan = execution.begin(env.sync_spec)
    start = env.snapshot()
    executed, predicted, clipped, success = [], [], 0.0, False
    while len(executed) < max_steps and not success:
        if plan.due or policy.memory > 1:  # a history has no gaps
            chunk = policy.predict(Observation(**observation))
            if plan.due:
                plan.take(handed.apply(chunk.actions, observation["state"], commanded=env.target_pose))
        predicted.append(plan.ahead)
        planned = plan.next()
        action = np.clip(planned, -bound, bound)
        clipped += float(np.mean(action != planned))
        observation, *_ = env.step(action)
        executed.append(action)
        success = task in achieved(start, env.snapshot())
    outcome = Outcome(
        success=success,
        steps=len(executed),
        clipped=clipped / len(executed),
        executed=np.stack(executed),
        predicted=np.stack(predicted),
    )
    return outcome, observation


def replay(env: Simulator, trial: Trial, executed: NDArray[np.float64]) -> dict[str, NDArray[np.uint8]]:
    """The images of a trial again; see `film`."""
    robot_obs, scene_obs = sample_start(trial.task, np.random.default_rng(trial.seed), env.layout)
    observation, _ = env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    return film(env, observation, executed)[0]


def film(
    env: Simulator, observation: dict[str, Any], executed: NDArray[np.float64]
) -> tuple[dict[str, NDArray[np.uint8]], dict[str, Any]]:
    """What the cameras of `env` see while executed actions `[T, 7]` drive it from where it stands.

    Simulators are deterministic, so replaying the executed actions shows exactly what happened.

    Returns:
        Camera name -> `[T, H, W', 3]` uint8, and the last observation.
    """
    frames: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in observation["images"]}
    for action in executed:
        for name, image in observation["images"].items():
            frames[name].append(image.copy())
        observation, *_ = env.step(action)
    return {name: np.stack(images) for name, images in frames.items()}, observation
