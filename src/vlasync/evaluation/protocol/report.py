"""What chains achieved, for the terminal and as one HTML page beside the other conditions of the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from vlasync.envs.playtable.tasks import TASKS
from vlasync.evaluation.chains import CHAIN_LENGTH
from vlasync.evaluation.protocol.actors import Driver
from vlasync.evaluation.protocol.results import ChainResults
from vlasync.evaluation.report import interval, label, percent
from vlasync.evaluation.videos import video_data_uri
from vlasync.files import write_text
from vlasync.pages import render

PAGE_NAME = "chains.html"


def print_chains(results: ChainResults, console: Console) -> None:
    """Print the average length, success at 1 to 5 and success per task, with 95 % intervals."""
    table = Table(title=f"{len(results.outcomes)} chains of {CHAIN_LENGTH} tasks: {describe(results)}")
    table.add_column("")
    for heading in ("success", "rate", "95 % interval"):
        table.add_column(heading, justify="right")
    for result in results.success_at:
        row = (f"{result.successes} of {result.trials}", percent(result.rate), interval(result.interval))
        table.add_row(f"at least {result.task} in a row", *row)
    table.add_section()
    for result in results.tasks:
        row = (f"{result.successes} of {result.trials}", percent(result.rate), interval(result.interval))
        table.add_row(label(result.task), *row)
    table.add_section()
    low, high = results.average_length_interval
    table.add_row("average length", "", f"{results.average_length:.3f}", f"{low:.2f} to {high:.2f}", style="bold")
    console.print(table)


def write_page(path: Path, results: ChainResults, others: Sequence[ChainResults], videos: Mapping[str, bytes]) -> None:
    """Write the page of a run's chains, the newest checkpoint first and the baselines behind it.

    Args:
        path: of the page.
        results: what was evaluated last.
        others: earlier results, to compare.
        videos: MP4 files of `results` by caption.
    """
    order = get_args(Driver)
    newest_first = sorted([results, *others], key=lambda shown: shown.checkpoint, reverse=True)
    conditions = sorted(newest_first, key=lambda shown: order.index(shown.driver))
    met = {result.task for shown in conditions for result in shown.tasks}
    tasks = [task for task in TASKS if task in met]
    columns = [{result.task: result for result in shown.tasks} for shown in conditions]
    page = render(
        "evaluation/protocol/chains.html",
        {"percent": percent, "interval": interval, "label": label, "describe": describe},
        conditions=conditions,
        tasks={task: [column.get(task) for column in columns] for task in tasks},
        filmed=results,
        videos=[(caption, video_data_uri(video)) for caption, video in videos.items()],
    )
    write_text(path, page)


def describe(results: ChainResults) -> str:
    """Who drove where, in a few words."""
    execution = "" if results.execution == "first" else f", {label(results.execution)}"
    who = " ".join(dict.fromkeys(name for name in (results.driver, results.checkpoint) if name))
    return f"{who} in scene {results.scene} of the {results.simulator}{execution}"
