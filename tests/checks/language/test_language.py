"""Sentences outside of their episode, empty, short or over one another are named; neighbours may overlap a little."""

from dataclasses import replace

import pytest
from made_up import CLEAN

from vlasync.checks.language.spans import LanguageCheck
from vlasync.types import LanguageSpan


def problems(*spans: tuple[int, int, str], sentence: str = "do it", window_size: int = 8) -> list[tuple[str, str]]:
    language = tuple(LanguageSpan(first=first, last=last, sentence=sentence, task=task) for first, last, task in spans)
    check = LanguageCheck(window_size)
    check.look(replace(CLEAN[0], language=language))
    return [(problem.code, problem.where) for problem in check.problems()]


@pytest.mark.parametrize(
    ("span", "code"),
    [
        ((40, 45, "a"), "language-out-of-bounds"),
        ((-3, 10, "a"), "language-out-of-bounds"),
        ((10, 5, "a"), "language-out-of-bounds"),
        ((30, 40, "a"), "language-crosses-episode"),
        ((0, 90, "a"), "language-crosses-episode"),
        ((3, 9, "a"), "language-too-short"),
    ],
)
def test_a_misplaced_sentence_is_named_once(span: tuple[int, int, str], code: str) -> None:
    ((found, where),) = problems(span)
    assert found == code
    assert "episode 0" in where
    assert f"frames {span[0]}..{span[1]}" in where


def test_the_whole_episode_and_exactly_one_window_are_fine() -> None:
    assert problems((0, 39, "a"), window_size=40) == []
    assert problems((0, 7, "a")) == []


@pytest.mark.parametrize("sentence", ["", " \n"])
def test_an_empty_sentence_is_named(sentence: str) -> None:
    assert problems((0, 9, "a"), sentence=sentence) == [("language-empty", "episode 0, frames 0..9")]


def test_sentences_of_different_tasks_over_the_same_frames_are_named() -> None:
    ((code, where),) = problems((0, 19, "a"), (2, 18, "b"))
    assert code == "language-overlap"
    assert "frames 0..19 and 2..18 (a, b)" in where


@pytest.mark.parametrize("second", [(10, 29, "b"), (5, 24, "b"), (0, 19, "a"), (20, 39, "b")])
def test_neighbours_and_paraphrases_may_overlap(second: tuple[int, int, str]) -> None:
    assert problems((0, 19, "a"), second) == []
