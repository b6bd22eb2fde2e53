"""What a defect is: how to plant it, and what a checker should call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlasync.spec import SyncSpec
from vlasync.types import Episode

Scope = Literal["every episode", "one episode"]

BOTH_SCOPES: tuple[Scope, ...] = ("every episode", "one episode")

Distortion = Callable[[Episode], Episode]
"""Plants a defect into one episode; returns the very same object where the episode has nothing to distort."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Demonstrations with a defect.

    Attributes:
        episodes: all of them, in their order; images stay as lazy as they were.
        broken: names of the episodes that carry the defect.
        statistics: SyncSpec with the normalisation that a model would use on them, where that is what is wrong.
    """

    episodes: tuple[Episode, ...]
    broken: frozenset[str]
    statistics: SyncSpec | None = None


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One kind of defect of demonstrations, in several strengths.

    Attributes:
        name: the defect in words.
        code: what the audit should call it, one of `checks.codes.CODES`.
        strengths: name of a strength -> how to plant it.
        scopes: where it makes sense to plant it; a wrong declaration concerns a whole dataset.
        also: further codes that are true of the planted data, each with the reason.
        shows: whether an episode, whole as it was recorded, would show this defect; a flipped gripper shows only where
            the fingers move. The one episode of scope `one episode` is such a one.
        prepare: an honest change of all episodes beforehand, such as another declared convention.
    """

    name: str
    code: str
    strengths: Mapping[str, Distortion]
    scopes: tuple[Scope, ...] = BOTH_SCOPES
    also: Mapping[str, str] = field(default_factory=dict)
    shows: Callable[[Episode], bool] = lambda _: True
    prepare: Distortion = lambda episode: episode

    def plant(self, episodes: Sequence[Episode], strength: str, scope: Scope = "every episode") -> Planted | None:
        """The episodes with this defect in them.

        Args:
            episodes: clean demonstrations; they are left as they are.
            strength: one of `strengths`.
            scope: whether all episodes that can carry the defect get it, or one in the middle.

        Returns:
            The planted data, or None where no episode would show it: it has no such camera, task or motion.
        """
        clean = list(map(self.prepare, episodes))
        distort = self.strengths[strength]
        broken: dict[int, Episode] = {}
        shown = False
        for number in _from_the_middle(len(clean)):
            shows = self.shows(clean[number])
            if scope == "one episode" and not shows:
                continue
            distorted = distort(clean[number])
            if distorted is not clean[number]:
                broken[number], shown = distorted, shown or shows
                if scope == "one episode":
                    break
        if not shown:
            return None
        return Planted(
            episodes=tuple(broken.get(number, episode) for number, episode in enumerate(clean)),
            broken=frozenset(clean[number].name for number in broken),
        )


def _from_the_middle(count: int) -> list[int]:
    """The numbers below `count`, those in the middle first."""
    return sorted(range(count), key=lambda number: abs(number - count // 2))


@dataclass(frozen=True, kw_only=True)
class StatisticsDefect:
    """Normalisation that does not belong to the data it is used on; the demonstrations themselves stay clean.

    Attributes:
        name: the defect in words.
        code: what the audit should call it.
        strengths: name of a strength -> the SyncSpec of a model with the wrong normalisation, made from clean episodes.
        scopes: statistics concern all episodes.
        also: further codes that are true of the planted data, each with the reason.
    """

    name: str
    code: str
    strengths: Mapping[str, Callable[[Sequence[Episode]], SyncSpec]]
    scopes: tuple[Scope, ...] = ("every episode",)
    also: Mapping[str, str] = field(default_factory=dict)

    def plant(self, episodes: Sequence[Episode], strength: str, scope: Scope = "every episode") -> Planted | None:
        """The episodes as they are, beside the wrong statistics; see `Defect.plant`."""
        clean = tuple(episodes)
        return Planted(
            episodes=clean,
            broken=frozenset(episode.name for episode in clean),
            statistics=self.strengths[strength](clean),
        )


@dataclass(frozen=True, kw_only=True)
class FileDefect:
    """Damage to the files of a dataset.

    Attributes:
        name: the defect in words.
        code: what the audit should call it.
        strengths: name of a strength -> how to damage the folder of a dataset with `training` and `validation`. Plant
            it into a copy.
        layout: the layout whose files it damages.
        also: further codes that are true of the damaged data, each with the reason.
    """

    name: str
    code: str
    strengths: Mapping[str, Callable[[Path], None]]
    layout: Literal["store", "calvin"]
    also: Mapping[str, str] = field(default_factory=dict)
