"""How the pictures of `docs/check.md` look."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from vlasync.files import write_bytes

FOLDER = Path(__file__).parent
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#666666"
"""Okabe and Ito's palette, which colour-blind readers can tell apart; green is good, orange and red are not."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
"""Settings of matplotlib, for `matplotlib.rc_context`."""

COLOURS = 128
"""Colours of a picture; more make the files larger and nothing clearer."""


def figure(height: float) -> Figure:
    """A new figure as wide as the page, `height` inches high."""
    return Figure(figsize=(8, height), layout="constrained")


def show(axes: Axes, image: NDArray[np.uint8], title: str, colour: str = "black") -> None:
    """An image without axes, framed where its title has a colour."""
    axes.imshow(image)
    axes.set_title(title, color=colour, fontsize=8)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=colour != "black", color=colour, linewidth=2)


def save(drawn: Figure, name: str) -> None:
    """Write a figure as a small PNG."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, dpi=130)
    image = (
        Image.open(buffer).convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    small = io.BytesIO()
    image.save(small, format="PNG", optimize=True)
    write_bytes(FOLDER / f"check-{name}.png", small.getvalue())
