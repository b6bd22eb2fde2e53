"""Replay: the recorded actions drive the simulator again, in one representation after the other.

What the numbers of a dataset mean is proved by what they do. Each annotated span starts from the robot and scene of its
first frame; its actions are written in a representation, handed to the environment as a policy's would be, and executed
without looking at the recording again. How far the TCP strays, and whether the task is still solved, says which
representations carry the demonstration, and that a round trip between two of them loses nothing.

Nothing is clipped: what the recorded numbers say is what is executed. A demonstration may end the moment its task is
achieved, and a replay of achieved poses trails it, so the arm gets a few frames more to arrive.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from vlasync.actions.frames import convert
from vlasync.actions.handover import hand_to_environment
from vlasync.actions.representations import represent
from vlasync.checks.replay.replay_report import ReplayReport, Strays, Tally, print_replay
from vlasync.checks.report.audit_report import AuditReport
from vlasync.checks.survey import chosen
from vlasync.data.open import open_dataset
from vlasync.envs.playtable.layouts import DEFAULT_SCENE
from vlasync.envs.playtable.tasks import TASKS, achieved
from vlasync.envs.simulators import Simulator, open_simulator, simulator_name
from vlasync.errors import DatasetError
from vlasync.processes import worker_pool
from vlasync.progress import stage
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan

ARRIVAL_FRAMES = 6
"""Frames for which the arm holds its last target. CALVIN's controller halves what is missing about every frame, so this
leaves 2 % of it."""

RECORDED = "as recorded"
"""Name of the variant that leaves the actions as they are."""

SPANS_PER_JOB = 4
"""Spans that a worker replays in one go: some seconds of work, so that the bar moves and no worker waits long."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to write recorded actions before they are executed.

    Attributes:
        name: for tables.
        through: conversions made one after the other, from the recorded actions on; the last one is executed.
        ahead: frames by which the poses are taken early; the gripper's commands stay.
        same_as: name of an earlier variant, to whose replay this one is compared.
    """

    name: str
    through: tuple[SyncSpec, ...] = ()
    ahead: int = 0
    same_as: str = RECORDED


def variants(spec: SyncSpec) -> list[Variant]:
    """The representations that recorded actions of `spec` are replayed in; the first is the recorded one."""
    # Of poses it is not known whether they were commanded or achieved; increments on the target lead there either way.
    on_target = {"action_mode": "relative_to_target", "action_clip": None}
    relative = on_target if spec.action_mode == "absolute" else {"action_mode": spec.action_mode, "action_clip": None}
    tcp, world = (represent(spec, name).replace(**relative) for name in ("tcp_relative", "world_relative"))
    poses = represent(spec, "world_absolute")
    return [
        Variant(name=RECORDED),
        Variant(name="TCP frame", through=(tcp,)),
        Variant(name="base frame", through=(world.replace(action_frame="base"),)),
        Variant(name="absolute", through=(poses,)),
        Variant(name="recorded via TCP", through=(tcp, spec)),
        Variant(name="absolute via relative", through=(poses, world.replace(**on_target), poses), same_as="absolute"),
        # Achieved poses trail the commands that led to them, and an arm that is sent to them trails once more.
        Variant(name="absolute, early", through=(poses,), ahead=1),
    ]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a replay did.

    Attributes:
        poses: `[T, 6]` TCP pose after each action, position in metres and extrinsic xyz Euler angles, world axes.
        solved: the span's task was achieved by the actions, or while the arm arrived.
    """

    poses: NDArray[np.float64]
    solved: bool


def replay(data: Path, *, sample: int | None = None, workers: int = 2, calvin_root: Path | None = None) -> ReplayReport:
    """Replay the annotated spans of a dataset in a simulator.

    Args:
        data: a training store or a split in CALVIN's layout, with the simulator's state.
        sample: number of episodes whose spans are replayed, spread evenly over the dataset; all by default.
        workers: processes, each with its own simulator; 1 replays in this process.
        calvin_root: checkout of CALVIN, whose simulator is to replay; by default the play table does.

    Returns:
        How far each representation strays and what it solves; the same for any number of workers.

    Raises:
        DatasetError: the dataset cannot be read, or no span of it can be replayed.
        SpecMismatchError: its actions cannot be brought into the simulator's representation.
        VlasyncError: CALVIN's simulator is not there.
    """
    episodes = open_dataset(data)
    jobs = [job for number in chosen(len(episodes), sample) for job in _jobs(number, episodes[number])]
    if not jobs:
        raise DatasetError(
            f"{data}: nothing to replay; a replay needs sentences inside their episodes and the simulator's `scene`"
        )
    tally = Tally()
    with stage("replay", sum(len(job.spans) for job in jobs)) as bar:
        outcomes = _in_workers(data, jobs, workers, calvin_root) if workers > 1 else _here(episodes, jobs, calvin_root)
        for job, found in zip(jobs, outcomes, strict=True):
            tally.merge(found)
            bar.advance(len(job.spans), status=tally.status())
    return tally.report(environment=simulator_name(calvin_root))


def with_replays(
    report: AuditReport, *, sample: int | None, workers: int, calvin_root: Path | None = None
) -> AuditReport:
    """An audit's report with the replay of each of its parts; arguments and errors as for `replay`."""
    parts = [
        part
        if part.path is None
        else dataclasses.replace(
            part, replay=replay(part.path, sample=sample, workers=workers, calvin_root=calvin_root)
        )
        for part in report.parts
    ]
    return dataclasses.replace(report, parts=tuple(parts))


def print_replays(report: AuditReport, console: Console) -> None:
    """Print the replay of each part of an audit, where there was one."""
    for part in report.parts:
        if part.replay is not None:
            print_replay(part.replay, console, of=part.name)


@dataclass(frozen=True)
class _Job:
    """Some annotated spans of one episode."""

    episode: int
    spans: tuple[LanguageSpan, ...]


def _jobs(number: int, episode: Episode) -> Iterator[_Job]:
    """The spans of an episode that can be replayed, a few at a time."""
    if episode.scene is None:
        return
    spans = [span for span in episode.language if 0 <= span.first <= span.last < len(episode)]
    for first in range(0, len(spans), SPANS_PER_JOB):
        yield _Job(number, tuple(spans[first : first + SPANS_PER_JOB]))


def _here(episodes: Sequence[Episode], jobs: Sequence[_Job], calvin_root: Path | None) -> Iterator[Tally]:
    """What each job came to; each episode is read once."""
    for number, group in itertools.groupby(jobs, key=lambda job: job.episode):
        episode = episodes[number]
        for job in group:
            yield _run(episode, job, calvin_root)


def _in_workers(data: Path, jobs: Sequence[_Job], workers: int, calvin_root: Path | None) -> Iterator[Tally]:
    """What each job came to, in their order."""
    with worker_pool(min(workers, len(jobs))) as pool:
        yield from pool.map(_run_in_worker, itertools.repeat(data), jobs, itertools.repeat(calvin_root))


def _run_in_worker(data: Path, job: _Job, calvin_root: Path | None) -> Tally:
    torch.set_num_threads(1)  # as many workers as processors: more threads would only wait for one another
    return _run(_read(data, job.episode), job, calvin_root)


@lru_cache(maxsize=1)
def _read(data: Path, number: int) -> Episode:
    """The episode that a worker replays; the next job is likely to be of the same."""
    return open_dataset(data)[number]


def _run(episode: Episode, job: _Job, calvin_root: Path | None) -> Tally:
    """Replay the spans of a job in every representation."""
    tally = Tally()
    for span in job.spans:
        replay_span(_simulator(episode.scene_name or DEFAULT_SCENE, calvin_root), episode, span, tally)
    return tally


@lru_cache(maxsize=1)  # CALVIN's simulator cannot be opened twice in a process
def _simulator(scene: str, calvin_root: Path | None) -> Simulator:
    """The simulator of this process, without pixels; it stays while jobs are of one scene."""
    return open_simulator(scene, {}, calvin_root=calvin_root)


def replay_span(env: Simulator, episode: Episode, span: LanguageSpan, tally: Tally) -> None:
    """Replay one annotated span in every representation and add what came of it to `tally`.

    Args:
        env: where to replay.
        episode: with the simulator's state.
        span: a span inside the episode.
        tally: where the outcome is counted.
    """
    spec = episode.spec.replace(cameras=env.sync_spec.cameras)  # a replay looks at no pixels
    recorded = tcp_poses(episode.state[span.first + 1 : span.last + 2], spec)
    poses: dict[str, NDArray[np.float64]] = {}
    for variant in variants(spec):
        actions, meaning = written(variant, episode, span, spec)
        trace = drive(env, actions, meaning, episode, span)
        poses[variant.name] = trace.poses
        tally.add(
            (variant.name, variant.same_as),
            judged=span.task in TASKS,
            solved=trace.solved,
            recording=Strays.between(trace.poses[: len(recorded)], recorded),
            replay=Strays.between(trace.poses, poses[variant.same_as]),
        )
    tally.spans += 1


def written(
    variant: Variant, episode: Episode, span: LanguageSpan, spec: SyncSpec
) -> tuple[NDArray[np.float64], SyncSpec]:
    """The actions of a span as a variant writes them, converted with the recorded states.

    Returns:
        `[T, n]` for the T frames of the span, and what they mean.
    """
    rows = slice(span.first, min(span.last + 1 + variant.ahead, len(episode)))
    actions, state, meaning = episode.actions[rows], episode.state[rows], spec
    for target in variant.through:
        actions, meaning = convert(actions, state, meaning, target), target
    length = span.last + 1 - span.first
    early = np.minimum(np.arange(length) + variant.ahead, len(actions) - 1)
    return np.concatenate([actions[early, :-1], actions[:length, -1:]], axis=1), meaning


def drive(
    env: Simulator, actions: NDArray[np.float64], meaning: SyncSpec, episode: Episode, span: LanguageSpan
) -> Trace:
    """Execute the actions `[T, n]` of a span from the state of its first frame.

    They are handed over step by step, as a policy's are: increments refer to where the arm is now.
    """
    if episode.scene is None:
        raise DatasetError(f"{episode.name}: a replay needs the simulator's state; this episode has no `scene`")
    handed = hand_to_environment(meaning, env.sync_spec, where=f"{episode.name} -> environment")
    seen, _ = env.reset(robot_obs=episode.state[span.first], scene_obs=episode.scene[span.first])
    start, states, solved = env.snapshot(), [], False
    step = np.zeros(env.sync_spec.action_size)
    for frame in range(len(actions) + ARRIVAL_FRAMES):
        if frame < len(actions):
            step = handed.apply(actions[frame : frame + 1], seen["state"], commanded=env.target_pose)[0]
        else:
            step = np.append(np.zeros(len(step) - 1), step[-1])
        seen, *_ = env.step(step)
        states.append(seen["state"])
        solved = solved or span.task in achieved(start, env.snapshot())
    return Trace(poses=tcp_poses(np.stack(states[: len(actions)]), env.sync_spec), solved=solved)


def tcp_poses(state: NDArray[np.float64], spec: SyncSpec) -> NDArray[np.float64]:
    """`[T, 6]` of states `[T, S]`: metres and extrinsic xyz Euler angles in world axes."""
    return np.concatenate([state[:, spec.state_slice("tcp_position")], state[:, spec.state_slice("tcp_euler")]], axis=1)
