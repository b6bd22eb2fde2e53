"""Sentences for the tasks that the play table's expert demonstrates.

`TRAINING` sentences accompany demonstrations. `HELD_OUT` sentences are for evaluation: no demonstration carries them,
but their words are known from training sentences, so that they test understanding rather than spelling. All are
vlasync's own; CALVIN's evaluation sentences stay unseen.
"""

from __future__ import annotations

import difflib
from typing import Literal

import numpy as np

from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.errors import VlasyncError

Split = Literal["training", "held_out"]

_TRAINING = {
    "open_drawer": (
        "open the drawer",
        "pull the drawer open",
        "pull the drawer out",
        "slide the drawer out towards you",
        "open the drawer by its handle",
        "take the handle and pull the drawer towards you",
        "grab the drawer handle and pull it out",
        "make the drawer come out",
        "the drawer should be open",
        "get the drawer open",
    ),
    "close_drawer": (
        "close the drawer",
        "push the drawer shut",
        "push the drawer in",
        "slide the drawer back in",
        "shut the drawer by its handle",
        "push the drawer handle back into the table",
        "make the drawer go in",
        "the drawer should be closed",
        "get the drawer shut",
        "push the open drawer back",
    ),
    "move_slider_left": (
        "slide the door to the left",
        "move the door left",
        "push the door leftwards",
        "move the sliding door over to the left",
        "take the door handle and move it left",
        "shift the door of the cabinet to the left",
        "slide the cabinet door left",
        "the door should be on the left",
        "get the sliding door to the left end",
        "bring the door handle over to the left",
    ),
    "move_slider_right": (
        "slide the door to the right",
        "move the door right",
        "push the door rightwards",
        "move the sliding door over to the right",
        "take the door handle and move it right",
        "shift the door of the cabinet to the right",
        "slide the cabinet door right",
        "the door should be on the right",
        "get the sliding door to the right end",
        "bring the door handle over to the right",
    ),
    "turn_on_led": (
        "turn on the led",
        "switch the green light on with the button",
        "press the button so that the green light comes on",
        "push down the button to light the led",
        "make the led light up",
        "the led should be on",
        "turn the green led on",
        "get the green light on",
        "light the led with the button",
        "press down the button until the led is on",
    ),
    "turn_off_led": (
        "turn off the led",
        "switch the green light off with the button",
        "press the button so that the green light goes out",
        "push down the button to darken the led",
        "make the led go dark",
        "the led should be off",
        "turn the green led off",
        "get the green light off",
        "darken the led with the button",
        "press down the button until the led is off",
    ),
    "turn_on_lightbulb": (
        "turn on the bulb",
        "switch the yellow light on",
        "move the switch up so that the bulb comes on",
        "lift the switch to light the bulb",
        "make the light bulb shine",
        "the light bulb should be on",
        "turn the yellow bulb on",
        "get the yellow light on with the switch",
        "push the switch up",
        "slide the switch up until the bulb is on",
    ),
    "turn_off_lightbulb": (
        "turn off the bulb",
        "switch the yellow light off",
        "move the switch down so that the bulb goes out",
        "lower the switch to darken the bulb",
        "make the light bulb go dark",
        "the light bulb should be off",
        "turn the yellow bulb off",
        "get the yellow light off with the switch",
        "push the switch down",
        "slide the switch down until the bulb is off",
    ),
}

_HELD_OUT = {
    "open_drawer": (
        "get the drawer to come out",
        "take the drawer handle and open the drawer",
        "slide the drawer open",
        "grab the handle and pull the drawer open",
    ),
    "close_drawer": (
        "get the drawer closed",
        "slide the drawer shut",
        "make the drawer go back in",
        "push the handle until the drawer is shut",
    ),
    "move_slider_left": (
        "push the door of the cabinet to the left",
        "get the cabinet door over to the left",
        "take the handle and slide the door left",
        "bring the sliding door to the left",
    ),
    "move_slider_right": (
        "push the door of the cabinet to the right",
        "get the cabinet door over to the right",
        "take the handle and slide the door right",
        "bring the sliding door to the right",
    ),
    "turn_on_led": (
        "press the button and turn the led on",
        "make the green light come on",
        "turn on the green light with the button",
        "get the led to light up",
    ),
    "turn_off_led": (
        "press the button and turn the led off",
        "make the green light go out",
        "turn off the green light with the button",
        "get the led to go dark",
    ),
    "turn_on_lightbulb": (
        "push the switch up to turn the bulb on",
        "make the yellow light come on",
        "turn on the yellow light bulb",
        "get the bulb on with the switch",
    ),
    "turn_off_lightbulb": (
        "push the switch down to turn the bulb off",
        "make the yellow light go out",
        "turn off the yellow light bulb",
        "get the bulb off with the switch",
    ),
}

_TRAINING_LIFT = (
    "lift the {color} block",
    "lift the {color} block off the table",
    "pick up the {color} block",
    "pick the {color} block up from the table",
    "take the {color} block and raise it",
    "grab the {color} block and lift it up",
    "raise the {color} block",
    "get the {color} block off the table",
    "take hold of the {color} block and pick it up",
    "the {color} block should be in the air",
)

_HELD_OUT_LIFT = (
    "grab the {color} block and raise it off the table",
    "pick the {color} block up",
    "take the {color} block and lift it into the air",
    "raise the {color} block from the table",
)

_TRAINING_PUSH = (
    "push the {color} block to the {side}",
    "push the {color} block {side}wards",
    "slide the {color} block to the {side}",
    "move the {color} block over to the {side}",
    "shift the {color} block {side}",
    "drag the {color} block to the {side}",
    "slide the {color} block along the table to the {side}",
    "the {color} block should be further {side}",
    "take the {color} block {side}wards across the table",
    "make the {color} block go {side}",
)

_HELD_OUT_PUSH = (
    "slide the {color} block over to the {side}",
    "move the {color} block {side}wards",
    "push the {color} block across the table to the {side}",
    "shift the {color} block further to the {side}",
)


def _with_blocks(
    sentences: dict[str, tuple[str, ...]], lift: tuple[str, ...], push: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """`sentences` and the block tasks, whose sentences differ in color and side alone."""
    complete = dict(sentences)
    for color in BLOCKS:
        complete[f"lift_{color}_block_table"] = tuple(text.format(color=color) for text in lift)
        for side in ("left", "right"):
            complete[f"push_{color}_block_{side}"] = tuple(text.format(color=color, side=side) for text in push)
    return complete


TRAINING: dict[str, tuple[str, ...]] = _with_blocks(_TRAINING, _TRAINING_LIFT, _TRAINING_PUSH)
"""Sentences that accompany demonstrations, by task."""

HELD_OUT: dict[str, tuple[str, ...]] = _with_blocks(_HELD_OUT, _HELD_OUT_LIFT, _HELD_OUT_PUSH)
"""Sentences that no demonstration carries, by task."""

DEMONSTRATED_TASKS: tuple[str, ...] = tuple(TRAINING)
"""Tasks with sentences, starts and an expert."""


def require_demonstrated(task: str) -> None:
    """Raise `VlasyncError` with the nearest names unless `task` is one of `DEMONSTRATED_TASKS`."""
    if task not in TRAINING:
        near = difflib.get_close_matches(task, DEMONSTRATED_TASKS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "choose one of " + ", ".join(DEMONSTRATED_TASKS)
        raise VlasyncError(f"task {task!r}: no such task on the play table; {hint}")


def sentence(task: str, split: Split, rng: np.random.Generator) -> str:
    """One of the sentences that ask for `task`, drawn evenly.

    Args:
        task: one of `DEMONSTRATED_TASKS`.
        split: `training` for demonstrations, `held_out` for evaluation.
        rng: source of the draw.

    Raises:
        VlasyncError: there is no such task; the message suggests the nearest names.
    """
    require_demonstrated(task)
    sentences = (TRAINING if split == "training" else HELD_OUT)[task]
    return sentences[rng.integers(len(sentences))]
