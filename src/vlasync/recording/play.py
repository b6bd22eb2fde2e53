"""Play: the expert does one task after the other without a reset, and the task conditions say afterwards what was done.

A recording begins with the task that its start was made for. After it the order is left to chance among what is
possible at the moment, with what was played least coming first. A task that takes too long is left for another one, as
a person would. A block in the hand is put back on the table now and then, or all blocks would end up in the cabinet,
where little can be done with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.instructions import sentence
from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.possible import possible_tasks
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import Snapshot, achieved
from vlasync.recording.frames import write_episode
from vlasync.recording.labels import LASTING, Label, find_labels
from vlasync.recording.perturbation import Perturbation, clean_stretches, draw_bursts
from vlasync.types import Episode, LanguageSpan, Observation

BLOCKED_LEAD = 0.08
"""Metres from the arm to its target that say that something holds it up; in free motion they stay below 0.04."""

GO_STEPS, ARRIVE_STEPS = 60, 5
"""At most so many steps for a way that is no task, and for the arm to catch up with its target."""

GO_SPEED = 0.5
"""Share of the highest speed on such a way: 0.3 m/s."""

PUT_DOWN, NOTHING = "put the block down", "nothing"
"""What is no task and can be done all the same."""

PUT_DOWN_Y, PUT_DOWN_Z = -0.105, (0.56, 0.478)
"""Where the TCP puts a block down, m: in front of the door, from above to where the block all but lies on the table."""

PUT_DOWN_ROOM, PLACES_TRIED = 0.12, 20
"""Distance, m, along x to other blocks and the button that a place should have, and how many are tried."""

HELD_Z = 0.50
"""Blocks whose centre is higher, m, are not on the table."""


def play(
    env: PlayTable,
    tasks: Sequence[str],
    rng: np.random.Generator,
    *,
    name: str,
    first_frame: int,
    frames: int,
    perturbation: Perturbation,
    max_steps: int,
) -> Episode | None:
    """Let the expert play from a random start.

    Args:
        env: play table; its cameras are recorded.
        tasks: what it may do, of `instructions.DEMONSTRATED_TASKS`.
        rng: the only source of chance: start, order of the tasks, sentences.
        name: of the episode.
        first_frame: number of the episode's first frame in its dataset.
        frames: length of the episode.
        perturbation: bursts that disturb the expert.
        max_steps: the expert turns to another task after this many steps.

    Returns:
        The episode, with a sentence for each task that was achieved while the expert was about it; or None if the arm
        got stuck and could not go on.
    """
    task = tasks[int(rng.integers(len(tasks)))]
    recorder = _Recorder(env, frames)
    recorder.start(*sample_start(task, rng, env.layout))
    played: Counter[str] = Counter()
    while not recorder.full:
        played[task] += 1
        if task == PUT_DOWN:
            recorder.put_down(_free_x(recorder.snapshots[-1], env.layout, rng))
        if task not in tasks or not recorder.attempt(task, draw_bursts(perturbation, max_steps, rng)):
            recorder.rest()
            if recorder.blocked and not recorder.full:
                return None
        task = _choose(_options(recorder.snapshots[-1], env.layout, tasks), played, rng)
    language: list[LanguageSpan] = []
    for label in find_labels(recorder.snapshots, window=max_steps):
        if stretches := recorder.clean_stretches(label):
            words = sentence(label.task, "training", rng)
            language += [LanguageSpan(first=a, last=b, sentence=words, task=label.task) for a, b in stretches]
    return write_episode(
        env,
        recorder.observations,
        np.stack(recorder.commands),
        name=name,
        first_frame=first_frame,
        language=tuple(language),
    )


def _options(now: Snapshot, layout: Layout, tasks: Sequence[str]) -> set[str]:
    """What can be done now: some of `tasks`, putting down the block in the hand, or at least nothing."""
    possible = possible_tasks(now, layout)
    put_down = {PUT_DOWN} if "place_in_slider" in possible else set()  # which asks for no more than a block in the hand
    return possible & set(tasks) | put_down or {NOTHING}


def _choose(options: set[str], played: Counter[str], rng: np.random.Generator) -> str:
    """One of the options that were played least."""
    fewest = min(played[option] for option in options)
    rarest = sorted(option for option in options if played[option] == fewest)
    return rarest[rng.integers(len(rarest))]


def _free_x(now: Snapshot, layout: Layout, rng: np.random.Generator) -> float:
    """Where on the table a block can be put down: with room for the hand before the button and other blocks, if any."""
    others = np.append(now.block_pos[:, 0], layout.button_x)
    # The block in the hand is none of the others; it is up in the air.
    others = others[np.append(now.block_pos[:, 2] < HELD_Z, True)]
    places = rng.uniform(*layout.table_blocks_x, size=PLACES_TRIED)
    apart = np.abs(places[:, None] - others).min(axis=1)
    return float(
        places[np.argmax(apart > PUT_DOWN_ROOM)] if (apart > PUT_DOWN_ROOM).any() else places[np.argmax(apart)]
    )


class _Recorder:
    """Acts on the table until so many frames are recorded, and keeps all that was seen and done."""

    def __init__(self, env: PlayTable, frames: int) -> None:
        self._env, self._frames = env, frames
        self.observations: list[Observation] = []
        self.snapshots: list[Snapshot] = []
        self.commands: list[NDArray[np.float64]] = []
        self.doing: list[str] = []
        self._disturbed: list[bool] = []

    @property
    def full(self) -> bool:
        """Whether there are as many frames as were asked for."""
        return len(self.commands) >= self._frames

    def start(self, robot_obs: NDArray[np.float64], scene_obs: NDArray[np.float64]) -> None:
        """Reset the table: the first frame."""
        raw, _ = self._env.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        self.observations.append(Observation(**raw))
        self.snapshots.append(self._env.snapshot())

    @property
    def blocked(self) -> bool:
        """Whether the target has run away from an arm that something holds up."""
        return bool(np.linalg.norm(self._env.target_pose[:3] - self.observations[-1].state[:3]) > BLOCKED_LEAD)

    def attempt(self, task: str, bursts: NDArray[np.float64]) -> bool:
        """Let the expert act until the task is achieved for good, time is over or the arm is blocked.

        Args:
            task: what to do.
            bursts: `[max_steps, 6]` motions that take the place of the expert's where they are not NaN.

        Returns:
            Whether it succeeded.
        """
        expert, start = Expert(task, self._env.layout), self.snapshots[-1]
        lasting = 0
        for burst in bursts:
            if self.full or self.blocked or lasting > LASTING:
                break
            command = expert.act(self.observations[-1])
            disturbed = not np.isnan(burst[0])
            if disturbed:
                command[:6] = burst
            self._step(command, task, disturbed)
            lasting = lasting + 1 if task in achieved(start, self.snapshots[-1]) else 0
        return lasting > 0

    def put_down(self, x: float) -> None:
        """Lower the block in the hand on the table, and let go."""
        spec, yaw = self._env.sync_spec, self._env.target_pose[5]
        over, on = (np.array([x, PUT_DOWN_Y, z, *NEUTRAL[3:5], yaw]) for z in PUT_DOWN_Z)
        self._go(over, spec.gripper_closed)
        self._go(on, spec.gripper_closed)
        self._go(on, spec.gripper_open)

    def rest(self) -> None:
        """Open the hand and go back to the neutral pose: a blocked arm is free again."""
        self._go(np.array(NEUTRAL[:6]), self._env.sync_spec.gripper_open)

    def _go(self, pose: NDArray[np.float64], gripper: float) -> None:
        """Bring the arm's target to a pose `[6]`, and let the arm arrive.

        The way is that of the target and not of the measured pose: against an obstacle the target runs far ahead.
        """
        spec = self._env.sync_spec
        arriving = 0
        for _ in range(GO_STEPS):
            if self.full or arriving == ARRIVE_STEPS:
                return
            way = increments(self._env.target_pose[None], pose[None], spec)[0]
            self._step(np.append(np.clip(way, -GO_SPEED, GO_SPEED), gripper), NOTHING)
            arriving += bool(np.abs(way).max() < GO_SPEED)

    def clean_stretches(self, label: Label) -> list[tuple[int, int]]:
        """First and last frames, within a label, of what the expert did undisturbed to achieve the label's task.

        There are none where it was about another one and achieved this by the way, or where a burst achieved it.
        """
        first = label.last + 1
        while first > label.first and self.doing[first - 1] == label.task:
            first -= 1
        disturbed = np.array(self._disturbed[first : label.last + 1], dtype=bool)
        stretches = [(first + start, first + end) for start, end in clean_stretches(disturbed)]
        return stretches if stretches and stretches[-1][1] == label.last else []

    def _step(self, command: NDArray[np.float64], doing: str, disturbed: bool = False) -> None:
        raw, *_ = self._env.step(command)
        self.observations.append(Observation(**raw))
        self.snapshots.append(self._env.snapshot())
        self.commands.append(command)
        self.doing.append(doing)
        self._disturbed.append(disturbed)
