"""CALVIN's evaluation chains: 1000 initial states, each with five tasks to solve in a row.

The chains and the numbers of their initial states equal those that CALVIN's own evaluation draws, in order and content,
so that average lengths can be compared. Everything that is drawn comes from numpy's legacy generator, as there.
"""

from __future__ import annotations

import functools
from collections import deque

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.layouts import LAYOUTS, Interval, Layout
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.errors import VlasyncError
from vlasync.evaluation.symbolic import STATE_NAMES, State, after, initial_states

CHAINS = 1000
CHAIN_LENGTH = 5

DRAWS = 4096
"""Draws per round."""

IMPOSSIBLE = -1
"""Number of the state that a task leads to which is not possible."""

Chain = tuple[dict[str, int | str], list[str]]
"""An initial state and the tasks in order."""


def calvin_chains(count: int = CHAINS) -> list[Chain]:
    """The first `count` of CALVIN's 1000 chains; a smaller evaluation is a part of every larger one.

    Args:
        count: 1 to 1000.

    Returns:
        Symbolic initial state (see `vlasync.evaluation.symbolic.State`) and five names of tasks, each.

    Raises:
        VlasyncError: there are not as many.
    """
    if not 1 <= count <= CHAINS:
        raise VlasyncError(f"chains: got {count}; CALVIN's protocol has 1 to {CHAINS} of them")
    states = initial_states()
    # Which state each chain belongs to, in order of the states; CALVIN shuffles the chains once.
    owners = np.sort(np.arange(CHAINS) % len(states))
    totals, ranks = np.bincount(owners), np.arange(CHAINS) - np.searchsorted(owners, owners)
    order = np.arange(CHAINS)
    np.random.RandomState(0).shuffle(order)
    chosen = [(int(owners[index]), int(ranks[index])) for index in order[:count]]
    return [(dict(states[owner]), list(_draw_chains(owner, count=int(totals[owner]))[rank])) for owner, rank in chosen]


def initial_observation(
    initial_state: State, layout: Layout = LAYOUTS["D"]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The numbers of an initial state: what an environment is reset to.

    The yaw of each block, and which of two places on the table it takes, are drawn from a seed that is a hash of the
    state.

    Args:
        initial_state: symbolic, as `calvin_chains` gives it.
        layout: of the scene. CALVIN evaluates in scene D alone; elsewhere places move along x with the room for blocks.

    Returns:
        CALVIN's `robot_obs` `[15]` and `scene_obs` `[24]`, metres and radians.
    """
    scene = np.zeros(24)
    scene[0] = layout.slider_limit if initial_state["slider"] == "left" else 0.0
    scene[1] = DRAWER_OPEN if initial_state["drawer"] == "open" else 0.0
    scene[3:5] = (SWITCH_UP, 1.0) if initial_state["lightbulb"] else 0.0
    scene[5] = initial_state["led"]
    rng = np.random.RandomState(_seed(initial_state))
    first, second = rng.permutation(TABLE_PLACES)
    # Pink stands on the second place even where it is alone on the table.
    on_table = {"red": first, "blue": second if initial_state["red_block"] == "table" else first, "pink": second}
    for color, pose in zip(BLOCKS, scene[6:].reshape(3, 6), strict=True):
        place = str(initial_state[f"{color}_block"])
        pose[:3] = on_table[color] if place == "table" else CABINET_PLACES[place]
        pose[0] += _shift(pose[0], _room(LAYOUTS["D"], place), _room(layout, place))
        pose[5] = rng.uniform(np.pi / 2 - np.pi / 8, np.pi / 2 + np.pi / 8)
    return np.array(INITIAL_ROBOT_OBS), scene


# Metres. The robot's pose, the fixtures' joints and the blocks' places are CALVIN's, of scene D.
INITIAL_ROBOT_OBS = (
    *(0.02586889, -0.2313129, 0.5712808),
    *(3.09045411, -0.02908596, 1.50013585),
    0.07999963,
    *(-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928),
    1.0,
)
DRAWER_OPEN, SWITCH_UP = 0.22, 0.088
TABLE_PLACES = ((0.0500000896, -0.120000177, 0.459990009), (0.229995412, -0.11999514, 0.45999001))
CABINET_PLACES = {
    "slider_left": (-0.240851662, 0.0924044687, 0.460990009),
    "slider_right": (0.070341633, 0.0924044687, 0.460990009),
}


def _task_kinds() -> dict[str, str]:
    """The 34 tasks in the order in which CALVIN draws from them, each with its kind; a chain has no kind twice."""
    blocks = [f"{color}_block" for color in BLOCKS]
    kinds = {
        f"{verb}_{block}_{side}": "move"
        for verb in ("rotate", "push")
        for block in blocks
        for side in ("right", "left")
    }
    kinds |= dict.fromkeys(("move_slider_left", "move_slider_right"), "slider")
    kinds |= dict.fromkeys(("open_drawer", "close_drawer"), "drawer")
    kinds |= {f"lift_{block}_{place}": f"lift_{place}" for block in blocks for place in ("table", "slider", "drawer")}
    kinds |= dict.fromkeys(("place_in_slider", "place_in_drawer"), "place")
    kinds |= {"stack_block": "stack", "unstack_block": "unstack"}
    lights = ("turn_on_lightbulb", "turn_off_lightbulb", "turn_on_led", "turn_off_led")
    return kinds | dict.fromkeys(lights, "light") | {"push_into_drawer": "push_into_drawer"}


KINDS = _task_kinds()


@functools.cache
def _draw_chains(number: int, *, count: int) -> list[list[str]]:
    """Chains of one initial state: draws of five tasks, of five kinds each possible in one way in its turn."""
    names, kinds = list(KINDS), np.unique(list(KINDS.values()), return_inverse=True)[1]
    rng = np.random.RandomState(number)
    accepted: list[list[str]] = []
    while len(accepted) < count:
        drawn = _draw(rng, len(names))
        kinds_differ = (np.diff(np.sort(kinds[drawn], axis=1), axis=1) > 0).all(axis=1)
        now = np.full(len(drawn), number)
        for column in drawn.T:
            now = _transitions()[now, column]
        accepted += [[names[index] for index in row] for row in drawn[kinds_differ & (now != IMPOSSIBLE)]]
    return accepted[:count]


def _draw(rng: np.random.RandomState, tasks: int) -> NDArray[np.intp]:
    """`[DRAWS, 5]` numbers of tasks; each row is what `choice` without replacement draws: a shuffle's first five.

    A thousand chains take seven million shuffles, so no line of Python may run for each.
    """
    rows = np.tile(np.arange(tasks), (DRAWS, 1))
    deque(map(rng.shuffle, rows), maxlen=0)
    return rows[:, :CHAIN_LENGTH]


@functools.cache
def _transitions() -> NDArray[np.int32]:
    """`[S, 34]` number of the state that each task leads to from each state; the initial states have the first numbers.

    The last row is the state `IMPOSSIBLE`, which no task leads out of.
    """
    states = initial_states()
    numbers = {tuple(state.values()): number for number, state in enumerate(states)}
    rows = []
    for state in states:  # grows as new states are met
        following = [after(state, task) for task in KINDS]
        for new in following:
            if new is not None and tuple(new.values()) not in numbers:
                numbers[tuple(new.values())] = len(states)
                states.append(new)
        rows.append([IMPOSSIBLE if new is None else numbers[tuple(new.values())] for new in following])
    return np.array([*rows, [IMPOSSIBLE] * len(KINDS)], dtype=np.int32)


def _room(layout: Layout, place: str) -> Interval:
    """Where the centres of blocks may be along x."""
    left, right = layout.cabinet_blocks_x
    return {"table": layout.table_blocks_x, "slider_left": left, "slider_right": right}[place]


def _shift(x: float, room: Interval, other: Interval) -> float:
    """From `x` to the point that divides the other interval as `x` divides the first; exactly 0 between equal ones."""
    share = (x - room[0]) / (room[1] - room[0])
    return (1 - share) * (other[0] - room[0]) + share * (other[1] - room[1])


def _seed(state: State) -> int:
    """32-bit FNV-1 hash, begun at 0, of how Python writes the state's values; the bytes are UTF-16-LE."""
    hashed = 0
    for byte in f"dict_values({[state[name] for name in STATE_NAMES]})".encode("utf-16-le"):
        hashed = (hashed * 16777619 % 2**32) ^ byte
    return hashed
