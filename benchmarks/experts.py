"""How often the scripted expert solves each task, in each scene, from starts that nothing else uses.

    python benchmarks/experts.py [--starts 50] [--scenes A,B,C,D] [--workers 2] [--write]

Without cameras and without pushes off its way; success is CALVIN's condition within the 360 steps of its protocol.
`--write` puts the table into `docs/scenes.md`. Fifty starts of all tasks in all scenes are 6800 rollouts: some ten
minutes of one core.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import tyro

from sections import write_section
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.tasks import TASKS
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.protocol.chain import OWN_SENTENCES
from vlasync.evaluation.protocol.run import MAX_STEPS
from vlasync.evaluation.report import interval, label, percent
from vlasync.evaluation.results import TaskResult, describe_machine
from vlasync.evaluation.rollout import plan_trials, rollout
from vlasync.processes import results_of
from vlasync.progress import console, stage

PAGE = Path(__file__).parents[1] / "docs" / "scenes.md"
SECTION = "experts"
SEED = 2_000_003
"""Of the starts; recordings and evaluations have others."""

ENOUGH = 0.9
"""Success that each task has to reach over all scenes."""


@dataclass(frozen=True, kw_only=True)
class Experts:
    """What to try.

    Attributes:
        starts: per task and scene.
        scenes: separated by commas.
        tasks: all 34 by default.
        workers: simulator processes; the figures do not depend on it.
        write: put the table into the page.
    """

    starts: int = 50
    scenes: str = "A,B,C,D"
    tasks: tuple[str, ...] = TASKS
    workers: int = 2
    write: bool = False


@dataclass(frozen=True, kw_only=True)
class Solved:
    """What came of one task in one scene.

    Attributes:
        steps: control steps of each start that was solved.
    """

    scene: str
    task: str
    starts: int
    steps: tuple[int, ...]


def main(config: Experts) -> None:
    """Try all, print the table, and write it where asked to."""
    scenes = config.scenes.split(",")
    jobs = [(scene, task) for scene in scenes for task in config.tasks]
    found = []
    with stage("experts", len(jobs)) as bar:
        for solved in results_of(partial(solve, config.starts), jobs, workers=config.workers):
            found.append(solved)
            bar.advance(status=f"{solved.task} in {solved.scene}: {len(solved.steps)} of {solved.starts}")
    text = table(found, config)
    console.print(text, markup=False, soft_wrap=True)
    if config.write:
        write_section(PAGE, SECTION, text)


def solve(starts: int, job: tuple[str, str]) -> Solved:
    """In a worker: one task in one scene, from each of its starts."""
    scene, task = job
    trials = [replace(trial, sentence=OWN_SENTENCES[task]) for trial in plan_trials([task], starts, seed=SEED)]
    outcomes = [rollout(ExpertActor(scene), _table(scene), trial, max_steps=MAX_STEPS) for trial in trials]
    steps = tuple(outcome.steps for outcome in outcomes if outcome.success)
    return Solved(scene=scene, task=task, starts=starts, steps=steps)


@cache
def _table(scene: str) -> PlayTable:
    return PlayTable(scene=scene, cameras={})


def table(found: Sequence[Solved], config: Experts) -> str:
    """The page's part: a row for each task, and what all of them come to."""
    scenes = config.scenes.split(",")
    by_job = {(solved.scene, solved.task): solved for solved in found}
    rows = {task: [by_job[scene, task] for scene in scenes] for task in config.tasks}
    pooled = {task: _pooled(task, row) for task, row in rows.items()}
    below = [label(task) for task, result in pooled.items() if result.rate < ENOUGH]
    lines = [f"| task | {' | '.join(scenes)} | all | 95 % interval | steps |", "|---|" + "---|" * (len(scenes) + 3)]
    for task, row in rows.items():
        counts = " | ".join(str(len(solved.steps)) for solved in row)
        lines.append(f"| {label(task)} | {counts} | {_cells(pooled[task])} | {_median_steps(row)} |")
    everything = [solved for row in rows.values() for solved in row]
    counts = " | ".join(percent(_pooled(scene, [s for s in everything if s.scene == scene]).rate) for scene in scenes)
    lines.append(f"| all tasks | {counts} | {_cells(_pooled('all', everything))} | {_median_steps(everything)} |")
    command = f"python benchmarks/experts.py --starts {config.starts} --scenes {config.scenes} --write"
    return (
        f"Starts solved by the scripted expert, of {config.starts} unseen ones for each task and scene, within "
        f"{MAX_STEPS} steps\n(`{command}`; {describe_machine()}). "
        f"Below {percent(ENOUGH)} over all scenes: {', '.join(below) or 'none'}.\n\n" + "\n".join(lines)
    )


def _pooled(name: str, row: Iterable[Solved]) -> TaskResult:
    solved = list(row)
    return TaskResult(name, sum(len(one.steps) for one in solved), sum(one.starts for one in solved))


def _cells(result: TaskResult) -> str:
    return f"{percent(result.rate)} | {interval(result.interval)}"


def _median_steps(row: Iterable[Solved]) -> str:
    steps = [step for solved in row for step in solved.steps]
    return f"{np.median(steps):.0f}" if steps else "-"


if __name__ == "__main__":
    main(tyro.cli(Experts))
