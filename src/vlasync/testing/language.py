"""Defects of the sentences: in the wrong place, or of another task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS, TRAINING
from vlasync.testing.defect import Defect
from vlasync.testing.streams import WINDOW_SIZE
from vlasync.types import Episode, LanguageSpan

OPPOSITE: Mapping[str, str] = {
    task: task.replace(word, other)
    for word, other in (("open", "close"), ("close", "open"), ("left", "right"), ("right", "left"), ("_on_", "_off_"),
                        ("_off_", "_on_"))
    for task in DEMONSTRATED_TASKS
    if word in task
}  # fmt: skip
"""Task -> the same thing moved the other way."""

RECOLOURED: Mapping[str, str] = {
    task: task.replace(colour, other)
    for colour, other in (("red", "blue"), ("blue", "pink"), ("pink", "red"))
    for task in DEMONSTRATED_TASKS
    if f"_{colour}_" in task
}
"""Task -> the same done to a block of another colour."""

OTHER_OBJECT: Mapping[str, str] = {
    **{task: "close_drawer" for task in DEMONSTRATED_TASKS if "block" in task or "slider" in task},
    **{task: "move_slider_left" for task in DEMONSTRATED_TASKS if "drawer" in task},
    "turn_on_led": "turn_on_lightbulb",
    "turn_off_led": "turn_off_lightbulb",
    "turn_on_lightbulb": "turn_on_led",
    "turn_off_lightbulb": "turn_off_led",
}
"""Task -> a task on another object."""


def relabel(episode: Episode, tasks: Mapping[str, str], *, label: bool = True) -> Episode:
    """The first task that `tasks` lists gets the sentence of another, and with `label` its name too."""
    task = next((span.task for span in episode.language if span.task in tasks), None)
    if task is None:
        return episode
    sentence = TRAINING[tasks[task]][0]
    spans = tuple(
        replace(span, sentence=sentence, task=tasks[task] if label else task) if span.task == task else span
        for span in episode.language
    )
    return replace(episode, language=spans)


def change_span(episode: Episode, **changes: object) -> Episode:
    """The last sentence with some fields changed."""
    if not episode.language:
        return episode
    *others, last = episode.language
    return replace(episode, language=(*others, replace(last, **changes)))


def move_span(episode: Episode, *, first: int = 0, last: int = 0) -> Episode:
    """The last sentence starts `first` and ends `last` frames after the last frame of its episode."""
    return change_span(episode, first=len(episode) - 1 + first, last=len(episode) - 1 + last)


def overrun(episode: Episode, frames: int) -> Episode:
    """The last sentence runs on for `frames` frames after the end of its episode."""
    return change_span(episode, last=len(episode) - 1 + frames)


def shorten(episode: Episode, frames: int) -> Episode:
    """The last sentence keeps `frames` frames, those at its end."""
    if not episode.language:
        return episode
    return change_span(episode, first=episode.language[-1].last - frames + 1)


def overlay(episode: Episode) -> Episode:
    """A sentence of another task over the same frames as the last one."""
    if not episode.language or episode.language[-1].task not in OTHER_OBJECT:
        return episode
    span = episode.language[-1]
    task = OTHER_OBJECT[span.task]
    second = LanguageSpan(first=span.first, last=span.last, sentence=TRAINING[task][0], task=task)
    return replace(episode, language=(*episode.language, second))


LANGUAGE_DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="a sentence outside of its episode",
        code="language-out-of-bounds",
        strengths={
            "after the end": partial(move_span, first=5, last=20),
            "before the start": partial(change_span, first=-1),
            "ends before it starts": partial(move_span, first=-2, last=-4),
        },
    ),
    Defect(
        name="a sentence runs on into the next episode",
        code="language-crosses-episode",
        strengths={f"{frames} frame{'s' * (frames > 1)}": partial(overrun, frames=frames) for frames in (1, 20)},
    ),
    Defect(
        name="an empty sentence",
        code="language-empty",
        strengths={
            "no text": partial(change_span, sentence=""),
            "blanks": partial(change_span, sentence=" \n"),
        },
    ),
    Defect(
        name="two sentences of different tasks",
        code="language-overlap",
        strengths={"over the same frames": overlay},
        also={"language-wrong-task": "only one of the two tasks was done"},
    ),
    Defect(
        name="a sentence shorter than a window",
        code="language-too-short",
        strengths={
            f"{WINDOW_SIZE - 1} frames": partial(shorten, frames=WINDOW_SIZE - 1),
            "1 frame": partial(shorten, frames=1),
        },
    ),
    Defect(
        name="a sentence of another task",
        code="language-wrong-task",
        strengths={
            "other object": partial(relabel, tasks=OTHER_OBJECT),
            "opposite direction": partial(relabel, tasks=OPPOSITE),
            "other colour": partial(relabel, tasks=RECOLOURED),
            "other object, task named rightly": partial(relabel, tasks=OTHER_OBJECT, label=False),
            "opposite direction, task named rightly": partial(relabel, tasks=OPPOSITE, label=False),
            "other colour, task named rightly": partial(relabel, tasks=RECOLOURED, label=False),
        },
    ),
)
"""Defects of the sentences."""
