"""How an image moves from frame to frame, and how the hand moved meanwhile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.checks.units import in_declared_unit, measured_pose
from vlasync.types import Episode

MOVING_LEVELS = 4.0
"""Grey levels by which a cell changes where something moves; less is noise, compression or the edge of a shadow."""

DAMPING = 50.0
"""Ridge of the least squares, in squared grey levels per row: an image without edges gives no flow, not a wild one."""

BLOCK_STEPS = 64
"""Steps whose numbers a processor keeps at hand: long episodes in such blocks take half the time."""

FLOW_SIZE = 6
"""Numbers of an affine flow."""

CENTRE = (0, 3)
"""Where an affine flow keeps the motion at the centre of the image: to the right, and downwards."""

MOTION_SIZE = 7
"""Numbers of the hand's motion."""

POSITION_UNIT_M, ROTATION_UNIT_RAD = 0.01, 0.1
"""Units of the hand's motion that bring its numbers to the order of 1."""

TURNED_COLUMNS = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
"""Signs that an affine flow gets when the image is mirrored (columns reversed)."""

TURNED_ROWS = np.array([1.0, 1.0, -1.0, -1.0, -1.0, 1.0])
"""Signs that an affine flow gets when the image is upside down (rows reversed)."""


def affine_flow(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """The affine motion that explains best how each thumbnail becomes the next.

    Least squares on the brightness constancy equation (Lucas and Kanade 1981) over the cells that changed, so that a
    fixed camera shows the motion of what moves in front of it.

    Args:
        small: `[T, 3, h, w]` thumbnails.

    Returns:
        `[T - 1, 6]`: per column (u, du/dx, du/dy) and per row (v, dv/dx, dv/dy), u rightwards and v downwards in cells
        per frame at the centre of the image, x and y from -1 to 1 over the image.
    """
    blocks = [_affine_flow(small[first : first + BLOCK_STEPS + 1]) for first in range(0, len(small) - 1, BLOCK_STEPS)]
    return np.concatenate(blocks) if blocks else np.zeros((0, FLOW_SIZE))


def _affine_flow(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """`affine_flow` of a few thumbnails."""
    soft = _blurred(_blurred(small, axis=2), axis=3)
    change = soft[1:] - soft[:-1]
    middle = (soft[1:] + soft[:-1]) / np.float32(2)
    moving = np.abs(change).max(axis=1, keepdims=True) > MOVING_LEVELS
    along_x, along_y = _slope(middle, axis=3) * moving, _slope(middle, axis=2) * moving
    height, width = small.shape[2:]
    y, x = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij"))
    linear = np.stack([np.ones_like(x), x, y], axis=1)
    squares = np.einsum("pi,pj->pij", linear, linear).reshape(len(x), 9).astype(np.float32)

    def summed(one: NDArray[np.float32], other: NDArray[np.float32], basis: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.einsum("tchw,tchw->thw", one, other).reshape(len(one), -1) @ basis

    count = len(change)
    normal = np.empty((count, 2, 3, 2, 3))
    for i, j, one, other in ((0, 0, along_x, along_x), (0, 1, along_x, along_y), (1, 1, along_y, along_y)):
        normal[:, i, :, j] = normal[:, j, :, i] = summed(one, other, squares).reshape(count, 3, 3)
    right = -np.stack([summed(along, change, linear.astype(np.float32)) for along in (along_x, along_y)], axis=1)
    normal = normal.reshape(count, FLOW_SIZE, FLOW_SIZE) + DAMPING * height * np.eye(FLOW_SIZE)
    return np.linalg.solve(normal, right.reshape(count, FLOW_SIZE, 1))[..., 0]


def hand_motion(episode: Episode, *, in_hand: bool) -> NDArray[np.float64]:
    """How the hand moved from each frame to the next, `[T - 1, 7]` in `POSITION_UNIT_M` and `ROTATION_UNIT_RAD`.

    Translation and rotation vector of the TCP in world axes, or in its own where `in_hand`; and the change of the
    gripper's width, 0 where the state has none. NaN where frames are missing: that takes more than a frame's time.
    """
    pose = measured_pose(episode)
    turned = Rotation.from_euler("xyz", pose[:, 3:])
    known = any(part.name == "gripper_width" for part in episode.spec.state_layout)
    width = in_declared_unit(episode, "gripper_width") if known else np.zeros((len(episode), 1))
    moved = np.diff(pose[:, :3], axis=0)
    rotation = (turned[1:] * turned[:-1].inv()).as_rotvec()
    if in_hand:
        moved, rotation = turned[:-1].inv().apply(moved), turned[:-1].inv().apply(rotation)
    motion = np.concatenate(
        [moved / POSITION_UNIT_M, rotation / ROTATION_UNIT_RAD, np.diff(width, axis=0) / POSITION_UNIT_M], axis=1
    )
    motion[np.diff(episode.frame_index) != 1] = np.nan
    return motion


def _blurred(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Smoothed by (1, 2, 1) / 4 along an axis, the border repeated."""
    before, after = np.roll(values, 1, axis), np.roll(values, -1, axis)
    first, last = _line(values.ndim, axis, 0), _line(values.ndim, axis, -1)
    before[first], after[last] = values[first], values[last]
    return (before + 2 * values + after) / np.float32(4)


def _slope(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Central difference along an axis, 0 at the border."""
    slope = (np.roll(values, -1, axis) - np.roll(values, 1, axis)) / np.float32(2)
    slope[_line(values.ndim, axis, 0)] = slope[_line(values.ndim, axis, -1)] = 0
    return slope


def _line(dimensions: int, axis: int, position: int) -> tuple[slice | int, ...]:
    """The index of one row or column across an axis."""
    index: list[slice | int] = [slice(None)] * dimensions
    index[axis] = position
    return tuple(index)
