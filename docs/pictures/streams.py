"""Defects of clock, sentences, lengths and splits, as they look."""

from __future__ import annotations

import numpy as np
from look import BLUE, GREEN, GREY, ORANGE, RED, figure, save
from matplotlib.axes import Axes

from vlasync.testing.streams import disturb_clock, even_clock, lost_ticks, noisy_clock
from vlasync.types import Episode

DRAWER = 1
"""Column of `scene` that holds how far the drawer is open, m."""


def clock(episode: Episode) -> None:
    """Time from frame to frame."""
    variants = {
        "in order": even_clock(episode),
        "time-jitter: noise": noisy_clock(episode, 0.005),
        "time-jitter: backwards": disturb_clock(episode, (0.05,)),
        "time-jitter: a frame lost": lost_ticks(episode, 1),
        "wrong-rate: 15 Hz": even_clock(episode, 15.0),
    }
    drawn = figure(2.0)
    for axes, (name, shown) in zip(drawn.subplots(1, 5, sharey=True), variants.items(), strict=True):
        assert shown.timestamps is not None
        axes.axhline(1000 / episode.spec.rate_hz, color=GREY, linewidth=2.5, alpha=0.5)
        colour = GREEN if name == "in order" else ORANGE
        axes.plot(np.diff(shown.timestamps) * 1000, ".-", color=colour, linewidth=0.8, markersize=4)
        axes.set(title=name, xlabel="frame")
    drawn.axes[0].set_ylabel("ms to the next frame")
    save(drawn, "clock")


def language() -> None:
    """Sentences over the frames of two episodes."""
    drawn = figure(2.5)
    axes = drawn.subplots()
    spans = [
        ("in order", 2, 26, "open the drawer", GREEN),
        ("language-crosses-episode", 22, 38, "close the drawer", ORANGE),
        ("language-out-of-bounds", 63, 74, "turn on the led", ORANGE),
        ("language-overlap", 34, 52, "push the red block left", GREEN),
        ("language-overlap", 36, 52, "lift the blue block", ORANGE),
        ("language-too-short", 54, 57, "", ORANGE),
        ("language-empty", 44, 58, "“ ”", ORANGE),
    ]
    codes = list(dict.fromkeys(code for code, *_ in spans))
    for start, stop, name in ((0, 30, "episode 1"), (30, 60, "episode 2")):
        axes.axvspan(start, stop, color="#eef3f8" if start else "#f6f6f6", zorder=0)
        axes.text(start + 0.5, -0.9, name, color=GREY)
    for number, (code, first, last, sentence, colour) in enumerate(spans):
        row, shared = codes.index(code), 0.22 if code == "language-overlap" else 0.0
        y = row + (shared if number % 2 else -shared)
        axes.barh(y, last - first + 1, left=first, height=0.7 - 1.4 * shared, color=colour, alpha=0.75)
        axes.text(first + 0.5, y, sentence, va="center", fontsize=7.5)
    axes.set(xlabel="frame", xlim=(0, 76), ylim=(len(codes) - 0.4, -1.3))
    axes.set_yticks(range(len(codes)), codes)
    axes.grid(visible=False)
    save(drawn, "language")


def streams() -> None:
    """Streams of an episode as rows of frames: cut, with a gap, with a number that is none."""
    drawn = figure(1.9)
    for axes, code in zip(
        drawn.subplots(1, 3, sharey=True), ("length-mismatch", "index-gap", "not-finite"), strict=True
    ):
        names = ("images", "state", "actions")
        for row, name in enumerate(names):
            for t in range(12):
                cut = code == "length-mismatch" and name == "images" and t == 11
                spoilt = code == "not-finite" and name == "actions" and t == 6
                x = t + (1.0 if code == "index-gap" and t > 5 else 0.0)
                axes.barh(row, 0.8, left=x, height=0.6, color="none" if cut else RED if spoilt else BLUE,
                          edgecolor=RED if cut else "none", linestyle=":")  # fmt: skip
                if spoilt:
                    axes.text(x + 0.4, row, "NaN", ha="center", va="center", fontsize=6, color="white")
        if code == "index-gap":
            axes.text(6.4, 2.75, "frame 6 is missing", ha="center", color=RED, fontsize=8)
        axes.set(title=code, ylim=(3.1, -0.6), xlabel="frame", xticks=range(0, 13, 2))
        axes.set_yticks(range(3), names)
        axes.grid(visible=False)
    save(drawn, "streams")


def meaning(episode: Episode, others: list[Episode]) -> None:
    """A sentence that contradicts what moved, a state in other units, and a path that stands in both splits."""
    assert episode.scene is not None
    drawn = figure(2.4)
    task, units, splits = drawn.subplots(1, 3)
    task.plot(episode.scene[:, DRAWER] * 100, color=ORANGE)
    task.set(title="language-wrong-task", xlabel="frame", ylabel="drawer open, cm")
    task.text(0.04, 0.86, "“close the drawer”", transform=task.transAxes, style="italic")
    values = {"metres": episode.state[:, 2], "millimetres": episode.state[:, 2] * 1000}
    for (name, heights), colour in zip(values.items(), (GREEN, ORANGE), strict=True):
        units.semilogy(heights, color=colour, label=name)
    units.set(title="state-units", xlabel="frame", ylabel="height of the hand", ylim=(0.1, 3000))
    units.legend(loc="center")
    _leaked(splits, episode, others)
    save(drawn, "meaning")


def _leaked(axes: Axes, episode: Episode, others: list[Episode]) -> None:
    """Paths of the hand seen from above: training, and the one among them that validation has too."""
    for number, other in enumerate(others):
        label = "training" if not number else None
        axes.plot(other.state[:, 0] * 100, other.state[:, 1] * 100, color=GREY, linewidth=2.5, alpha=0.5, label=label)
    axes.plot(episode.state[:, 0] * 100, episode.state[:, 1] * 100, "--", color=RED, label="validation")
    axes.set(title="split-leakage", xlabel="x, cm", ylabel="y, cm")
    axes.legend()
