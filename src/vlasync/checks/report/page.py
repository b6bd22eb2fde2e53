"""The audit as one HTML page: verdict, problems with what shows them, and what was learnt about the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vlasync.checks.codes import CODES
from vlasync.checks.findings import Curves, Pictures, Problem
from vlasync.checks.fix import corrections
from vlasync.checks.replay.replay_report import HEADINGS, legend, replay_rows, replayed
from vlasync.checks.report.audit_report import AuditReport, PartReport, looked_at, readable
from vlasync.checks.report.plots import Thumbnail, curves_svg, lengths_svg, thumbnail
from vlasync.files import write_text
from vlasync.pages import render
from vlasync.spec import SyncSpec

SHOWN_TASKS = 40
"""Tasks that the page names; more would hide what matters."""


@dataclass(frozen=True, kw_only=True)
class ProblemCard:
    """A problem as the page shows it, with a figure, pictures or neither.

    Attributes:
        problem: the problem.
        meaning: what its code means.
        title: of what is shown; empty where nothing is.
        figure: an `<svg>` element, or empty.
        pictures: images side by side, or none.
    """

    problem: Problem
    meaning: str
    title: str
    figure: Markup
    pictures: Sequence[Thumbnail]


@dataclass(frozen=True, kw_only=True)
class PartCard:
    """A dataset or one of its splits as the page shows it; all values are readable text.

    Attributes:
        part: what was learnt.
        facts: name and value of what it consists of.
        lengths: histogram of episode lengths as an `<svg>` element, or empty.
        tasks: the first tasks, with the number of their sentences.
        inferred: what the numbers say about themselves.
        declared: what is declared otherwise than the numbers call for: field, declared, called for.
        replayed: what was replayed; empty where nothing was.
        legend: what the table of replays shows.
        replay: rows of the table of replays, under `replay_report.HEADINGS`.
    """

    part: PartReport
    facts: Sequence[tuple[str, str]]
    lengths: Markup
    tasks: Sequence[tuple[str, int]]
    inferred: Sequence[tuple[str, str]]
    declared: Sequence[tuple[str, str, str]]
    replayed: str
    legend: str
    replay: Sequence[tuple[str, ...]]


def write_page(report: AuditReport, path: Path) -> None:
    """Write the page, with all styles, figures and pictures inside, to `path`."""
    page = render(
        "checks/report/report.html",
        {},
        report=report,
        looked_at=looked_at(report),
        problems=[_problem_card(problem, f"problem-{number}") for number, problem in enumerate(report.problems)],
        parts=[_part_card(part) for part in report.parts],
        replay_headings=HEADINGS,
        codes=CODES,
    )
    write_text(path, page)


def _problem_card(problem: Problem, name: str) -> ProblemCard:
    title, figure, pictures = "", Markup(""), []
    match problem.evidence:
        case Curves() as curves:
            title, figure = curves.title, Markup(curves_svg(curves, name))
        case Pictures() as shown:
            title, pictures = shown.title, [thumbnail(caption, image) for caption, image in shown.images.items()]
    return ProblemCard(problem=problem, meaning=CODES[problem.code], title=title, figure=figure, pictures=pictures)


def _part_card(part: PartReport) -> PartCard:
    summary = part.summary
    return PartCard(
        part=part,
        facts=_facts(part),
        lengths=Markup(lengths_svg(summary.lengths, f"lengths-{part.name}") if summary.lengths else ""),
        tasks=list(summary.tasks.items())[:SHOWN_TASKS],
        inferred=[(name.replace("_", " "), readable(value)) for name, value in part.inferred.items()],
        declared=[(field.field, str(field.ours), str(field.theirs)) for field in corrections(part)],
        replayed="" if part.replay is None else replayed(part.replay),
        legend="" if part.replay is None else legend(part.replay),
        replay=[] if part.replay is None else replay_rows(part.replay),
    )


def _facts(part: PartReport) -> list[tuple[str, str]]:
    """What the part consists of, as words."""
    summary = part.summary
    facts = [
        ("episodes", f"{summary.episodes:,}" + ("" if summary.episodes == part.episodes else f" of {part.episodes:,}")),
        ("frames", f"{summary.frames:,}"),
        ("sentences", f"{summary.sentences:,} of {len(summary.tasks):,} tasks"),
    ]
    return facts if summary.spec is None else facts + _declared(summary.spec)


def _declared(spec: SyncSpec) -> list[tuple[str, str]]:
    """What is declared of rate, cameras and actions."""
    clip = "not clipped" if spec.action_clip is None else f"clipped to ±{spec.action_clip:g}"
    scale = f"{spec.position_scale_m:g} m and {spec.rotation_scale_rad:g} rad"
    return [
        ("rate", f"{spec.rate_hz:g} Hz"),
        *((f"camera {name}", f"{camera.width} x {camera.height} px") for name, camera in spec.cameras.items()),
        ("actions", f"{spec.action_mode.replace('_', ' ')}, {spec.action_frame} axes, {spec.rotation}"),
        ("action units", f"{scale}, {clip}"),
        ("gripper", f"open {spec.gripper_open:+g}, closed {spec.gripper_closed:+g}"),
    ]
