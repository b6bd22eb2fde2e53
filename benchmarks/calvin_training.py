"""What a run achieves on CALVIN's chains: average length, baselines, learning curve and every task, as tables.

    python benchmarks/calvin_training.py RUN --scene D [--chains 1000] [--write "D -> D"]

Runs what is missing of the trained policy's chains, of the two baselines' and of the kept milestones', and prints what
they say. `--write TITLE` puts it into `docs/calvin.md`, between the marks of that title.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sections import write_section
from vlasync.evaluation.protocol.actors import Driver, driver_folder
from vlasync.evaluation.protocol.chain import plan_chains
from vlasync.evaluation.protocol.command import evaluate_chains
from vlasync.evaluation.protocol.options import ProtocolOptions
from vlasync.evaluation.protocol.results import ChainResults
from vlasync.evaluation.protocol.run import ProtocolConfig, run_chains
from vlasync.runs import checkpoint_folders, minutes_of, read_metrics

PAGE = Path(__file__).parents[1] / "docs" / "calvin.md"


@dataclass(frozen=True, kw_only=True)
class CalvinTraining:
    """What to evaluate.

    Attributes:
        run: run folder.
        scene: where its policy acts.
        chains: of CALVIN's 1000, for the trained policy.
        baseline_chains: for the untrained policy, and for the trained one under sentences of other tasks.
        curve_chains: for every kept checkpoint.
        workers: simulator processes.
        write: title of the part of `docs/calvin.md` to write.
    """

    run: Annotated[Path, tyro.conf.Positional]
    scene: Literal["A", "B", "C", "D"] = "D"
    chains: int = 1000
    baseline_chains: int = 100
    curve_chains: int = 100
    workers: int = 2
    write: str = ""


def main(config: CalvinTraining) -> None:
    """Evaluate, print, and write where asked to."""
    rows = [_results(config, "trained", config.chains)]
    rows += [_results(config, driver, config.baseline_chains) for driver in ("untrained", "swapped")]
    parts = (_facts(config, rows[0]), _headline(rows), _curve(config, rows), _tasks(rows))
    text = "\n\n".join(part for part in parts if part)
    print(text)
    if config.write:
        write_section(PAGE, config.write, text)


def _results(config: CalvinTraining, driver: Driver, chains: int) -> ChainResults:
    """What one driver achieves, by the same way as `vlasync evaluate`, which also writes the page."""
    options = ProtocolOptions(protocol="calvin", chains=chains, scene=config.scene, policy=driver)
    evaluate_chains(config.run, options, max_steps=None, workers=config.workers)
    folder = ProtocolConfig(
        run=config.run, driver=driver, checkpoint=driver_folder(config.run, driver), scene=config.scene
    ).folder
    return ChainResults.load(folder / "results.json")


def _facts(config: CalvinTraining, trained: ChainResults) -> str:
    data = json.loads((config.run / "data.json").read_text())
    log = read_metrics(config.run / "metrics.jsonl")
    seed = json.loads((config.run / "recipe.json").read_text())["training"]["seed"]
    speed = sorted(line.frames_per_second for line in log)[len(log) // 2]
    return (
        f"{data['windows']:,} windows of {len(data['tasks'])} tasks, {data['steps']:,} steps in {log[-1].minutes:.0f} "
        f"minutes ({speed:.0f} frames/s), seed {seed}; "
        f"{trained.machine}. `{trained.command}`"
    )


def _headline(rows: list[ChainResults]) -> str:
    table = "| policy | chains | average length | 95 % interval | 1 | 2 | 3 | 4 | 5 |\n" + "|---" * 9 + "|\n"
    for row in rows:
        low, high = row.average_length_interval
        shares = " | ".join(f"{result.rate:.3f}" for result in row.success_at)
        length = f"**{row.average_length:.2f}** | {low:.2f} to {high:.2f}"
        table += f"| {row.driver} | {len(row.outcomes)} | {length} | {shares} |\n"
    return table.rstrip()


def _curve(config: CalvinTraining, rows: list[ChainResults]) -> str:
    """Average length against minutes of training, over the same first chains for every checkpoint."""
    points = [(0.0, rows[1].lengths[: config.curve_chains])]
    for folder in checkpoint_folders(config.run):
        asked = ProtocolConfig(
            run=config.run, driver="trained", checkpoint=folder, scene=config.scene, workers=config.workers
        )
        outcomes = run_chains(asked, plan_chains(config.curve_chains))
        points.append((minutes_of(folder), [outcome.solved for outcome in outcomes]))
    minutes = " | ".join(f"{minute:.0f}" for minute, _ in points)
    lengths = " | ".join(f"{sum(found) / len(found):.2f}" for _, found in points)
    rule = "|---" * (len(points) + 1) + "|"
    return (
        f"Average length over the first {config.curve_chains} chains against minutes of training:\n\n"
        f"| minutes | {minutes} |\n{rule}\n| average length | {lengths} |"
    )


def _tasks(rows: list[ChainResults]) -> str:
    """Success of every task, among the chains that got to it."""
    columns = [{result.task: result for result in row.tasks} for row in rows]
    table = "| task | " + " | ".join(row.driver for row in rows) + " |\n" + "|---" * (len(rows) + 1) + "|\n"
    for task in sorted({task for column in columns for task in column}):
        found = [column.get(task) for column in columns]
        cells = " | ".join(f"{cell.rate:.2f} ({cell.successes} of {cell.trials})" if cell else "" for cell in found)
        table += f"| {task.replace('_', ' ')} | {cells} |\n"
    return table.rstrip()


if __name__ == "__main__":
    main(tyro.cli(CalvinTraining))
