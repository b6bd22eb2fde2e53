"""By what policies tell scenes apart: success in a scene that has one thing of another.

    python benchmarks/scene_cues.py RUN [RUN ...] [--scene D] [--tasks move_slider_right turn_off_led] [--write]

A policy of a few scenes that meets a new one goes where the scene that it takes it for has things. Given the colours,
say, of that scene, the new one is mistaken the more. The same starts and held-out sentences in every row of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table

from sections import write_section
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.layouts import LAYOUTS, Layout
from vlasync.evaluation.rollout import Actor, plan_trials, rollout
from vlasync.policy import Policy

PARTS = {
    "colours": ("table", "door", "drawer"),
    "drawer": ("drawer_x",),
    "block sizes": ("block_lengths",),
}
"""What is taken from another scene -> fields of its layout. Nothing that decides where the tasks of TASKS are done."""

TASKS = ("move_slider_right", "turn_on_lightbulb", "turn_off_led")
SEED = 1_000_003
MAX_STEPS = 120
PAGE = Path(__file__).parents[1] / "docs" / "calvin.md"


def hybrids(scene: str) -> Iterator[tuple[str, Layout]]:
    """The scene as it is, then with each part of each other scene that differs, by name."""
    own = LAYOUTS[scene]
    yield f"{scene} as it is", own
    for part, fields in PARTS.items():
        for name, other in LAYOUTS.items():
            mixed = replace(own, **{field: getattr(other, field) for field in fields})
            if mixed != own:
                yield f"{scene}, {part} of {name}", mixed


def solved(policy: Actor, layout: Layout, task: str, trials: int) -> int:
    """How many trials of a task come to their end."""
    env = PlayTable(scene=layout, cameras=policy.spec.cameras)
    planned = plan_trials([task], trials, seed=SEED)
    return sum(rollout(policy, env, trial, max_steps=MAX_STEPS).success for trial in planned)


def main(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    scene: str = "D",
    tasks: tuple[str, ...] = TASKS,
    trials: int = 12,
    write: bool = False,
) -> None:
    """Drive each policy in each hybrid; `--write` puts the table into docs/calvin.md."""
    torch.set_num_threads(1)
    rows = [("run", "scene", *(task.replace("_", " ") for task in tasks))]
    for run in runs:
        policy = Policy.load(run)
        for name, layout in hybrids(scene):
            rows.append((run.name, name, *(str(solved(policy, layout, task, trials)) for task in tasks)))
            print(*rows[-1], sep=" | ", flush=True)
    table = Table(*rows[0], title=f"solved of {trials}, of at most {MAX_STEPS} steps")
    for row in rows[1:]:
        table.add_row(*row)
    Console().print(table)
    if write:
        lines = "\n".join(f"| {' | '.join(line)} |" for line in (rows[0], ("---",) * len(rows[0]), *rows[1:]))
        write_section(PAGE, "scene cues", f"Solved of {trials} starts each, {MAX_STEPS} steps at most:\n\n{lines}")


if __name__ == "__main__":
    tyro.cli(main)
