"""Short chains that the expert knows, so that the protocol runs without a trained policy."""

import pytest

from vlasync.evaluation.protocol.chain import OWN_SENTENCES, PlannedChain

TASKS = (
    ("open_drawer", "turn_on_led", "move_slider_left"),
    ("turn_off_lightbulb", "close_drawer", "turn_off_led"),
    ("move_slider_right", "push_blue_block_right", "turn_on_lightbulb"),
    ("turn_on_led", "open_drawer", "push_red_block_left"),
)


def plan(index: int, tasks: tuple[str, ...]) -> PlannedChain:
    """A chain from a table on which each of its tasks is possible."""
    state = {
        "led": int("turn_off_led" in tasks),
        "lightbulb": int("turn_off_lightbulb" in tasks),
        "slider": "left" if "move_slider_right" in tasks else "right",
        "drawer": "open" if "close_drawer" in tasks else "closed",
        "red_block": "table",
        "blue_block": "table",
        "pink_block": "slider_left",
        "grasped": 0,
    }
    return PlannedChain(
        index=index, state=state, tasks=tasks, instructions=tuple(OWN_SENTENCES[task] for task in tasks)
    )


@pytest.fixture(scope="session")
def chains() -> list[PlannedChain]:
    return [plan(index, tasks) for index, tasks in enumerate(TASKS)]
