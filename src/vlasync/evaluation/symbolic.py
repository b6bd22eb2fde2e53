"""The play table in words: where things are, and what each of the 34 tasks needs and changes.

CALVIN draws its evaluation chains in this model. A state is a dict of eight words or numbers; a task has one or several
variants, each with the values it needs and the values it leaves behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations, product

from vlasync.envs.playtable.tasks import BLOCKS

State = Mapping[str, int | str]
"""The values of `STATE_NAMES`: 0 or 1 for the lights and for whether a block is in hand, words for the rest."""

CABINET = ("slider_right", "slider_left")
"""The two sides of the cabinet; a door on one side leaves the other side open."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way in which a task is possible.

    Attributes:
        needs: the values, any of which a part of the state must have.
        leaves: the values that parts of the state have afterwards.
    """

    needs: Mapping[str, Collection[int | str]]
    leaves: Mapping[str, int | str] = field(default_factory=dict)

    def possible(self, state: State) -> bool:
        """Whether a state has all that is needed."""
        return all(state[name] in values for name, values in self.needs.items())


def initial_states() -> list[dict[str, int | str]]:
    """The 192 states in which a chain may begin: one or two blocks on the table, the others apart in the cabinet."""
    places = ("table", *CABINET)
    states = []
    for values in product((0, 1), (0, 1), ("right", "left"), ("closed", "open"), places, places, places):
        blocks = values[4:]
        if 1 <= blocks.count("table") <= 2 and all(blocks.count(side) <= 1 for side in CABINET):
            states.append(dict(zip(STATE_NAMES, (*values, 0), strict=True)))
    return states


def after(state: State, task: str) -> dict[str, int | str] | None:
    """The state that a task leaves behind; None unless it is possible in exactly one way."""
    possible = [variant for variant in VARIANTS[task] if variant.possible(state)]
    return {**state, **possible[0].leaves} if len(possible) == 1 else None


STATE_NAMES = ("led", "lightbulb", "slider", "drawer", *(f"{color}_block" for color in BLOCKS), "grasped")


def _fixtures() -> Iterator[tuple[str, Variant]]:
    """Doors and lights: each is moved from one of its two values to the other, with an empty hand."""
    moves = {
        "move_slider_left": ("slider", "right", "left"),
        "move_slider_right": ("slider", "left", "right"),
        "open_drawer": ("drawer", "closed", "open"),
        "close_drawer": ("drawer", "open", "closed"),
        "turn_on_lightbulb": ("lightbulb", 0, 1),
        "turn_off_lightbulb": ("lightbulb", 1, 0),
        "turn_on_led": ("led", 0, 1),
        "turn_off_led": ("led", 1, 0),
    }
    for task, (name, before, after) in moves.items():
        yield task, Variant(needs={name: (before,), "grasped": (0,)}, leaves={name: after})


def _single_blocks() -> Iterator[tuple[str, Variant]]:
    """What is done with one block, whatever the others do."""
    for color in BLOCKS:
        block = f"{color}_block"
        on_table = {block: ("table",), "grasped": (0,)}
        held = {block: "grasped", "grasped": 1}
        for side in ("right", "left"):
            yield f"rotate_{block}_{side}", Variant(needs=on_table)
            yield f"push_{block}_{side}", Variant(needs=on_table)
        yield f"lift_{block}_table", Variant(needs=on_table, leaves=held)
        yield (
            f"lift_{block}_drawer",
            Variant(needs={block: ("drawer",), "drawer": ("open",), "grasped": (0,)}, leaves=held),
        )
        for door, side in (("right", "slider_left"), ("left", "slider_right")):
            yield (
                f"lift_{block}_slider",
                Variant(needs={block: (side,), "slider": (door,), "grasped": (0,)}, leaves=held),
            )
        in_hand = {block: ("grasped",), "grasped": (1,)}
        # The block comes to the side that bears the door's name, not to the open one: so it stands in CALVIN, and the
        # chains depend on it.
        for door, side in (("right", "slider_right"), ("left", "slider_left")):
            yield "place_in_slider", Variant(needs=in_hand | {"slider": (door,)}, leaves={block: side, "grasped": 0})
        yield "place_in_drawer", Variant(needs=in_hand | {"drawer": ("open",)}, leaves={block: "drawer", "grasped": 0})


def _several_blocks() -> Iterator[tuple[str, Variant]]:
    """What is done with one block and depends on where the others are."""
    for color in BLOCKS:
        others = {f"{other}_block": CABINET for other in BLOCKS if other != color}
        yield (
            "push_into_drawer",
            Variant(
                needs={f"{color}_block": ("table",), "drawer": ("open",), "grasped": (0,)} | others,
                leaves={f"{color}_block": "drawer"},
            ),
        )
    for upper, lower in permutations([f"{color}_block" for color in BLOCKS], 2):
        yield (
            "stack_block",
            Variant(
                needs={upper: ("grasped",), lower: ("table",), "grasped": (1,)},
                leaves={upper: "stacked_top", lower: "stacked_bottom", "grasped": 0},
            ),
        )
        yield (
            "unstack_block",
            Variant(
                needs={upper: ("stacked_top",), lower: ("stacked_bottom",), "grasped": (0,)},
                leaves={upper: "table", lower: "table"},
            ),
        )


def _variants() -> dict[str, tuple[Variant, ...]]:
    grouped: dict[str, list[Variant]] = {}
    for task, variant in (*_fixtures(), *_single_blocks(), *_several_blocks()):
        grouped.setdefault(task, []).append(variant)
    return {task: tuple(variants) for task, variants in grouped.items()}


VARIANTS = _variants()
"""Every task's variants."""
