"""Which of the 34 tasks can be done from a state of the table.

A first, cautious look: what is asked for must not be done already, what is to be moved must be within reach, and there
must be room. Not every task that passes succeeds, and some that do not would. Metres, world frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.starts import DRAWER_LIMIT
from vlasync.envs.playtable.tasks import BLOCKS, MIN_DRAWER_TRAVEL, MIN_PUSH, MIN_SLIDER_TRAVEL, Snapshot

# How much further than a task needs a door must be able to travel, as the expert does not stop on the spot.
_SPARE_TRAVEL = 0.02
# Further open than this, the hand has room in the drawer. Half the width in which it takes a block.
_DRAWER_OPEN, _DRAWER_HALF = 0.16, 0.15
# Half the door and half the hand: a block whose centre is nearer to the door's is behind it.
_BEHIND_DOOR = 0.14 + 0.05
# Where the gripper takes blocks: within the table's edges, in front of the cabinet's door.
_REACH_X, _REACH_Y = 0.36, (-0.16, -0.05)
# A hand beside a block: what stands nearer than this to a block's centre is in its way, along y and along x.
_BESIDE = 0.075
_BUTTON_Y = -0.12
# A block that lies flat on the table, and one that lies on another and does not just lean on it.
_TABLE_HEIGHT, _ON_TOP = (0.45, 0.47), 0.49


def possible_tasks(now: Snapshot, layout: Layout) -> set[str]:
    """Names of the tasks that can be begun now.

    Args:
        now: the state of the table.
        layout: where things stand in this scene.
    """
    held = [color for block, color in enumerate(BLOCKS) if now.touched_bodies(block) == frozenset({"robot"})]
    if held:
        return set(_with_block_in_hand(now, layout, held[0]))
    return {*_fixtures(now, layout), *(task for block in range(len(BLOCKS)) for task in _block(now, layout, block))}


def _fixtures(now: Snapshot, layout: Layout) -> Iterator[str]:
    slider, drawer = now.doors
    bulb, led = now.lights
    if layout.slider_limit - slider > MIN_SLIDER_TRAVEL + _SPARE_TRAVEL:
        yield "move_slider_left"
    if slider > MIN_SLIDER_TRAVEL + _SPARE_TRAVEL:
        yield "move_slider_right"
    if DRAWER_LIMIT - drawer > MIN_DRAWER_TRAVEL + _SPARE_TRAVEL:
        yield "open_drawer"
    if drawer > MIN_DRAWER_TRAVEL + _SPARE_TRAVEL:
        yield "close_drawer"
    yield "turn_off_lightbulb" if bulb else "turn_on_lightbulb"
    yield "turn_off_led" if led else "turn_on_led"


def _with_block_in_hand(now: Snapshot, layout: Layout, color: str) -> Iterator[str]:
    yield "place_in_slider"
    if now.doors[1] > _DRAWER_OPEN:
        yield "place_in_drawer"
    others = [block for block, other in enumerate(BLOCKS) if other != color]
    if any(_stands_free(now, layout, block) for block in others):
        yield "stack_block"


def _block(now: Snapshot, layout: Layout, block: int) -> Iterator[str]:
    """What can be done with one block and an empty hand."""
    color, touched = BLOCKS[block], now.touched(block) - {"robot"}
    x = now.block_pos[block, 0]
    if _stands_free(now, layout, block):
        yield from (f"lift_{color}_block_table", f"rotate_{color}_block_left", f"rotate_{color}_block_right")
        yield from (f"push_{color}_block_{side}" for side, way in _WAYS.items() if _has_room(now, layout, block, way))
        if now.doors[1] > _DRAWER_OPEN and abs(x - layout.drawer_x) < _DRAWER_HALF:
            yield "push_into_drawer"
    elif touched == {"table/plank_link"}:
        if abs(x - (layout.slider_x - now.doors[0])) > _BEHIND_DOOR:
            yield f"lift_{color}_block_slider"
    elif touched == {"table/drawer_link"}:
        if now.doors[1] > _DRAWER_OPEN:
            yield f"lift_{color}_block_drawer"
    elif touched and all(partner.startswith("block_") for partner in touched) and now.block_pos[block, 2] > _ON_TOP:
        yield "unstack_block"


# The path of a pushed block's centre, along x.
_WAYS = {"left": -MIN_PUSH - _SPARE_TRAVEL, "right": MIN_PUSH + _SPARE_TRAVEL}


def _stands_free(now: Snapshot, layout: Layout, block: int) -> bool:
    """Whether a block lies on the table top alone, within reach, with room for the hand around it."""
    x, y, z = now.block_pos[block]
    on_table = now.touched(block) - {"robot"} == {"table/base_link"} and _TABLE_HEIGHT[0] < z < _TABLE_HEIGHT[1]
    within_reach = abs(x) < _REACH_X and _REACH_Y[0] < y < _REACH_Y[1]
    return bool(on_table and within_reach and not _obstacles(now, layout, block, x, x))


def _has_room(now: Snapshot, layout: Layout, block: int, way: float) -> bool:
    """Whether a block can be moved along x by `way` without leaving the table or meeting anything."""
    x = now.block_pos[block, 0]
    return abs(x + way) < _REACH_X and not _obstacles(now, layout, block, min(x, x + way), max(x, x + way))


def _obstacles(now: Snapshot, layout: Layout, block: int, low: float, high: float) -> bool:
    """Whether the button or another block stands beside a block's way from `low` to `high` along x."""
    others = [place[:2] for other, place in enumerate(now.block_pos) if other != block]
    y = now.block_pos[block, 1]
    return any(
        low - _BESIDE < place[0] < high + _BESIDE and abs(place[1] - y) < _BESIDE
        for place in (*others, np.array([layout.button_x, _BUTTON_Y]))
    )
