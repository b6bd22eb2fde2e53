"""Defects of image streams, as they look."""

from __future__ import annotations

import numpy as np
from look import RED, figure, save, show
from numpy.typing import NDArray

from vlasync.testing.images import bgr, black, mirrored, repeat_image, rework_images, swap_cameras, turned, upside_down
from vlasync.testing.streams import delay
from vlasync.types import Episode

# The static camera of CALVIN's scene: place, right and up in the world; focal length in image heights (10 degrees).
CAMERA = np.array([2.871459, -2.166602, 2.555160])
RIGHT = np.array([0.72324455, 0.51412338, -0.46107975])
UP = np.array([-0.03026059, 0.69061059, 0.72259355])
FOCAL = 0.5 / np.tan(np.radians(5))


def image_lag(episode: Episode) -> None:
    """Two rows of images with a cross where the state says that the hand is."""
    first = int(np.flatnonzero(np.diff(episode.actions[:, 6]))[0]) - 12
    drawn = figure(3.3)
    rows = drawn.subplots(2, 6)
    for row, frames, label in ((rows[0], 0, "in step"), (rows[1], 3, "images 3 frames late")):
        shown = delay(episode, frames, cameras=("static",))
        for axes, t in zip(row, range(first, first + 12, 2), strict=True):
            show(axes, shown.images["static"][t - frames][30:150, 40:160], "")
            column, line = _pixel(shown.state[t - frames, :3], 200)
            axes.plot(column - 40, line - 30, "+", color="#00e5ff", markersize=13, markeredgewidth=2)
            axes.set_title(f"t = {t}")
        row[0].set_ylabel(label)
    save(drawn, "image-lag")


def stuck_images(episode: Episode) -> None:
    """Black, repeated and frozen images between good ones."""
    drawn = figure(4.7)
    rows = drawn.subplots(3, 7)
    spoilt = {
        "image-black": rework_images(episode, black, ("static",), 10, 1),
        "image-duplicate": repeat_image(episode, "static", 1),
        "image-frozen": repeat_image(episode, "static", 8),
    }
    for row, (code, shown) in zip(rows, spoilt.items(), strict=True):
        images = shown.images["static"]
        changed = [t for t in range(1, len(images)) if (images[t] == images[t - 1]).all() or not images[t].any()]
        start = changed[0] - (3 if len(changed) == 1 else 1)
        for axes, t in zip(row, range(start, start + 7), strict=True):
            show(axes, images[t][30:150, 40:160], f"t = {t}", RED if t in changed else "black")
        row[0].set_ylabel(code)
    save(drawn, "image-stuck")


def turned_images(episode: Episode) -> None:
    """Both cameras as they should be, and in each wrong way."""
    variants: dict[str, Episode] = {
        "in order": episode,
        "upside down": rework_images(episode, upside_down),
        "mirrored": rework_images(episode, mirrored),
        "turned by 180°": rework_images(episode, turned),
        "colour order": rework_images(episode, bgr),
        "cameras exchanged": swap_cameras(episode),
    }
    drawn = figure(3.1)
    rows = drawn.subplots(2, len(variants))
    for column, (name, shown) in enumerate(variants.items()):
        for row, camera in zip(rows, ("static", "gripper"), strict=True):
            show(row[column], shown.images[camera][8], name if camera == "static" else "")
    for row, camera in zip(rows, ("static", "gripper"), strict=True):
        row[0].set_ylabel(camera)
    save(drawn, "image-turned")


def _pixel(position: NDArray[np.float64], side: int) -> tuple[float, float]:
    """Column and row at which the static camera sees a position in the world."""
    ray = position - CAMERA
    depth = -ray @ np.cross(RIGHT, UP)
    return side * (0.5 + FOCAL * (ray @ RIGHT) / depth), side * (0.5 - FOCAL * (ray @ UP) / depth)
