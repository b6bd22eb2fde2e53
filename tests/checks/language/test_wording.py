"""Words rule out the tasks that they do not fit, and nothing else."""

import pytest

from vlasync.checks.language.wording import tasks_named
from vlasync.envs.playtable.instructions import HELD_OUT, TRAINING
from vlasync.envs.playtable.tasks import TASKS

SENTENCES = [(task, text) for source in (TRAINING, HELD_OUT) for task, texts in source.items() for text in texts]


def test_sentences_of_the_play_table_name_their_own_task() -> None:
    assert all(tasks_named(text) == {task} for task, text in SENTENCES)


def test_a_sentence_that_was_never_heard_still_fits_its_task() -> None:
    assert all(task in tasks_named(f"please {text} now") for task, text in SENTENCES)


@pytest.mark.parametrize(
    ("sentence", "tasks"),
    [
        ("Kindly close the drawer.", {"close_drawer"}),
        ("take the blue block and rotate it to the left", {"rotate_blue_block_left"}),
        ("lift the pink block lying in the drawer", {"lift_pink_block_drawer"}),
        ("put the object in the cabinet", {"place_in_slider"}),
        ("gently lift the pink block out of the open drawer", {"lift_pink_block_drawer"}),
        ("toggle the light switch to turn off the light bulb", {"turn_off_lightbulb"}),
        ("push the button to turn on the green light", {"turn_on_led"}),
    ],
)
def test_words_narrow_down(sentence: str, tasks: set[str]) -> None:
    assert tasks_named(sentence) == tasks


def test_a_landmark_is_not_where_a_block_lies() -> None:
    assert "push_red_block_left" in tasks_named("push the red block towards the drawer")


@pytest.mark.parametrize("sentence", ["", "  ", "do the task", "wipe the surface", "open the led bulb"])
def test_nothing_is_claimed_where_words_do_not_tell_or_contradict_themselves(sentence: str) -> None:
    assert tasks_named(sentence) == frozenset()


def test_the_opposite_and_the_other_colour_never_fit() -> None:
    swaps = [("left", "right"), ("right", "left"), ("red", "blue"), ("_on_", "_off_"), ("_off_", "_on_")]
    for task, text in SENTENCES:
        for old, new in swaps:
            other = task.replace(old, new)
            assert other == task or other not in TASKS or other not in tasks_named(text)
