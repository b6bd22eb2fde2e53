"""Where each millisecond of a control step and of a training step goes: the table and the figure of docs/speed.md.

    python benchmarks/budget.py [--write]

The demo's VLA and the small Kosmos-2 of `peer_robovlms.py`, with random weights, on a CPU in the precision that
training would choose there. `--write` puts tables and figure into the page, between its marks.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tyro
from rich.console import Console

from history_speed import calvin_spec
from peer_robovlms import SIZES, write_model
from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.settings import read_settings
from vlasync.figures import CSS_VARIABLES, FAINT, GRID, SERIES, STYLE, axes, svg
from vlasync.models.compute import Compute
from vlasync.models.tiny import build_tiny_vlm
from vlasync.models.vla import VLA, build_vla
from vlasync.recipes.demo import demo
from vlasync.speed.budget import PARTS
from vlasync.speed.measure import Speed, measure_speed
from vlasync.training.parallel import choose_precision
from vlasync.training.run import TinyVLM

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
FIGURE = PAGE.parent / "pictures" / "speed-budget.svg"
SENTENCE = "push the red block to the left side of the table"
_PLAIN = dict(zip(("images", "vision", "projector", "decoder", "head"), SERIES, strict=True))
_LOOKS: dict[str, dict[str, Any]] = {
    **{part: {"color": colour} for part, colour in _PLAIN.items()},
    **{f"{part} backward": {"color": colour, "hatch": "//"} for part, colour in _PLAIN.items()},
    "decode": {"color": _PLAIN["images"], "hatch": "xx"},
    "optimizer": {"color": FAINT},
    "rest": {"color": GRID},
}
"""Gradients have the colour of their part, hatched."""

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
"""Of the SVG beside the page, which no page's style sheet colours; Okabe and Ito's palette."""


def demo_vla() -> VLA:
    """The demo's VLA before its first step."""
    recipe = demo()
    assert isinstance(recipe.vlm, TinyVLM)
    with tempfile.TemporaryDirectory() as folder:
        build_tiny_vlm(recipe.vlm.family, Path(folder), corpus=(SENTENCE,), size=recipe.vlm.size)
        return build_vla(folder, recipe.vla, calvin_spec())


def kosmos_vla() -> VLA:
    """The small Kosmos-2 that is compared with RoboVLMs'."""
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SIZES["small"])
        return build_policy(read_settings(Path(folder) / "config.json"))


MODELS = {"the demo's VLA": demo_vla, "Kosmos-2, 256 wide": kosmos_vla}


def table(speeds: Mapping[str, Speed]) -> str:
    """All budgets as a Markdown table of milliseconds."""
    columns = [(f"{name}, {kind}", parts) for name, speed in speeds.items() for kind, parts in budgets(speed).items()]
    there = [part for part in PARTS if any(part in parts for _, parts in columns)]
    rows = [("part", *(name for name, _ in columns)), ("---", *("---:" for _ in columns))]
    rows += [(part, *(_cell(parts.get(part)) for _, parts in columns)) for part in there]
    rows += [("**all**", *(_cell(sum(parts.values())) for _, parts in columns))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def budgets(speed: Speed) -> dict[str, Mapping[str, float]]:
    """The two budgets of a VLA."""
    return {"control step": speed.acting.parts, "training step": speed.learning.parts}


def figure(speeds: Mapping[str, Speed]) -> str:
    """Shares of the parts as stacked bars, as an SVG file."""
    bars = {f"{name}\n{kind}": parts for name, speed in speeds.items() for kind, parts in budgets(speed).items()}
    with matplotlib.rc_context(STYLE):
        drawn = axes("share of the step, %", "", height=3.6)
        left = np.zeros(len(bars))
        for part in PARTS:
            widths = np.array([100.0 * parts.get(part, 0.0) / sum(parts.values()) for parts in bars.values()])
            if widths.any():
                drawn.barh(list(bars), widths, left=left, label=part, height=0.6, **_LOOKS[part])
                left += widths
        drawn.invert_yaxis()
        drawn.legend(loc="upper center", bbox_to_anchor=(0.4, -0.18), ncols=4, fontsize=8)
        text = svg(drawn, "budget", "Shares of the parts of a control step and of a training step")
    return _alone(text)


def _alone(text: str) -> str:
    """An SVG of a page with the colours and the font of a file that stands alone, on white."""
    values = dict(zip((CSS_VARIABLES[series] for series in SERIES), COLOURS, strict=True))
    values |= {"--ink": "#222222", "--faint": "#555555", "--rule": "#dddddd"}
    for variable, value in values.items():
        text = text.replace(f"var({variable})", value)
    return text.replace("<svg ", '<svg style="background: white; font-family: sans-serif" ', 1)


def written(page: str, tables: str, device: str) -> str:
    """The page with what stands between its marks replaced."""
    block = f"<!-- budget -->\n{device}\n\n{tables}\n<!-- end of budget -->"
    return re.sub(r"<!-- budget -->.*?<!-- end of budget -->", lambda _: block, page, flags=re.DOTALL)


def _cell(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.1f}"


def main(models: Sequence[str] = tuple(MODELS), *, windows: int = 2, steps: int = 50, write: bool = False) -> None:
    """Measure and show.

    Args:
        models: which of `MODELS`.
        windows: in a training step.
        steps: of acting.
        write: put the table and the figure into docs/speed.md.
    """
    half = choose_precision("auto") == "bf16"
    speeds = {}
    for name in models:
        speeds[name] = measure_speed(
            MODELS[name](), SENTENCE, compute=Compute(), half=half, windows=windows, steps=steps
        )
        speeds[name].print(Console())
    if write:
        first = next(iter(speeds.values()))
        device = f"{first.device}, {first.precision}, {windows} windows in a training step; milliseconds:"
        PAGE.write_text(written(PAGE.read_text(), table(speeds), device))
        FIGURE.write_text(figure(speeds))


if __name__ == "__main__":
    tyro.cli(main)
