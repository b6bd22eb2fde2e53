"""Does a sentence ask for what the robot did: its words against its task, and both against what moved?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Curves, Detector
from vlasync.checks.language.scene import (
    BLOCK_THINGS,
    SCENE_SIZE,
    THINGS,
    Movements,
    distances,
    is_lit,
    is_raised,
    is_stacked,
    lies_on,
    may_lie_in,
    movements,
    orientations,
    paths,
)
from vlasync.checks.language.wording import tasks_named
from vlasync.envs.playtable.layouts import DEFAULT_SCENE, LAYOUTS, Layout
from vlasync.envs.playtable.tasks import TASKS
from vlasync.types import Episode, LanguageSpan

REACH = 64
"""Frames before and after a sentence in which its task may begin and end: CALVIN's longest annotation.

The play table's expert is disturbed now and then; those frames carry no sentence but belong to the task.
"""

DONE = 0.3
"""Size of a movement from which it counts for a sentence; what its task asks for may lie past the last frame."""

CLEAR = 0.4
"""Size of a movement from which it counts against a sentence; grazing a block moves it less."""

BACKLASH = 1.2
"""Times that a movement may be outdone by the one back, as where its end lies past the last frame."""

NEAR_M, FAR_M = 0.05, 0.09
"""Distance of the TCP from what it works on, and from what it does not (m).

Measured at the last frame of 102 demonstrations: 0.008 to 0.065 from the own thing, 0.107 and more from any other.
"""

_MISLABELLED = "give these frames the sentence of what they show, or leave them out"
_REASONS = {
    "other": ("a sentence names one thing, and another one moved", 0.95),
    "otherwise": ("a sentence names what moved, but not how or where it moved", 0.9),
    "opposite": ("a sentence asks for the opposite of what happened", 0.95),
    "already": ("a sentence asks to turn a light to what it is already", 0.95),
    "elsewhere": ("a sentence names one thing, and the gripper went to another", 0.7),
}
"""Verdict -> message and confidence."""


@dataclass(frozen=True, kw_only=True)
class _Aim:
    """What moves, and how, where a task is done.

    Attributes:
        things: the things of which one is moved.
        way: how it is moved; any way counts where this is empty.
        opposite: the way back.
        settles: nothing is held in the air when the task is done.
        begins: where the block lies at first: on the `table`, in the `slider` or `drawer`, or in a `stack`.
        ends: where it lies at last.
    """

    things: tuple[str, ...]
    way: str = ""
    opposite: str = ""
    settles: bool = False
    begins: str = ""
    ends: str = ""


_OPPOSITE = {"left": "right", "right": "left", "on": "off", "off": "on", "open": "closed", "closed": "open"}


def _aim(task: str) -> _Aim:
    """The aim of one of `TASKS`, from the words of its name."""
    verb, *words = task.split("_")
    side = words[-1]
    block = next((thing for thing in BLOCK_THINGS if thing.split()[0] in words), "")
    if verb == "rotate":
        return _Aim(things=(block,), way=f"turned {side}", opposite=f"turned {_OPPOSITE[side]}")
    if verb == "push" and block:
        return _Aim(things=(block,), way=side, opposite=_OPPOSITE[side], settles=True)
    if verb == "lift":
        return _Aim(things=(block,), way="up", begins=side)
    if verb == "move":
        return _Aim(things=("door",), way=side, opposite=_OPPOSITE[side])
    if verb in ("open", "close"):
        way = {"open": "open", "close": "closed"}[verb]
        return _Aim(things=("drawer",), way=way, opposite=_OPPOSITE[way])
    if verb == "turn":
        return _Aim(things=("led" if side == "led" else "bulb",), way=words[0], opposite=_OPPOSITE[words[0]])
    if verb == "stack":
        return _Aim(things=BLOCK_THINGS, ends="stack")
    if verb == "unstack":
        return _Aim(things=BLOCK_THINGS, begins="stack")
    return _Aim(things=BLOCK_THINGS, settles=True, ends=side)


_AIMS = {task: _aim(task) for task in TASKS}


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    """Frames under one sentence, and those around them that may belong to it.

    Attributes:
        scene: `[T, 24]` from the sentence's first frame to the one after its last.
        within: what moved in these frames, or around them where nothing did.
        around: what moved there and around.
        whole: `[T', 24]` the scene there and around.
        tcp: `[T', 3]` position of the TCP there and around, m.
        layout: where things stand.
    """

    scene: NDArray[np.float64]
    within: Movements
    around: Movements
    whole: NDArray[np.float64]
    tcp: NDArray[np.float64]
    layout: Layout


class TaskCheck(Detector):
    """Detector of `language-wrong-task`.

    A sentence is first compared with the task's name. Where a simulator's scene was recorded, what moved is compared
    with what the task moves. Where nothing moved that tells, nothing is claimed, unless the gripper ends at one thing
    while the sentence names another.
    """

    def look(self, episode: Episode) -> None:
        """Compare each sentence of one episode."""
        for spans, first, last in _sentences(episode):
            span = spans[0]
            named = tasks_named(span.sentence)
            place = f"{episode.name}, frames {span.first}..{spans[-1].last}, {span.sentence!r}"
            if span.task in TASKS and named and span.task not in named:
                self.findings.add(
                    "language-wrong-task",
                    f"{place} under task {span.task!r}",
                    "a sentence asks for another task than the one it is filed under",
                    _MISLABELLED,
                    confidence=0.9,
                )
                continue
            asked = frozenset({span.task}) if span.task in TASKS else named
            if asked and _tells(episode):
                self._judge(episode, asked, place, slice(span.first, spans[-1].last + 2), slice(first, last + 2))

    def _judge(self, episode: Episode, asked: frozenset[str], place: str, under: slice, around: slice) -> None:
        """Note a sentence whose every possible task is contradicted by what moved."""
        assert episode.scene is not None
        tcp = episode.state[:, episode.spec.state_slice("tcp_position")]
        turns = orientations(episode.scene[around])
        beside = movements(episode.scene[around], turns)
        turns_under = turns[under.start - around.start : under.stop - around.start]
        within = beside if under == around else movements(episode.scene[under], turns_under)
        stretch = _Stretch(
            scene=episode.scene[under],
            within=within if max(within.values()) > CLEAR else beside,
            around=beside,
            whole=episode.scene[around],
            tcp=tcp[around],
            layout=LAYOUTS.get(episode.scene_name or DEFAULT_SCENE, LAYOUTS[DEFAULT_SCENE]),
        )
        verdicts = {_contradiction(_AIMS[task], stretch) for task in asked}
        if None in verdicts:
            return
        verdict = next(reason for reason in _REASONS if reason in verdicts)
        message, confidence = _REASONS[verdict]
        evidence = _paths_curves(place, episode.scene[under], under.start)
        self.findings.add(
            "language-wrong-task",
            f"{place} ({_name_movement(stretch)})",
            message,
            _MISLABELLED,
            confidence=confidence,
            evidence=evidence,
        )


def _sentences(episode: Episode) -> Iterator[tuple[list[LanguageSpan], int, int]]:
    """Neighbouring spans of one sentence, and the first and last frame that may belong to their task.

    A sentence some of whose frames are elsewhere is left out: what it asks for may have been done there. So is an empty
    one: it asks for nothing, and the task of its neighbours may have been done in its frames.
    """
    astray = {span.sentence for span in episode.language if not 0 <= span.first <= span.last < len(episode)}
    inside = [span for span in episode.language if span.sentence.strip() and span.sentence not in astray]
    ordered = sorted(inside, key=lambda span: span.first)
    groups = [list(group) for _, group in groupby(ordered, key=lambda span: (span.task, span.sentence))]
    for number, group in enumerate(groups):
        before = groups[number - 1][-1].last if number else -1
        after = groups[number + 1][0].first if number + 1 < len(groups) else len(episode)
        first = min(group[0].first, max(before + 1, group[0].first - REACH))
        last = max(group[-1].last, min(after - 1, group[-1].last + REACH))
        yield group, first, last


def _tells(episode: Episode) -> bool:
    """A scene was recorded: a simulated one never stands quite still."""
    scene = episode.scene
    return scene is not None and scene.shape[1] == SCENE_SIZE and bool((scene != scene[0]).any())


def _contradiction(aim: _Aim, stretch: _Stretch) -> str | None:
    """The key of `_REASONS` by which what moved speaks against a task; None where it does not."""
    thing = aim.things[0]
    done = _largest(stretch.around, aim.things, aim.way)
    back = stretch.within.get((thing, aim.opposite), 0.0)
    if thing in ("bulb", "led"):
        if is_lit(stretch.scene[0], thing) == (aim.way == "on") and done < DONE:
            return "already"
        done = max(done, stretch.around.get((thing, "pressed"), 0.0))
    if done >= DONE and done * BACKLASH >= back:
        return None if _could_be_there(aim, stretch) else "otherwise"
    if back > CLEAR:
        return "opposite"
    return "otherwise" if _largest(stretch.within, aim.things) > CLEAR else _other_thing(aim, stretch)


def _could_be_there(aim: _Aim, stretch: _Stretch) -> bool:
    """Whether a block began and ended where the task has it.

    One that is in the hand from the first frame to the last is on its way: where it ends lies past the last frame.
    """
    first, last = stretch.scene[0], stretch.scene[-1]
    if aim.begins == "stack":
        return is_stacked(first)
    if aim.begins and not _may_begin(first, aim.things[0], aim.begins):
        return False
    moved = [thing for thing in aim.things if _largest(stretch.around, (thing,)) >= DONE]
    ends = (last, stretch.whole[-1])
    if aim.ends == "stack":
        arrived = any(is_stacked(end, soon=True) for end in ends)
    else:
        arrived = not aim.ends or any(may_lie_in(end, thing, aim.ends) for end in ends for thing in moved)
    raised = [thing for thing in moved if is_raised(first, last, thing)] if aim.settles else []
    if arrived and not raised:
        return True
    apart = distances(stretch.whole[-1:], stretch.tcp[-1:], stretch.layout)
    held = [thing for thing in moved if apart[thing][0] < NEAR_M]
    carried = [thing for thing in held if not (lies_on(first, thing) or lies_on(last, thing))]
    return bool(carried) or (arrived and not any(thing in held for thing in raised))


def _may_begin(scene: NDArray[np.float64], thing: str, place: str) -> bool:
    """Whether a block of `scene [24]` lies in a place, or in none; one at the cabinet's rim, in both."""
    return lies_on(scene, thing) in ("", place) or (place == "slider" and may_lie_in(scene, thing, place))


def _other_thing(aim: _Aim, stretch: _Stretch) -> str | None:
    """Whether something else moved, or the gripper went elsewhere; a light may change just past the last frame."""
    apart = distances(stretch.whole, stretch.tcp, stretch.layout)
    near = min(float(apart[thing][-1]) for thing in aim.things)
    nearest = min(float(apart[thing].min()) for thing in aim.things)
    others = [thing for thing in THINGS if thing not in aim.things]
    if _largest(stretch.within, others) > CLEAR:
        return None if aim.things[0] in ("bulb", "led") and near < FAR_M else "other"
    reached = min(float(apart[thing][-1]) for thing in others)
    return "elsewhere" if nearest > FAR_M and reached < NEAR_M else None


def _largest(found: Movements, things: tuple[str, ...] | list[str], way: str = "") -> float:
    """Size of the largest movement of `things`, in any way or in one."""
    return max(size for (thing, went), size in found.items() if thing in things and way in ("", went))


def _name_movement(stretch: _Stretch) -> str:
    """`most moved: drawer, open`."""
    (thing, way), size = max(stretch.within.items(), key=lambda item: item[1])
    return f"most moved: {thing}, {way}" if size > CLEAR else "hardly anything moved"


def _paths_curves(place: str, scene: NDArray[np.float64], first: int) -> Curves:
    """How far each thing moved while the sentence held."""
    return Curves(
        title=f"{place}: what moved",
        x_label="frame",
        y_label="movement (1 is what a task asks for)",
        x=list(range(first, first + len(scene))),
        series={thing: path.tolist() for thing, path in paths(scene).items()},
    )
