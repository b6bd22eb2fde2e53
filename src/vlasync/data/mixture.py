"""Windows of several datasets in one stream, each dataset with its share of the windows that are drawn.

An epoch draws as many windows as there are. Without shares it shows each of them once, so that a dataset counts by its
size. With shares, a dataset's windows are drawn in rounds, each round another permutation of them, which go on from
epoch to epoch: no window is seen twice before all others of its dataset were seen as often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.handover import hand_over
from vlasync.data.store import Store
from vlasync.data.windows import Windows
from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset to learn from.

    Attributes:
        data: its folder or address, see `vlasync.data.remote.local_folder`.
        share: of the windows drawn, above 0 and up to 1; None: what the others leave, by size.
    """

    data: str
    share: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise VlasyncError(f"{self.data}: its share is {self.share:g}; expected more than 0 and at most 1")

    @classmethod
    def parse(cls, text: str) -> Source:
        """`data/bridge=0.3` is three tenths of the windows from `data/bridge`; without `=` there is no share."""
        data, equals, share = text.rpartition("=")
        if not equals or Path(text).exists():
            return cls(data=text)
        try:
            return cls(data=data, share=float(share))
        except ValueError as error:
            raise VlasyncError(
                f"--data {text}: the share {share!r} is no number; expected FOLDER or FOLDER=SHARE, as in B=0.3"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Portion:
    """What a mixture takes of one dataset.

    Attributes:
        source: the dataset by name.
        store: its episodes.
        episodes: numbers of those that are used.
    """

    source: Source
    store: Store
    episodes: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What a dataset contributes to a mixture.

    Attributes:
        data: its folder or address.
        windows: number of its windows.
        share: of the windows drawn.
    """

    data: str
    windows: int
    share: float


class MixedWindows(Windows):
    """All windows of the chosen episodes of several datasets, one dataset after the other.

    Args:
        portions: datasets and their episodes; one alone gives the windows and the order that `Windows` gives.
        window_size: W, frames per window.
        chunk_size: K, future actions per frame.
        target: representation of the actions in the windows; datasets in another one are converted.

    Attributes:
        contributions: what each dataset contributes.

    Raises:
        SpecMismatchError: a dataset differs from `target` in what no conversion bridges, in its cameras for example.
        VlasyncError: shares that do not add up; or see `Windows`.
    """

    def __init__(self, portions: Sequence[Portion], *, window_size: int, chunk_size: int, target: SyncSpec) -> None:
        for portion in portions:
            hand_over(portion.store.spec, target, where=f"{portion.source.data} -> windows")
        episodes = [portion.store[number] for portion in portions for number in portion.episodes]
        super().__init__(episodes, window_size=window_size, chunk_size=chunk_size, target=target)
        earlier = [words for portion in portions for words in portion.store.conversions]
        self.conversions = tuple(dict.fromkeys((*earlier, *self.conversions)))
        ends = np.cumsum([0, *(len(portion.episodes) for portion in portions)])
        self._firsts = np.searchsorted(self._episode, ends)  # windows stand in the order of their episodes
        sizes = np.diff(self._firsts).tolist()
        given = [portion.source.share for portion in portions]
        self.contributions = tuple(
            Contribution(data=portion.source.data, windows=size, share=share)
            for portion, size, share in zip(portions, sizes, _all_shares(given, sizes), strict=True)
        )
        self._draws = self._drawn_per_epoch() if any(share is not None for share in given) else None

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The windows of an epoch by number, in the order in which they are drawn; as many as there are windows."""
        if self._draws is None:
            return super().order(seed, epoch)
        drawn = [
            self._firsts[number] + _in_rounds(part.windows, self._draws[number], epoch, entropy=(seed, number))
            for number, part in enumerate(self.contributions)
        ]
        random = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
        return random.permutation(np.concatenate(drawn))

    def _drawn_per_epoch(self) -> list[int]:
        """How many windows an epoch draws of each dataset; together as many as there are."""
        ends = np.rint(np.cumsum([part.share for part in self.contributions]) * len(self))
        draws = np.diff(ends.astype(np.int64), prepend=0).tolist()
        for part, count in zip(self.contributions, draws, strict=True):
            if not (count and part.windows):
                raise VlasyncError(
                    f"{part.data}: with {part.windows} windows and a share of {part.share:g}, no window of it is "
                    f"drawn among the {len(self)} of an epoch; raise its share or leave it out"
                )
        return draws


def _all_shares(given: Sequence[float | None], sizes: Sequence[int]) -> list[float]:
    """The shares of all datasets: those without one divide what is left, by size."""
    left = 1.0 - sum(share for share in given if share is not None)
    open_size = sum(size for share, size in zip(given, sizes, strict=True) if share is None)
    if left < -1e-6 or math.isclose(left, 0.0, abs_tol=1e-6) != (None not in given):
        raise VlasyncError(
            f"the shares {', '.join('open' if share is None else f'{share:g}' for share in given)} do not add up: all "
            "of them must make 1, or less than 1 where datasets without one are to have the rest"
        )
    return [
        left * size / max(open_size, 1) if share is None else share for share, size in zip(given, sizes, strict=True)
    ]


def _in_rounds(size: int, draws: int, epoch: int, *, entropy: tuple[int, int]) -> NDArray[np.int64]:
    """Numbers `[draws]` below `size` that epoch `epoch` draws from an endless row of permutations."""
    first = epoch * draws
    rounds = range(first // size, -(-(first + draws) // size))
    # From 1, because SeedSequence takes a 0 at the end for nothing.
    seeds = [np.random.SeedSequence([*entropy, number + 1]) for number in rounds]
    row = np.concatenate([np.random.default_rng(seed).permutation(size) for seed in seeds])
    return row[first - rounds.start * size :][:draws]
