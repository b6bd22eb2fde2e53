"""What a sentence asks for: the tasks of the play table that its words fit.

Words are read as loosely as people write. Every group of words below only rules tasks out: a sentence with `red` is not
about the blue block, one with `close` alone does not ask to open. Words that are not listed rule nothing out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from vlasync.envs.playtable.instructions import HELD_OUT, TRAINING
from vlasync.envs.playtable.tasks import BLOCKS, TASKS

Tasks = frozenset[str]

_ALL: Tasks = frozenset(TASKS)


def _named(*parts: str) -> Tasks:
    """Tasks whose name contains one of `parts`."""
    return frozenset(task for task in TASKS if any(part in task for part in parts))


_BLOCKS = _named("block", "place", "push_into")
_ANY_COLOR = _BLOCKS - _named(*BLOCKS)
_LED, _BULB, _LIGHTS = _named("_led"), _named("lightbulb"), _named("turn_")
_DOORS, _DRAWER = _named("move_slider"), frozenset({"open_drawer", "close_drawer"})
_LIFT, _ROTATE, _PUSH, _PLACE = _named("lift"), _named("rotate"), _named("push"), _named("place")
_STACK, _UNSTACK = frozenset({"stack_block"}), frozenset({"unstack_block"})


def _group(*rows: tuple[str, Tasks]) -> Mapping[str, Tasks]:
    """Word -> the tasks that it may belong to, from rows of words with the same tasks."""
    return {word: tasks for words, tasks in rows for word in words.split()}


_COLORS = {color: _ANY_COLOR | _named(color) for color in BLOCKS}
_THINGS = _group(("block blocks cube object", _BLOCKS))
_LAMPS = _group(("light lamp", _LIGHTS))
_PLACES = _group(
    ("drawer", _named("drawer")),
    ("door", _DOORS),
    ("cabinet slider sliding shelf", _named("slider")),
    ("led green button", _LED),
    ("bulb lightbulb yellow", _BULB),
    ("table", _BLOCKS - _named("block_slider", "block_drawer")),
)
_VERBS = _group(
    ("lift raise pick air", _LIFT | _UNSTACK | _BULB),
    ("push", _PUSH | _UNSTACK | _DOORS | _LIGHTS | {"close_drawer"}),
    ("slide shift drag sweep", _PUSH | _UNSTACK | _DOORS | _DRAWER | _BULB),
    ("pull", (_PUSH - {"push_into_drawer"}) | _DOORS | {"open_drawer"}),
    ("open", _DOORS | {"open_drawer"}),
    ("close closed shut", _DOORS | {"close_drawer"}),
    ("rotate spin", _ROTATE),
    ("turn", _ROTATE | _LIGHTS),
    ("press toggle switch", _LIGHTS),
    ("place put store", _PLACE | _STACK),
    ("stack stacked tower", _STACK | _UNSTACK),
    ("unstack collapse remove", _UNSTACK),
)
_SIDES = _group(
    ("left leftwards", _ALL - frozenset(task for task in TASKS if task.endswith("_right"))),
    ("right rightwards", _ALL - frozenset(task for task in TASKS if task.endswith("_left"))),
)
_WAYS_OF_LIGHTS = _group(
    ("on shine", _ALL - _named("turn_off")),
    ("off out dark darken", _ALL - _named("turn_on")),
)
_WAYS_OF_SWITCH = _group(
    ("up upwards lift raise", _ALL - {"turn_off_lightbulb"}),
    ("down downwards lower", _ALL - {"turn_on_lightbulb"}),
)
_WAYS_OF_DRAWER = _group(
    ("open pull out", _ALL - {"close_drawer"}),
    ("close closed shut back in into push", _ALL - {"open_drawer"}),
)
_GROUPS = (_COLORS, _THINGS, _LAMPS, _VERBS, _SIDES, _WAYS_OF_LIGHTS, _WAYS_OF_SWITCH, _WAYS_OF_DRAWER)

# `push the red block towards the drawer` does not say that the block is in the drawer; `lift it from the drawer` does.
_PLACE_OF_BLOCK = re.compile(r"\b(?:from|out of|in|into|inside|on|off)(?: the)?(?: \w+)? (\w+)")
# In `take the block out of the open drawer` nothing is to be opened.
_OPEN_DRAWER = re.compile(r"\bthe open drawer\b")
_SWITCH_AS_NOUN = re.compile(r"\b(?:the|light) switch\b")


def _known_sentences() -> Mapping[str, Tasks]:
    """The play table's own sentences, each with the tasks that it was written for."""
    known: dict[str, Tasks] = {}
    for sentences in (TRAINING, HELD_OUT):
        for task, texts in sentences.items():
            for text in texts:
                known[text] = known.get(text, frozenset()) | {task}
    return known


_KNOWN = _known_sentences()


@lru_cache(maxsize=4096)
def tasks_named(sentence: str) -> Tasks:
    """The tasks of `TASKS` that the words of a sentence fit; empty where they do not tell."""
    text = " ".join(re.findall(r"[a-z]+", sentence.lower()))
    if text in _KNOWN:
        return _KNOWN[text]
    text = _OPEN_DRAWER.sub("the drawer", text)
    words = text.split()
    fits = [_join(group, words) for group in _GROUPS]
    about_block = any(word in _THINGS or word in _COLORS for word in words)
    fits.append(_join(_PLACES, _PLACE_OF_BLOCK.findall(text) if about_block else set(words) - {"table"}))
    if _SWITCH_AS_NOUN.search(text):
        fits.append(_BULB)
    tasks = _ALL.intersection(*fits)
    return frozenset() if tasks == _ALL else tasks


def _join(group: Mapping[str, Tasks], words: Iterable[str]) -> Tasks:
    """Tasks that some word of the group allows; all of them where none of its words is there."""
    allowed = [group[word] for word in words if word in group]
    return frozenset().union(*allowed) if allowed else _ALL
