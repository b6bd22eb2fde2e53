"""The report of a run: one HTML page that stands alone, and a table for the terminal."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.table import Table

from vlasync.evaluation.plots import curve_svg, loss_svg, tasks_svg, terms_svg
from vlasync.evaluation.recordings import RolloutRecording
from vlasync.evaluation.results import EvaluationResults, TaskResult
from vlasync.evaluation.videos import render_video, video_data_uri
from vlasync.files import write_text
from vlasync.pages import render
from vlasync.spec import Camera, Normalization, StateSlice, SyncSpec

REPORT_NAME = "report.html"
RESULTS_NAME = "results.json"
DASH = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class VideoCard:
    """A video as the page shows it."""

    uri: str
    task: str
    instruction: str
    success: bool
    steps: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class SuccessRow:
    """One line of the success table; a baseline that was not run is None."""

    task: str
    trained: TaskResult
    untrained: TaskResult | None
    swapped: TaskResult | None


def write_report(results: EvaluationResults, recordings: Sequence[RolloutRecording], folder: Path) -> Path:
    """Write `report.html`, with all styles, figures and videos inside, and `results.json` beside it.

    Args:
        results: what the run achieved.
        recordings: rollouts to show as videos, in this order; may be empty.
        folder: the run's folder, made where missing.

    Returns:
        The path of the page.
    """
    page = render(
        "evaluation/report.html",
        {"percent": percent, "interval": interval, "label": label},
        results=results,
        rows=success_rows(results),
        figures=_figures(results),
        videos=[_video_card(recording, results.spec.rate_hz) for recording in recordings],
        audited=_audited(results.audit),
        measured=_measurements(results.audit),
        spec_rows=spec_rows(results.spec),
        total_minutes=sum(results.stage_minutes.values()),
        trainable_total=sum(part.trainable for part in results.trainable),
        parameter_total=sum(part.total for part in results.trainable),
    )
    results.save(folder / RESULTS_NAME)
    write_text(folder / REPORT_NAME, page)
    return folder / REPORT_NAME


def print_summary(results: EvaluationResults, console: Console) -> None:
    """Print success per task beside both baselines, with 95 % intervals of the trained policy."""
    table = Table(title="Success on unseen starts and held-out sentences")
    table.add_column("task")
    for heading in ("trained", "95 % interval", "untrained", "swapped instruction"):
        table.add_column(heading, justify="right")
    for row in success_rows(results):
        table.add_row(
            label(row.task),
            _fraction(row.trained),
            interval(row.trained.interval),
            _fraction(row.untrained),
            _fraction(row.swapped),
        )
    table.add_section()
    table.add_row(
        "mean over tasks",
        percent(results.mean_success),
        "",
        percent(results.untrained_mean_success),
        percent(results.swapped_instruction_mean_success),
        style="bold",
    )
    console.print(table)


def success_rows(results: EvaluationResults) -> list[SuccessRow]:
    """The success table, one row per task in the order of evaluation."""
    missing = [None] * len(results.tasks)
    columns = zip(results.tasks, results.untrained or missing, results.swapped_instruction or missing, strict=True)
    return [
        SuccessRow(task=trained.task, trained=trained, untrained=untrained, swapped=swapped)
        for trained, untrained, swapped in columns
    ]


def spec_rows(spec: SyncSpec) -> list[tuple[str, str, str]]:
    """Each field of a SyncSpec as name, readable value, and the meaning that its class documents."""
    documentation = inspect.getdoc(SyncSpec) or ""
    meanings = dict(re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", documentation, flags=re.MULTILINE))
    return [
        (field.name, _readable(getattr(spec, field.name)), meanings[field.name].replace("`", ""))
        for field in dataclasses.fields(spec)
    ]


def percent(share: float | None) -> str:
    """`0.975` as `97.5 %`, whole percents without decimals; a dash where nothing was measured."""
    return DASH if share is None else f"{100 * share:.1f}".removesuffix(".0") + " %"


def interval(bounds: tuple[float, float]) -> str:
    """Bounds of an interval in whole percents."""
    low, high = bounds
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def label(name: str) -> str:
    """A name from code as words."""
    return name.replace("_", " ")


def _fraction(result: TaskResult | None) -> str:
    return DASH if result is None else f"{result.successes} of {result.trials}"


def _figures(results: EvaluationResults) -> list[tuple[str, Markup]]:
    """Captions and SVG of the figures for which there is data."""
    figures = [("Success per task, with 95 % Wilson intervals.", tasks_svg(results))]
    if results.curve:
        caption = (
            "Mean success over all tasks against training time, with 95 % Wilson intervals of the pooled rollouts."
        )
        figures.append((caption, curve_svg(results.curve)))
    if results.training_log:
        figures.append(("Training and validation loss.", loss_svg(results.training_log)))
        figures.append(("The two terms of the training loss, before weighting.", terms_svg(results.training_log)))
    return [(caption, Markup(svg)) for caption, svg in figures]


def _video_card(recording: RolloutRecording, rate_hz: float) -> VideoCard:
    return VideoCard(
        uri=video_data_uri(render_video(recording, rate_hz)),
        task=recording.task,
        instruction=recording.instruction,
        success=recording.success,
        steps=len(recording),
        seed=recording.seed,
    )


def _audited(audit: Mapping[str, Any]) -> str:
    """What follows the number of problems; empty where the demonstrations were not audited."""
    if not audit:
        return ""
    return f"problem{'' if len(audit['problems']) == 1 else 's'} in {audit['frames']:,} frames"


def _measurements(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the audit measured or inferred; its problems and frames are shown elsewhere."""
    named = {name: value for name, value in audit.items() if name not in ("problems", "frames", "inferred")}
    return [(name, _readable(value)) for name, value in (named | dict(audit.get("inferred", {}))).items()]


def _readable(value: Any) -> str:
    """A value of a SyncSpec or an audit as a reader wants it: no quotes, no braces, no needless digits."""
    match value:
        case None:
            return DASH
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Camera():
            return f"{value.height} x {value.width} {value.channel_order}, up is {value.up}"
        case StateSlice():
            return f"{value.name} [{value.start}:{value.stop}] {value.unit}"
        case Normalization():
            untouched = f", dimensions {_readable(value.identity)} untouched" if value.identity else ""
            return f"{value.kind} over {value.count:,} frames, {_bounds(value)}{untouched}"
        case Mapping():
            return "; ".join(f"{name}: {_readable(part)}" for name, part in value.items())
        case list() | tuple():
            return ", ".join(_readable(part) for part in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _readable(dataclasses.asdict(value))
        case _:
            return str(value)


def _bounds(normalization: Normalization) -> str:
    """The dimensions that are scaled, each with its bounds."""
    pairs = enumerate(zip(normalization.low, normalization.high, strict=True))
    scaled = [f"{low:.3g}..{high:.3g}" for index, (low, high) in pairs if index not in normalization.identity]
    return f"bounds {', '.join(scaled)}"
