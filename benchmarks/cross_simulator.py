"""The same commands from the same states in the play table and in CALVIN: how far apart do they end?

    python benchmarks/cross_simulator.py --calvin DATASET --commands FILE [--calvin-root ROOT] [--write]

DATASET was recorded with CALVIN's simulator; FILE holds, as .npz, the target poses that were sent to its arm and the
states that followed, one more of these, per recording: `<split>_<first frame>__{cmd,robot_obs,scene_obs}`. Each
annotated span is driven from the state of its first frame by the commands that followed there.

A state says nothing of velocities: what is put into it starts at rest, while the recorded arm was under way. With
`--calvin-root` CALVIN is therefore started from the same states, too. How far it strays from its own recording is what
the start from rest costs; how far the play table strays from it is the difference of the simulators.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from sections import write_section
from vlasync.actions.handover import hand_to_environment
from vlasync.actions.representations import represent
from vlasync.checks.replay.replay_report import Strays
from vlasync.data.open import open_dataset
from vlasync.envs.playtable.layouts import DEFAULT_SCENE
from vlasync.envs.playtable.tasks import achieved
from vlasync.envs.simulators import Simulator, open_simulator, simulator_name
from vlasync.errors import DatasetError
from vlasync.evaluation.report import label
from vlasync.progress import console, stage
from vlasync.spec import SyncSpec

PAGE = Path(__file__).parents[1] / "docs" / "simulator.md"
SECTION = "the same commands in both"

AFTER = (1, 8, 16, 32, 64)
"""Steps after which both are compared."""

SPARE_STEPS = 6
"""Steps after a span in which its task still counts as solved: an arm that starts from rest comes a little later."""

RECORDING = "recording"


@dataclass(frozen=True, kw_only=True)
class CrossSimulator:
    """What to compare.

    Attributes:
        calvin: recordings made with CALVIN's simulator: a folder with training/ and validation/.
        commands: what was sent to its arm, see above.
        calvin_root: checkout of CALVIN, to drive its simulator, too.
        write: put the tables into `docs/simulator.md`.
    """

    calvin: Path
    commands: Path
    calvin_root: Path | None = None
    write: bool = False


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A recorded span and the commands that were sent in it.

    Attributes:
        task: what was done.
        scene_name: `A` to `D`.
        length: frames of the span.
        commands: `[T, 7]` target poses, metres and extrinsic xyz Euler angles in world axes, and gripper commands.
        states: `[T + 1, 15]` robot, as recorded.
        scenes: `[T + 1, 24]` scene, as recorded.
    """

    task: str
    scene_name: str
    length: int
    commands: NDArray[np.float64]
    states: NDArray[np.float64]
    scenes: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What happened: `states [T + 1, 15]`, `scenes [T + 1, 24]`, and whether the task was solved."""

    states: NDArray[np.float64]
    scenes: NDArray[np.float64]
    solved: bool


def main(config: CrossSimulator) -> None:
    """Drive both, print the tables, and write them where asked to."""
    stretches = list(read_stretches(config.calvin, config.commands))
    traces = {RECORDING: [Trace(states=s.states, scenes=s.scenes, solved=True) for s in stretches]}
    for root in dict.fromkeys((None, config.calvin_root)):
        traces[simulator_name(root)] = drive_all(stretches, root)
    text = f"{distances(traces)}\n\n{tasks(stretches, traces)}"
    console.print(text, markup=False, soft_wrap=True)
    if config.write:
        write_section(PAGE, SECTION, text)


def read_stretches(data: Path, commands: Path) -> Iterator[Stretch]:
    """The annotated spans of the recordings, each with what was sent from its first frame on.

    Raises:
        DatasetError: the dataset cannot be read, or there are no commands for a recording.
    """
    with np.load(commands) as arrays:
        for split in ("training", "validation"):
            for episode in open_dataset(data / split):
                name = f"{split}_{int(episode.frame_index[0])}"
                if f"{name}__cmd" not in arrays:
                    raise DatasetError(f"{commands}: no {name}__cmd, the commands of {data / split}, {episode.name}")
                sent, robot, scene = (arrays[f"{name}__{stream}"] for stream in ("cmd", "robot_obs", "scene_obs"))
                for span in episode.language:
                    length = span.last + 1 - span.first
                    end = min(span.first + max(length + SPARE_STEPS, AFTER[-1]), len(sent))
                    yield Stretch(
                        task=span.task,
                        scene_name=episode.scene_name or DEFAULT_SCENE,
                        length=length,
                        commands=sent[span.first : end],
                        states=robot[span.first : end + 1],
                        scenes=scene[span.first : end + 1],
                    )


def drive_all(stretches: Sequence[Stretch], root: Path | None) -> list[Trace]:
    """What the commands lead to in the play table, or in the checkout of CALVIN at `root`."""
    traces = []
    env: Simulator | None = None
    with stage(simulator_name(root), len(stretches)) as bar:
        for stretch in stretches:
            if env is None or env.layout.name != stretch.scene_name:
                env = open_simulator(stretch.scene_name, {}, calvin_root=root)
            traces.append(drive(env, stretch))
            bar.advance()
    return traces


def drive(env: Simulator, stretch: Stretch) -> Trace:
    """Send the arm to the commanded poses, one per step, from the state of the stretch's first frame."""
    sent = represent(SyncSpec.CALVIN, "world_absolute").replace(cameras=env.sync_spec.cameras)
    handed = hand_to_environment(sent, env.sync_spec, where="recorded commands -> simulator")
    seen, _ = env.reset(robot_obs=stretch.states[0], scene_obs=stretch.scenes[0])
    start, states, scenes, solved = env.snapshot(), [seen["state"]], [seen["scene"]], False
    for number, command in enumerate(stretch.commands):
        seen, *_ = env.step(handed.apply(command[None], seen["state"], commanded=env.target_pose)[0])
        states.append(seen["state"])
        scenes.append(seen["scene"])
        in_time = number < stretch.length + SPARE_STEPS
        solved = solved or (in_time and stretch.task in achieved(start, env.snapshot()))
    return Trace(states=np.stack(states), scenes=np.stack(scenes), solved=solved)


def distances(traces: Mapping[str, Sequence[Trace]]) -> str:
    """A table: how far any two are apart after some steps, as the mean over all stretches and the largest."""
    names = list(traces)
    heads = ("compared", "after", "spans", "TCP, mm", "TCP, degrees", "door and drawer, mm", "blocks, mm")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for ours, theirs in ((ours, theirs) for theirs, ours in itertools.combinations(names, 2)):
        both = list(zip(traces[ours], traces[theirs], strict=True))
        for step in AFTER:
            far = np.array([apart(one, other, step) for one, other in both if len(one.states) > step])
            cells = [f"{column.mean():.1f} ({column.max():.1f})" for column in far.T]
            lines.append(f"| {' | '.join((f'{ours}, {theirs}', str(step), str(len(far)), *cells))} |")
    return "\n".join(lines)


def apart(ours: Trace, theirs: Trace, step: int) -> tuple[float, float, float, float]:
    """After so many steps: the TCP's distance in mm and degrees, and in mm the larger of doors' and blocks'."""
    tcp = Strays.between(ours.states[step : step + 1, :6], theirs.states[step : step + 1, :6])
    scene = 1000.0 * (ours.scenes[step] - theirs.scenes[step])
    blocks = np.linalg.norm(scene[6:].reshape(3, 6)[:, :3], axis=1)
    return tcp.max_millimetres, tcp.max_degrees, float(np.abs(scene[:2]).max()), float(blocks.max())


def tasks(stretches: Sequence[Stretch], traces: Mapping[str, Sequence[Trace]]) -> str:
    """A table: of the stretches that solved a task when they were recorded, how many solve it in each simulator."""
    names = [name for name in traces if name != RECORDING]
    lines = [f"| task | recorded | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    numbers = {task: [n for n, s in enumerate(stretches) if s.task == task] for task in [s.task for s in stretches]}
    for task, rows in (numbers | {"all tasks": list(range(len(stretches)))}).items():
        solved = " | ".join(str(sum(traces[name][row].solved for row in rows)) for name in names)
        lines.append(f"| {label(task)} | {len(rows)} | {solved} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(CrossSimulator))
