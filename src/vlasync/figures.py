"""Figures as SVG text for an HTML page.

Text stays text and colours become CSS variables of `page.css`, so a figure takes the page's font and follows its light
or dark theme. For colour-blind readers and for print, series differ in line style or place as well as in colour (Okabe
and Ito's palette).
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that matplotlib writes into the SVG, and the CSS variables that the page defines for them.
INK, FAINT, GRID = "#010101", "#020202", "#030303"
SERIES = ("#040404", "#050505", "#060606", "#070707", "#080808")
CSS_VARIABLES = {INK: "--ink", FAINT: "--faint", GRID: "--rule"} | {
    stand_in: f"--series-{number}" for number, stand_in in enumerate(SERIES, 1)
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
"""Settings of matplotlib, for `matplotlib.rc_context`, under which figures are drawn."""

WIDTH_INCHES = 5.4


def axes(x_label: str, y_label: str, *, height: float = 3.2) -> Axes:
    """The axes of a new figure, `height` inches high."""
    found = Figure(figsize=(WIDTH_INCHES, height), layout="constrained").add_subplot()
    found.set_xlabel(x_label)
    found.set_ylabel(y_label)
    return found


def svg(drawn: Axes, name: str, description: str) -> str:
    """The figure of some axes as one `<svg>` element.

    Args:
        drawn: axes made by `axes`.
        name: keeps the figure's ids apart from those of the page's other figures.
        description: what it shows, for those who do not see it.
    """
    buffer = io.StringIO()
    figure = drawn.get_figure(root=True)
    assert figure is not None
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Size, font and style sheet are the page's affair; the figure scales by its viewBox.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|font-family: [^;]*; ", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg [^>]*?) ?width="[\d.]+pt" height="[\d.]+pt"', r"\1", text, count=1)
    for stand_in, variable in CSS_VARIABLES.items():
        text = text.replace(stand_in, f"var({variable})")
    for reference in ('id="', 'href="#', "url(#"):
        text = text.replace(reference, f"{reference}{name}-")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)
