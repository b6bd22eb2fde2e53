"""The report's figures, as SVG text for an HTML page; see `figures` for their look."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from vlasync import figures
from vlasync.evaluation.results import CurvePoint, EvaluationResults, TaskResult, TrainingRow
from vlasync.figures import INK, SERIES, STYLE

TRAINED, UNTRAINED, SWAPPED = SERIES[:3]
# More points than a screen has columns only make the page heavier.
MAX_CURVE_POINTS = 300


def loss_svg(log: Sequence[TrainingRow]) -> str:
    """Training loss (block means) and validation loss against minutes of training, on a logarithmic axis."""
    with matplotlib.rc_context(STYLE):
        axes = figures.axes("minutes of training", "loss")
        minutes = [row.minutes for row in log]
        axes.plot(*_thinned(minutes, [row.loss for row in log]), color=TRAINED, linewidth=1.4, label="training")
        validated = [(row.minutes, row.validation_loss) for row in log if row.validation_loss is not None]
        if validated:
            axes.plot(*zip(*validated, strict=True), "o--", color=UNTRAINED, markersize=4, label="validation")
        axes.set_yscale("log")
        axes.legend()
        return figures.svg(axes, "loss", "Training and validation loss against minutes of training")


def terms_svg(log: Sequence[TrainingRow]) -> str:
    """The two terms of the training loss before weighting, against minutes of training, on a logarithmic axis."""
    with matplotlib.rc_context(STYLE):
        axes = figures.axes("minutes of training", "term of the loss")
        minutes = [row.minutes for row in log]
        axes.plot(*_thinned(minutes, [row.pose for row in log]), color=TRAINED, linewidth=1.4, label="pose")
        gripper = _thinned(minutes, [row.gripper for row in log])
        axes.plot(*gripper, "--", color=SWAPPED, linewidth=1.4, label="gripper (before its weight)")
        axes.set_yscale("log")
        axes.legend()
        return figures.svg(axes, "terms", "Pose and gripper term of the loss against minutes of training")


def curve_svg(curve: Sequence[CurvePoint]) -> str:
    """Mean success against minutes of training, with 95 % Wilson intervals of the pooled rollouts."""
    with matplotlib.rc_context(STYLE):
        axes = figures.axes("minutes of training", "mean success")
        rates = np.array([point.mean_success for point in curve])
        bounds = np.array([point.interval for point in curve]).T
        axes.errorbar(
            [point.train_minutes for point in curve],
            rates,
            yerr=_whiskers(rates, bounds),
            fmt="o-",
            color=TRAINED,
            markersize=5,
            linewidth=1.6,
            elinewidth=1.2,
            capsize=3,
        )
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        return figures.svg(axes, "curve", "Mean success against minutes of training, with 95 % intervals")


def tasks_svg(results: EvaluationResults) -> str:
    """Success per task of the trained policy and both baselines, as bars with 95 % Wilson intervals."""
    series = [
        ("trained", results.tasks, TRAINED),
        ("untrained", results.untrained, UNTRAINED),
        ("swapped instruction", results.swapped_instruction, SWAPPED),
    ]
    shown = [entry for entry in series if entry[1]]
    with matplotlib.rc_context(STYLE):
        axes = figures.axes("", "", height=0.8 + 0.5 * len(results.tasks))
        thickness = 0.78 / len(shown)
        for row, (label, tasks, colour) in enumerate(shown):
            centres = np.arange(len(tasks)) + (row - (len(shown) - 1) / 2) * thickness
            _bars(axes, centres, tasks, height=0.8 * thickness, color=colour, label=label)
        axes.set_yticks(range(len(results.tasks)), [result.task.replace("_", " ") for result in results.tasks])
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=10)
        return figures.svg(axes, "tasks", "Success per task, trained, untrained and under swapped instructions")


def _bars(
    axes: Axes, centres: np.ndarray, tasks: Sequence[TaskResult], *, height: float, color: str, label: str
) -> None:
    """Horizontal bars of success, `[N]`, each with its interval."""
    rates = np.array([result.rate for result in tasks])
    bounds = np.array([result.interval for result in tasks]).T
    axes.barh(centres, rates, height, color=color, label=label)
    axes.errorbar(rates, centres, xerr=_whiskers(rates, bounds), fmt="none", color=INK, elinewidth=0.9, capsize=2)


def _whiskers(rates: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Distances `[2, N]` from the rates `[N]` to their bounds `[2, N]`; rounding may not make them negative."""
    return np.clip(np.stack([rates - bounds[0], bounds[1] - rates]), 0.0, None)


def _thinned(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means over equal blocks, at most `MAX_CURVE_POINTS` of them."""
    blocks = min(len(x), MAX_CURVE_POINTS)
    return (
        [float(block.mean()) for block in np.array_split(np.asarray(x), blocks)],
        [float(block.mean()) for block in np.array_split(np.asarray(y), blocks)],
    )
