"""What shows a problem, as figures of the report's page; see `figures` for their look."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from vlasync import figures
from vlasync.checks.findings import Curves
from vlasync.figures import INK, SERIES, STYLE

LINE_STYLES = ("-", "--", ":", "-.", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
MARKED_POINTS = 40
"""Up to so many points each is marked, because a few points are measurements rather than a course."""

LABEL_LETTERS = 26
LENGTH_BINS = 24
PICTURE_SIDE = 200
"""Pixels; larger images are made smaller, because a page with evidence should load at once."""


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A picture as the page shows it."""

    caption: str
    uri: str


def curves_svg(curves: Curves, name: str) -> str:
    """Curves as lines over numbers, or as bars over names.

    Args:
        curves: what to draw.
        name: of the figure, unique on its page.
    """
    with matplotlib.rc_context(STYLE):
        if any(isinstance(position, str) for position in curves.x):
            axes = figures.axes(_wrapped(curves.y_label), "", height=1.0 + 0.24 * len(curves.x))
            _draw_bars(axes, curves)
        else:
            axes = figures.axes(curves.x_label, _wrapped(curves.y_label), height=2.8)
            _draw_lines(axes, curves)
        if len(curves.series) > 1:
            handles, labels = axes.get_legend_handles_labels()
            axes.figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=10)
        return figures.svg(axes, name, curves.title)


def lengths_svg(lengths: Mapping[int, int], name: str) -> str:
    """How many episodes have how many frames.

    Args:
        lengths: number of frames -> number of episodes.
        name: of the figure, unique on its page.
    """
    with matplotlib.rc_context(STYLE):
        axes = figures.axes("frames of an episode", "episodes", height=2.4)
        values = np.array(list(lengths))
        bins = min(LENGTH_BINS, int(np.ptp(values)) + 1)
        axes.hist(values, bins=bins, weights=list(lengths.values()), color=SERIES[0], rwidth=0.9)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")
        return figures.svg(axes, name, "Histogram of the lengths of episodes")


def thumbnail(caption: str, image: NDArray[np.uint8]) -> Thumbnail:
    """An image `[h, w, 3]` as a small PNG inside the page."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return Thumbnail(caption=caption, uri=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")


def _wrapped(label: str) -> str:
    """A label on as many lines as it takes to stand beside a figure."""
    return textwrap.fill(label, LABEL_LETTERS)


def _draw_lines(axes: Axes, curves: Curves) -> None:
    x = np.asarray(curves.x, float)
    marker = "o" if len(x) <= MARKED_POINTS else ""
    if (x == x.round()).all():
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for number, (label, values) in enumerate(curves.series.items()):
        axes.plot(
            x,
            np.asarray(values, float),
            color=SERIES[number % len(SERIES)],
            linestyle=LINE_STYLES[number % len(LINE_STYLES)],
            linewidth=1.6,
            marker=marker,
            markersize=4,
            label=label,
        )


def _draw_bars(axes: Axes, curves: Curves) -> None:
    """Bars lie, so that names of any length can be read."""
    positions = np.arange(len(curves.x))
    width = 0.8 / len(curves.series)
    for number, (label, values) in enumerate(curves.series.items()):
        centres = positions + (number - (len(curves.series) - 1) / 2) * width
        axes.barh(centres, np.asarray(values, float), 0.9 * width, color=SERIES[number % len(SERIES)], label=label)
    axes.set_yticks(positions, [str(position) for position in curves.x])
    axes.tick_params(axis="y", labelcolor=INK, length=0)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
