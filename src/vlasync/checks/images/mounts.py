"""What the declared mount of a camera says about its images: which way up, which camera moves, which colours.

None of these needs a sound example in the dataset, so they hold where all episodes have the same defect.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.images.flow import CENTRE
from vlasync.checks.images.flow_model import FlowModel
from vlasync.checks.images.views import UPRIGHT, View
from vlasync.spec import Camera

SURE = 5.0
"""Standard errors from zero at which a direction is believed. Of 16 clean play table episodes or one recording of
CALVIN the least sure is 14."""

AXES = {"x": 0, "y": 1, "z": 2}


def in_hand(camera: Camera) -> bool:
    """Whether a camera is declared as mounted on the hand."""
    return camera.up.startswith("hand ")


def orientation(camera: Camera, model: FlowModel) -> View:
    """How the images of a camera are seen, from the way they move with the hand; upright where that does not tell.

    A camera with `up` along `hand +x` (or another axis across the fingers) looks along the fingers, the hand's z axis:
    moving the hand up moves the scene down in the image, moving it right moves the scene left. A fixed camera with `up`
    along `world +z` shows a hand that rises move towards row 0, and looks down on the scene: the direction of view,
    rightwards times downwards, falls.
    """
    frame, _, axis = camera.up.partition(" ")
    if len(axis) != 2 or axis[1] not in AXES or axis[0] not in "+-":
        return UPRIGHT
    across, down = model.weights[:3, CENTRE].T
    across_error, down_error = model.errors[:3, CENTRE].T
    up = np.zeros(3)
    up[AXES[axis[1]]] = 1.0 if axis[0] == "+" else -1.0
    if frame == "hand" and axis[1] != "z":
        right = np.cross((0.0, 0.0, 1.0), up)
        rows = _sign(-float(down @ up), float(down_error @ np.abs(up)))
        columns = _sign(float(across @ right), float(across_error @ np.abs(right)))
        return UPRIGHT if rows is None or columns is None else View(rows=rows, columns=columns)
    if frame == "world" and axis == "+z":
        rows = _sign(float(down @ up), float(down_error @ up))
        looks_up = across[0] * down[1] - across[1] * down[0]
        spread = np.array([down[1], down[0], across[1], across[0]])
        errors = np.array([across_error[0], across_error[1], down_error[0], down_error[1]])
        handed = _sign(float(looks_up), float(np.linalg.norm(spread * errors)))
        return UPRIGHT if rows is None or handed is None else View(rows=rows, columns=handed != rows)
    return UPRIGHT


def _sign(value: float, error: float) -> bool | None:
    """Whether a number is positive; None where that is not sure."""
    return value > 0 if abs(value) > SURE * error else None


MOVES_MORE = 1.3
"""A fixed camera whose images change this many times as much as those of the camera on the hand is not fixed. In clean
recordings they change a third to a half as much."""


def is_exchanged(fixed_changes: float, hand_changes: float) -> bool:
    """Whether a fixed camera and one on the hand were exchanged, from the mean change of their images."""
    return fixed_changes > MOVES_MORE * hand_changes


COLD_LEVELS = 5.0
"""Blue above red, in grey levels on the mean of all images, that no ordinary scene shows. Wood, skin and lamps are
warm; the mean over ImageNet's photographs is 20 levels more red than blue, over both simulators 30 to 50."""

COLD_SHARE = 0.15
"""The same as a share of the standard deviation over all cells, so that noise is neither warm nor cold."""


def is_cold(small: NDArray[np.float32]) -> bool:
    """Whether images `[N, 3, h, w]` are bluer than scenes usually are, so that red and blue may be exchanged."""
    excess = small[:, 2] - small[:, 0]
    return bool(excess.mean() > max(COLD_LEVELS, COLD_SHARE * excess.std()))
