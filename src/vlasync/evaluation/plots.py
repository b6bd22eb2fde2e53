"""The report's figures, as SVG text for an HTML page.

Text stays text and colours become CSS variables of the page, so a figure takes the page's font and follows its light or
dark theme. For colour-blind readers and for print, series differ in line style or place as well as in colour (Okabe and
Ito's palette).
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from vlasync.evaluation.results import CurvePoint, EvaluationResults, TaskResult, TrainingRow

# Stand-ins that matplotlib writes into the SVG, and the CSS variables that the page defines for them.
INK, FAINT, GRID = "#010101", "#020202", "#030303"
TRAINED, UNTRAINED, SWAPPED = "#040404", "#050505", "#060606"
CSS_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--rule",
    TRAINED: "--trained",
    UNTRAINED: "--untrained",
    SWAPPED: "--swapped",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vlasync",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}
WIDTH_INCHES = 5.4
# More points than a screen has columns only make the page heavier.
MAX_CURVE_POINTS = 300


def loss_svg(log: Sequence[TrainingRow]) -> str:
    """Training loss (block means) and validation loss against minutes of training, on a logarithmic axis."""
    with matplotlib.rc_context(STYLE):
        axes = _axes("minutes of training", "loss")
        minutes = [row.minutes for row in log]
        axes.plot(*_thinned(minutes, [row.loss for row in log]), color=TRAINED, linewidth=1.4, label="training")
        validated = [(row.minutes, row.validation_loss) for row in log if row.validation_loss is not None]
        if validated:
            axes.plot(*zip(*validated, strict=True), "o--", color=UNTRAINED, markersize=4, label="validation")
        axes.set_yscale("log")
        axes.legend()
        return _svg(axes, "loss", "Training and validation loss against minutes of training")


def terms_svg(log: Sequence[TrainingRow]) -> str:
    """The two terms of the training loss before weighting, against minutes of training, on a logarithmic axis."""
    with matplotlib.rc_context(STYLE):
        axes = _axes("minutes of training", "term of the loss")
        minutes = [row.minutes for row in log]
        axes.plot(*_thinned(minutes, [row.pose for row in log]), color=TRAINED, linewidth=1.4, label="pose")
        gripper = _thinned(minutes, [row.gripper for row in log])
        axes.plot(*gripper, "--", color=SWAPPED, linewidth=1.4, label="gripper (before its weight)")
        axes.set_yscale("log")
        axes.legend()
        return _svg(axes, "terms", "Pose and gripper term of the loss against minutes of training")


def curve_svg(curve: Sequence[CurvePoint]) -> str:
    """Mean success against minutes of training, with 95 % Wilson intervals of the pooled rollouts."""
    with matplotlib.rc_context(STYLE):
        axes = _axes("minutes of training", "mean success")
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
        return _svg(axes, "curve", "Mean success against minutes of training, with 95 % intervals")


def tasks_svg(results: EvaluationResults) -> str:
    """Success per task of the trained policy and both baselines, as bars with 95 % Wilson intervals."""
    series = [
        ("trained", results.tasks, TRAINED),
        ("untrained", results.untrained, UNTRAINED),
        ("swapped instruction", results.swapped_instruction, SWAPPED),
    ]
    shown = [entry for entry in series if entry[1]]
    with matplotlib.rc_context(STYLE):
        axes = _axes("", "", height=0.8 + 0.5 * len(results.tasks))
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
        return _svg(axes, "tasks", "Success per task, trained, untrained and under swapped instructions")


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


def _axes(x_label: str, y_label: str, *, height: float = 3.2) -> Axes:
    axes = Figure(figsize=(WIDTH_INCHES, height), layout="constrained").add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return axes


def _svg(axes: Axes, name: str, description: str) -> str:
    """The figure as one `<svg>` element; `name` keeps its ids apart from those of the page's other figures."""
    buffer = io.StringIO()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Size, font and style sheet are the page's affair; the figure scales by its viewBox.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|font-family: [^;]*; ", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg [^>]*?) ?width="[\d.]+pt" height="[\d.]+pt"', r"\1", svg, count=1)
    for stand_in, variable in CSS_VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    for reference in ('id="', 'href="#', "url(#"):
        svg = svg.replace(reference, f"{reference}{name}-")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{description}" ', 1)
