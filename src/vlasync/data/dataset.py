"""A dataset on disk: its episodes, read when asked for, and what is known of them before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

from vlasync.actions.handover import HandOver
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a dataset knows of an episode without reading its frames.

    Attributes:
        length: number of frames T.
        first_frame: the number that its first frame has in the dataset.
        language: its sentences.
    """

    length: int
    first_frame: int
    language: tuple[LanguageSpan, ...]


def handed_over(episode: Episode, made: HandOver) -> Episode:
    """The episode as the side that takes it reads it: its actions in `made.target`."""
    return replace(episode, spec=made.target, actions=made.apply(episode.actions, episode.state))


class Dataset(Sequence[Episode], ABC):
    """Episodes of any layout, lazily read; what every reader returns.

    Attributes:
        spec: what the numbers of all episodes mean.
    """

    spec: SyncSpec

    @abstractmethod
    def outlines(self) -> Sequence[Outline]:
        """An outline of each episode, without reading frames."""

    @abstractmethod
    def read(self, number: int) -> Episode:
        """Episode `number`, counted from 0; raises DatasetError where it is damaged."""

    def read_start(self, number: int, frames: int) -> Episode:
        """The first `frames` frames of episode `number`, or more where leaving the rest out would save nothing."""
        del frames
        return self.read(number)

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> list[Episode]: ...
    def __getitem__(self, index: int | slice) -> Episode | list[Episode]:
        if isinstance(index, slice):
            return [self.read(number) for number in range(*index.indices(len(self)))]
        return self.read(range(len(self))[index])
