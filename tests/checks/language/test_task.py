"""A sentence that asks for something else than what happened is named; one that the robot was kept from is not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import CLEAN
from numpy.typing import NDArray

from vlasync.checks.findings import Curves, Problem
from vlasync.checks.language.task import TaskCheck
from vlasync.data.open import open_dataset
from vlasync.envs.playtable.instructions import TRAINING
from vlasync.types import Episode, LanguageSpan

FRAMES = 40
ABOVE_TABLE = (0.0, -0.3, 0.6)
HANDLE, BUTTON = (0.18, -0.21, 0.36), (-0.12, -0.12, 0.486)

OTHERS_IN_CALVIN = {
    "turn_on_led": ("turn_off_led", "turn_on_lightbulb", "open_drawer"),
    "open_drawer": ("close_drawer", "move_slider_left", "lift_red_block_table"),
    "close_drawer": ("open_drawer", "move_slider_right", "push_blue_block_left"),
    "turn_on_lightbulb": ("turn_off_lightbulb", "turn_on_led", "close_drawer"),
    "turn_off_led": ("turn_on_led", "turn_off_lightbulb", "open_drawer"),
    "move_slider_left": ("move_slider_right", "open_drawer", "lift_pink_block_slider"),
    "move_slider_right": ("move_slider_left", "close_drawer", "turn_on_led"),
    "lift_red_block_table": ("lift_blue_block_table", "lift_red_block_drawer", "push_red_block_left"),
    "lift_blue_block_table": ("lift_pink_block_table", "lift_blue_block_slider", "rotate_blue_block_left"),
    "lift_pink_block_slider": ("lift_red_block_slider", "lift_pink_block_table", "place_in_slider"),
    "push_blue_block_right": ("push_blue_block_left", "push_pink_block_right", "lift_blue_block_table"),
    "place_in_drawer": ("place_in_slider", "stack_block", "lift_blue_block_table"),
    "place_in_slider": ("place_in_drawer", "stack_block", "open_drawer"),
    "stack_block": ("unstack_block", "place_in_drawer", "lift_red_block_table"),
}


def scene(**columns: tuple[float, float]) -> NDArray[np.float64]:
    """`[T, 24]` three blocks on the table, and numbers `c<column>` that go from one value to the other midway."""
    rows = np.zeros((FRAMES, 24))
    for start, x in ((6, 0.0), (12, 0.1), (18, 0.2)):
        rows[:, start : start + 3] = x, -0.1, 0.46
    rows[1:, 6] += 1e-5  # a simulated scene never stands quite still
    for name, (before, after) in columns.items():
        rows[:, int(name[1:])] = np.interp(np.arange(FRAMES), [15, 25], [before, after])
    return rows


def episode(
    task: str,
    rows: NDArray[np.float64] | None,
    *,
    sentence: str | None = None,
    spans: Sequence[tuple[int, int]] = ((0, FRAMES - 1),),
    tcp: tuple[float, float, float] = ABOVE_TABLE,
) -> Episode:
    """A demonstration of a task whose TCP goes to `tcp`."""
    words = TRAINING[task][0] if sentence is None else sentence
    state = np.zeros((FRAMES, 15))
    state[:, :3] = np.linspace(ABOVE_TABLE, tcp, FRAMES)
    return replace(
        CLEAN[0],
        state=state,
        scene=rows,
        language=tuple(LanguageSpan(first=first, last=last, sentence=words, task=task) for first, last in spans),
    )


def problems(*episodes: Episode) -> list[Problem]:
    check = TaskCheck()
    for one in episodes:
        check.look(one)
    return check.problems()


OPENED = scene(c1=(0.0, 0.15))
LIFTED_RED = scene(c8=(0.46, 0.51))
PUSHED_BLUE_LEFT = scene(c12=(0.1, -0.02))
BULB_ON = scene(c3=(0.0, 0.088), c4=(0.0, 1.0))
TURNED_RED_LEFT = scene(c11=(0.0, 1.4))


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        ("open_drawer", OPENED),
        ("close_drawer", scene(c1=(0.2, 0.05))),
        ("move_slider_left", scene(c0=(0.0, 0.2))),
        ("turn_on_lightbulb", BULB_ON),
        ("lift_red_block_table", LIFTED_RED),
        ("push_blue_block_left", PUSHED_BLUE_LEFT),
    ],
)
def test_what_happened_is_clean_and_all_else_is_not(task: str, rows: NDArray[np.float64]) -> None:
    assert problems(episode(task, rows)) == []
    for other in set(TRAINING) - {task}:
        assert [problem.code for problem in problems(episode(other, rows))] == ["language-wrong-task"], other


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("close_drawer", OPENED, "the opposite"),
        ("push_blue_block_right", PUSHED_BLUE_LEFT, "the opposite"),
        ("lift_blue_block_table", LIFTED_RED, "another one moved"),
        ("push_red_block_left", LIFTED_RED, "not how or where"),
        ("lift_red_block_table", TURNED_RED_LEFT, "not how or where"),
        ("turn_on_led", scene(c5=(1.0, 1.0)), "already"),
    ],
)
def test_the_kind_of_contradiction_is_told(task: str, rows: NDArray[np.float64], message: str) -> None:
    (problem,) = problems(episode(task, rows))
    assert message in problem.message


def test_what_moved_is_told_and_drawn() -> None:
    (problem,) = problems(episode("close_drawer", OPENED))
    assert "most moved: drawer, open" in problem.where
    assert isinstance(problem.evidence, Curves)
    assert problem.evidence.series["drawer"][-1] == pytest.approx(1.25)


def test_words_against_the_task_need_no_scene() -> None:
    (problem,) = problems(episode("open_drawer", None, sentence="close the drawer"))
    assert "filed under" in problem.message
    assert problems(episode("open_drawer", None)) == []


def test_a_wrong_sentence_is_found_without_a_task() -> None:
    unnamed = [
        replace(one, language=(replace(one.language[0], task=""),))
        for one in (episode("open_drawer", OPENED), episode("close_drawer", OPENED))
    ]
    assert problems(unnamed[0]) == []
    assert "the opposite" in problems(unnamed[1])[0].message


def test_sentences_that_do_not_tell_and_scenes_that_were_not_recorded_raise_no_alarm() -> None:
    wordless = replace(episode("open_drawer", LIFTED_RED, sentence="do it"))
    wordless = replace(wordless, language=(replace(wordless.language[0], task=""),))
    assert problems(wordless, episode("open_drawer", np.zeros((FRAMES, 24)))) == []


def test_the_gripper_tells_where_nothing_moved() -> None:
    assert problems(episode("turn_on_led", scene(), tcp=BUTTON)) == []
    (problem,) = problems(episode("open_drawer", scene(), tcp=BUTTON))
    assert "the gripper went to another" in problem.message
    assert problem.confidence < 0.9
    assert problems(episode("open_drawer", scene(), tcp=HANDLE)) == []


def test_the_gripper_is_where_the_scene_of_the_episode_has_things() -> None:
    led_in_a = replace(episode("turn_on_led", scene(), tcp=(-0.28, -0.12, 0.486)), scene_name="A")
    assert not problems(led_in_a)
    bulb_in_a = replace(episode("turn_on_lightbulb", scene(), tcp=(-0.28, -0.12, 0.486)), scene_name="A")
    assert [problem.code for problem in problems(bulb_in_a)] == ["language-wrong-task"]


def test_what_the_last_action_leads_to_counts_though_the_next_sentence_begins_there() -> None:
    rows = scene()
    rows[20:, 5] = 1.0
    first = LanguageSpan(first=0, last=19, sentence="turn on the led", task="turn_on_led")
    rows[35:, 0] = 0.2
    then = LanguageSpan(first=20, last=39, sentence="move the door left", task="move_slider_left")
    assert not problems(replace(episode("turn_on_led", rows), language=(first, then)))


def test_a_block_that_touches_down_or_falls_is_placed_and_one_that_is_held_is_not() -> None:
    rows = scene(c7=(-0.1, 0.08))
    rows[-1, 8] = 0.49
    assert not problems(episode("place_in_slider", rows))
    rows[-1, 8] = 0.50
    held = episode("place_in_slider", rows, tcp=(0.0, 0.08, 0.51))
    assert [problem.code for problem in problems(held)] == ["language-wrong-task"]
    assert not problems(episode("place_in_slider", rows))


@pytest.mark.parametrize("column", [7, 13, 19], ids=["red", "blue", "pink"])
def test_a_block_that_may_touch_the_cabinets_floor_with_a_corner_is_in_it(column: int) -> None:
    """Any of the three is the longest in one scene or another."""

    def moved_to(y: float) -> Episode:
        return episode("place_in_slider", scene(**{f"c{column}": (-0.1, y)}), tcp=(0.0, y - 0.2, 0.6))

    assert not problems(moved_to(-0.022))
    assert problems(moved_to(-0.028))


@pytest.mark.parametrize(
    ("y", "from_cabinet", "from_table"), [(-0.1, False, True), (0.013, True, True), (0.08, True, False)]
)
def test_a_block_at_the_cabinets_rim_is_lifted_from_there_and_from_the_table(
    y: float, from_cabinet: bool, from_table: bool
) -> None:
    rows = scene(c8=(0.46, 0.56))
    rows[:, 7] = y
    for task, possible in (("lift_red_block_slider", from_cabinet), ("lift_red_block_table", from_table)):
        assert (not problems(episode(task, rows, tcp=(0.0, y, 0.56)))) == possible


def test_a_block_over_another_one_is_about_to_be_stacked() -> None:
    rows = scene(c6=(0.0, 0.1), c8=(0.46, 0.52))
    assert not problems(episode("stack_block", rows))
    rows[-1, 8] = 0.60
    assert [problem.code for problem in problems(episode("stack_block", rows))] == ["language-wrong-task"]


def test_a_block_that_is_carried_throughout_is_put_down_past_the_last_frame() -> None:
    rows = scene(c6=(0.0, 0.1), c8=(0.53, 0.56))
    for task in ("place_in_slider", "place_in_drawer", "stack_block"):
        assert not problems(episode(task, rows, tcp=(0.1, -0.1, 0.56)))
        assert problems(episode(task, scene(c6=(0.0, 0.1), c8=(0.46, 0.56)), tcp=(0.1, -0.1, 0.56)))


def test_a_block_may_arrive_in_frames_without_a_sentence() -> None:
    rows = scene(c6=(0.0, 0.1), c8=(0.46, 0.50))
    assert not problems(episode("stack_block", rows, spans=((0, 20),)))
    assert problems(episode("stack_block", rows[:30][np.minimum(np.arange(FRAMES), 21)], spans=((0, 20),)))


def test_a_light_may_change_past_the_last_frame_though_a_block_was_pushed_on_the_way() -> None:
    assert problems(episode("turn_on_led", PUSHED_BLUE_LEFT, tcp=BUTTON)) == []


def test_a_task_may_be_done_in_frames_without_a_sentence() -> None:
    assert problems(episode("open_drawer", OPENED, spans=((0, 12),))) == []
    assert problems(episode("open_drawer", OPENED, spans=((0, 12), (30, 39)))) == []
    (problem,) = problems(episode("close_drawer", OPENED, spans=((0, 12), (30, 39))))
    assert problem.count == 1


def test_an_empty_sentence_asks_for_nothing_and_its_frames_may_be_its_neighbours() -> None:
    rows = scene(c6=(0.0, 0.15))
    rows[5:10, 8] = 0.5  # picked up for a moment, and pushed only once the sentence is over
    pushed = episode("push_red_block_right", rows, spans=((0, 12), (13, 39)))
    first, second = pushed.language
    assert not problems(replace(pushed, language=(first, replace(second, sentence=" "))))
    assert not problems(episode("close_drawer", OPENED, sentence=""))


def test_one_wrong_sentence_among_many_is_found() -> None:
    wrong = replace(episode("close_drawer", OPENED), name="the wrong one")
    (problem,) = problems(*[episode("open_drawer", OPENED)] * 30, wrong)
    assert problem.where.startswith("the wrong one, frames 0..39")


@pytest.mark.parametrize("split", ["training", "validation"])
def test_sentences_of_calvin_itself_are_right_and_others_are_not(shared_data: Path, split: str) -> None:
    for one in open_dataset(shared_data / "calvin_sample" / split):
        assert problems(one) == []
        for number, span in enumerate(one.language):
            for task in OTHERS_IN_CALVIN[span.task]:
                language = list(one.language)
                language[number] = replace(span, task=task, sentence="go on")
                assert problems(replace(one, language=tuple(language))), (span, task)
