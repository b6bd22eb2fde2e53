"""What moved in the play table's scene, how, and how far compared with what a task asks for.

Scenes are CALVIN's `scene_obs [24]`: door, drawer, button and switch (m), bulb and LED (0 or 1), then position and
extrinsic Euler angles of the red, blue and pink block. Things are called by what they are: `drawer`, `red block`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.tasks import BLOCKS, MIN_DRAWER_TRAVEL, MIN_LIFT, MIN_PUSH, MIN_SLIDER_TRAVEL

SCENE_SIZE = 24
BLOCK_THINGS = tuple(f"{color} block" for color in BLOCKS)
THINGS = ("door", "drawer", "bulb", "led", *BLOCK_THINGS)

Movements = Mapping[tuple[str, str], float]
"""(thing, way) -> size of the movement; 1 is what CALVIN asks of a task."""

_DOOR, _DRAWER, _BUTTON, _SWITCH, _BULB, _LED = range(6)
_BLOCK_COLUMNS = {thing: 6 + 6 * number for number, thing in enumerate(BLOCK_THINGS)}
_X, _Z, _YAW = 0, 2, 5

_BUTTON_DOWN, _SWITCH_UP = 0.010, 0.044
"""Travel (m) at which the LED toggles and from which the bulb shines."""

_MIN_TURN = np.deg2rad(60.0)

# Column, thing, what CALVIN asks of a task, and what the growing and the shrinking of the number is called. A pressed
# button shows that the LED is about to change, not to what.
_NUMBERS: tuple[tuple[int, str, float, str, str], ...] = (
    (_DOOR, "door", MIN_SLIDER_TRAVEL, "left", "right"),
    (_DRAWER, "drawer", MIN_DRAWER_TRAVEL, "open", "closed"),
    (_BUTTON, "led", _BUTTON_DOWN, "pressed", "released"),
    (_SWITCH, "bulb", _SWITCH_UP, "on", "off"),
    (_BULB, "bulb", 1.0, "on", "off"),
    (_LED, "led", 1.0, "on", "off"),
    *((start + _X, thing, MIN_PUSH, "right", "left") for thing, start in _BLOCK_COLUMNS.items()),
    *((start + _Z, thing, MIN_LIFT["table"], "up", "down") for thing, start in _BLOCK_COLUMNS.items()),
    *((start + _YAW, thing, _MIN_TURN, "turned left", "turned right") for thing, start in _BLOCK_COLUMNS.items()),
)
_COLUMNS = np.array([column for column, *_ in _NUMBERS])
_UNITS = np.array([unit for _, _, unit, *_ in _NUMBERS])
_YAWS = np.array([start + _YAW for start in _BLOCK_COLUMNS.values()])

_TABLE_BLOCK_Z = 0.46
"""Height (m) of a block's centre on the table and in the cabinet; it is 0.36 in the drawer."""

_CABINET_Y = 0.03
"""Blocks on the table cannot come further back (m) than the cabinet's front; those in it lie behind."""

_CABINET_FLOOR_Y = 0.02
"""Where the cabinet's floor begins (m); a block that touches it is in the cabinet, however little of it."""

_CORNER_M = 0.045
"""Distance of the longest block's corners from its centre, seen from above; which one it is changes with the scene."""

_DRAWER_Y = -0.14
"""Blocks that fall into the drawer leave the table at its front edge, at -0.18 m."""

_ASKEW_M = 0.035
"""Most that the centre of a block which touches down askew is higher (m) than it will lie; on a block it is 0.04."""

_ON_BLOCK_M, _ABOVE_BLOCK_M = 0.06, (0.03, 0.055)
"""Largest distance in the plane, and range of heights (m), of a block that lies on another one, 0.04 m high."""

_OVER_BLOCK_M = (0.03, 0.075)
"""The same of one that is held over another, as a stack begins: success may lie past a sentence's last frame."""


def orientations(scene: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two rows of each block's rotation matrix in `scene [T, 24]`: `[T, 3, 2, 3]`.

    Turns about the vertical depend on no more, and each sentence of a dataset asks for them. Extrinsic xyz angles
    a, b, c stand for Rz(c) Ry(b) Rx(a).
    """
    angles = np.stack([scene[:, start + 3 : start + 6] for start in _BLOCK_COLUMNS.values()], axis=1)
    (sin_a, sin_b, sin_c), (cos_a, cos_b, cos_c) = (
        np.moveaxis(np.sin(angles), -1, 0),
        np.moveaxis(np.cos(angles), -1, 0),
    )
    rows = (
        (cos_b * cos_c, sin_a * sin_b * cos_c - cos_a * sin_c, cos_a * sin_b * cos_c + sin_a * sin_c),
        (cos_b * sin_c, sin_a * sin_b * sin_c + cos_a * cos_c, cos_a * sin_b * sin_c - sin_a * cos_c),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def movements(scene: NDArray[np.float64], turns: NDArray[np.float64]) -> Movements:
    """All movements in `scene [T, 24]`, forth and back told apart: the largest rise and the largest fall of a number.

    Blocks go `left` and `right` (along x), `up` and `down`, `turned left` and `turned right`, and `away` in all.

    Args:
        scene: the stretch to look at.
        turns: `orientations` of its frames, `[T, 3, 2, 3]`.
    """
    values = scene.copy()
    values[:, _YAWS] = _yaws(turns)
    values = values[:, _COLUMNS] / _UNITS
    rises = (values - np.minimum.accumulate(values)).max(axis=0).tolist()
    falls = (np.maximum.accumulate(values) - values).max(axis=0).tolist()
    found: dict[tuple[str, str], float] = {}
    for (_, thing, _, growing, shrinking), rise, fall in zip(_NUMBERS, rises, falls, strict=True):
        found[thing, growing] = max(found.get((thing, growing), 0.0), rise)
        found[thing, shrinking] = max(found.get((thing, shrinking), 0.0), fall)
    for thing, start in _BLOCK_COLUMNS.items():
        found[thing, "away"] = float(_travel(scene, start).max()) / MIN_PUSH
    return found


def paths(scene: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    """How far each of `THINGS` is from where it began, `[T]`; 1 is what CALVIN asks of a task."""
    found = {thing: np.zeros(len(scene)) for thing in THINGS}
    for column, thing, unit, *_ in _NUMBERS:
        if thing not in _BLOCK_COLUMNS:
            found[thing] = np.maximum(found[thing], np.abs(scene[:, column] - scene[0, column]) / unit)
    return found | {thing: _travel(scene, start) / MIN_PUSH for thing, start in _BLOCK_COLUMNS.items()}


def distances(
    scene: NDArray[np.float64], tcp: NDArray[np.float64], layout: Layout
) -> Mapping[str, NDArray[np.float64]]:
    """Distance in metres, `[T]`, between the TCP `[T, 3]` and each of `THINGS` at the table of that layout."""
    # Where the hand takes hold of a thing (world), the way that place moves, and the joint that moves it.
    handles = {
        "door": ((layout.slider_x, 0.01, 0.55), (-1.0, 0.0, 0.0), _DOOR),
        "drawer": ((layout.drawer_x, -0.21, 0.36), (0.0, -1.0, 0.0), _DRAWER),
        "bulb": ((layout.switch_x, 0.03, 0.52), (0.0, 0.5, 0.866), _SWITCH),
        "led": ((layout.button_x, -0.12, 0.486), (0.0, 0.0, 0.0), _BUTTON),
    }
    places = {
        thing: np.array(place) + scene[:, joint, None] * np.array(way) for thing, (place, way, joint) in handles.items()
    }
    places |= {thing: scene[:, start : start + 3] for thing, start in _BLOCK_COLUMNS.items()}
    return {thing: np.linalg.norm(tcp - place, axis=1) for thing, place in places.items()}


def is_lit(scene: NDArray[np.float64], light: str) -> bool:
    """Whether `bulb` or `led` shines in `scene [24]`."""
    return bool(scene[_BULB if light == "bulb" else _LED] > 0.5)


def lies_on(scene: NDArray[np.float64], thing: str) -> str:
    """`table`, `slider` (the cabinet) or `drawer`, where a block of `scene [24]` lies; empty where it lies on none."""
    _, y, z = _centre(scene, thing)
    if abs(z - _TABLE_BLOCK_Z) < 0.01:
        return "slider" if y > _CABINET_Y else "table"
    return "drawer" if z < _TABLE_BLOCK_Z - 0.04 else ""


def may_lie_in(scene: NDArray[np.float64], thing: str, place: str) -> bool:
    """Whether a block of `scene [24]` is, or is about to come to rest, in the `slider` (the cabinet) or `drawer`."""
    _, y, z = _centre(scene, thing)
    if place == "slider":
        return bool(y > _CABINET_FLOOR_Y - _CORNER_M)
    return bool(y < _DRAWER_Y or z < _TABLE_BLOCK_Z - 0.02)


def is_raised(first: NDArray[np.float64], last: NDArray[np.float64], thing: str) -> bool:
    """Whether a block is higher in scene `last [24]` than in `first [24]`, and above all places but other blocks."""
    before, after = _centre(first, thing)[_Z], _centre(last, thing)[_Z]
    return bool(after > before + 0.02 and after > _TABLE_BLOCK_Z + _ASKEW_M)


def is_stacked(scene: NDArray[np.float64], *, soon: bool = False) -> bool:
    """Whether a block of `scene [24]` lies on another one, or is about to be put there."""
    centres = np.stack([_centre(scene, thing) for thing in BLOCK_THINGS])
    apart = centres[:, None] - centres
    low, high = _ABOVE_BLOCK_M if not soon else _OVER_BLOCK_M
    above = (apart[..., _Z] > low) & (apart[..., _Z] < high)
    return bool((above & (np.linalg.norm(apart[..., :_Z], axis=-1) < _ON_BLOCK_M)).any())


def _yaws(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each block is turned about the vertical from where it began, `[T, 3]` rad, whichever side it lies on."""
    side, front = np.einsum("tbrc,bc->rtb", turns, turns[0, :, 0])[::-1]
    return np.unwrap(np.arctan2(side, front), axis=0)


def _centre(scene: NDArray[np.float64], thing: str) -> NDArray[np.float64]:
    """Position `[3]` of a block in `scene [24]`."""
    start = _BLOCK_COLUMNS[thing]
    return scene[start : start + 3]


def _travel(scene: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """Distance of a block from where it began, `[T]`, whose numbers begin at column `start`."""
    centres = scene[:, start : start + 3]
    return np.linalg.norm(centres - centres[0], axis=1)
