"""Windows of W consecutive frames under one sentence, each frame with a chunk of K future actions.

A window lies inside one language span. With a span `first..last` (inclusive) windows start at every frame from `first`
to `max(first, last - W + 1)`, so a span shorter than W gives one window. Whatever would lie past `last` repeats frame
`last` and is False in `chunk_mask[w, k] = (start + w + k <= last)`: the action of the last frame is a real one and
counts. (RoboVLMs' loader starts a window at every frame and masks the action of the last frame as well.)

Windows show actions in one representation, the one that a model learns; episodes in another one are converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.actions.frames import convert
from vlasync.actions.handover import HandOver, hand_over
from vlasync.actions.representations import represent
from vlasync.data.store import Store
from vlasync.errors import DatasetError, SpecMismatchError, VlasyncError
from vlasync.spec import SyncSpec
from vlasync.types import Batch, Episode, LanguageSpan, Window


def split_episodes(count: int, *, every: int) -> tuple[list[int], list[int]]:
    """Split episode numbers for training and validation: of each `every` episodes in a row, one is for validation.

    Which one is drawn, alike for equal arguments: recordings go through their tasks in turn, and a fixed stride would
    fall in step with them. Every 20th episode of 34 tasks in turn belongs to 17 of them.

    Args:
        count: number of episodes.
        every: 10 keeps a tenth of the episodes for validation.

    Returns:
        Episode numbers for training and for validation; together they are `0..count - 1`.
    """
    if every < 2 or count < every:
        raise VlasyncError(f"cannot keep one in {every} of {count} episodes for validation; give 2 <= every <= {count}")
    drawn = np.random.default_rng(0).integers(every, size=count // every)
    validation = (np.arange(count // every) * every + drawn).tolist()
    return sorted(set(range(count)) - set(validation)), validation


class Windows:
    """All windows of some episodes.

    State and actions are gathered into memory once (88 bytes per frame for CALVIN); images stay where they are and are
    copied when a window is asked for, from a `Store` as one contiguous block per camera.

    Args:
        episodes: demonstrations, e.g. a `Store`.
        window_size: W, frames per window.
        chunk_size: K, future actions per frame.
        selection: numbers of the episodes to use; all by default.
        target: representation of the actions in the windows; that of the first episode by default.

    Attributes:
        spec: what the numbers in the windows mean: `target`.
        conversions: what was converted on the way here, in words; what a store converted before comes first.

    Raises:
        DatasetError: no episodes, no sentences, or a language span that leaves its episode.
        SpecMismatchError: an episode differs from `target` in what no conversion bridges.
        VlasyncError: W or K below 1, or W larger than every language span.
    """

    def __init__(
        self,
        episodes: Sequence[Episode],
        *,
        window_size: int,
        chunk_size: int,
        selection: Sequence[int] | None = None,
        target: SyncSpec | None = None,
    ) -> None:
        if window_size < 1 or chunk_size < 1:
            raise VlasyncError(f"window_size is {window_size} and chunk_size {chunk_size}; both must be at least 1")
        numbers = range(len(episodes)) if selection is None else selection
        if not numbers:
            raise DatasetError("no episodes to cut windows from; record demonstrations or widen the selection")
        self.window_size = window_size
        self.chunk_size = chunk_size
        self._episodes = [episodes[number] for number in numbers]
        self.spec = self._episodes[0].spec if target is None else target
        self._first_row = np.cumsum([0, *map(len, self._episodes)])
        self._state = np.concatenate([episode.state for episode in self._episodes], dtype=np.float32)
        taken = _hand_overs(self._episodes, self.spec)
        earlier = episodes.conversions if isinstance(episodes, Store) else ()
        here = dict.fromkeys(f"demonstrations -> windows: {words}" for made in taken for words in made.changes)
        self.conversions = (*earlier, *here)
        self._poses = _absolute(self.spec) if self.spec.chunk_frame == "first_step" else None
        self._actions = np.concatenate(
            [self._gathered(episode, made) for episode, made in zip(self._episodes, taken, strict=True)],
            dtype=np.float32,
        )
        spans = list(_checked_spans(self._episodes))
        longest = max(span.last - span.first + 1 for _, span in spans)
        if longest < window_size:
            raise VlasyncError(f"window_size is {window_size}, but the longest language span has {longest} frames")
        self._spans = spans
        self._sentences = [span.sentence for _, span in spans]
        starts = [range(span.first, max(span.first, span.last - window_size + 1) + 1) for _, span in spans]
        per_span = [len(part) for part in starts]
        self._span = np.repeat(np.arange(len(spans)), per_span)
        self._episode = np.repeat([number for number, _ in spans], per_span)
        self._last = np.repeat([span.last for _, span in spans], per_span)
        self._start = np.concatenate([np.asarray(part) for part in starts])

    def __len__(self) -> int:
        return len(self._start)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The different sentences, sorted."""
        return tuple(sorted(set(self._sentences)))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The different tasks, sorted."""
        return tuple(sorted({span.task for _, span in self._spans}))

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The windows of an epoch by number, in the order in which they are drawn: a permutation of all."""
        return np.random.default_rng(np.random.SeedSequence([seed, epoch])).permutation(len(self))

    def labelled_actions(self) -> NDArray[np.float32]:
        """The actions that windows show, each once: `[N, n]`, those of frames under at least one sentence.

        With `chunk_frame="first_step"` an action is another one in each chunk that holds it, and is counted in each.
        """
        if self._poses is not None:
            return np.concatenate([self._chunks_of_span(number, span) for number, span in self._spans])
        labelled = np.zeros(len(self._actions), dtype=bool)
        for number, span in self._spans:
            labelled[self._first_row[number] + span.first : self._first_row[number] + span.last + 1] = True
        return self._actions[labelled]

    def __getitem__(self, index: int) -> Window:
        """One window; `batch` is the fast way to many."""
        batch = self.batch([range(len(self))[index]])
        return Window(
            images={name: images[0].numpy() for name, images in batch.images.items()},
            state=batch.state[0].numpy(),
            actions=batch.actions[0].numpy(),
            chunk_mask=batch.chunk_mask[0].numpy(),
            sentence=batch.sentences[0],
        )

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """The windows at `indices` as one Batch of B = len(indices)."""
        chosen = np.asarray(indices, dtype=np.int64)
        frames = self._start[chosen, None] + np.arange(self.window_size)  # [B, W], may run past the span
        future = frames[:, :, None] + np.arange(self.chunk_size)  # [B, W, K]
        last = self._last[chosen]
        first_row = self._first_row[self._episode[chosen]]
        state = self._state[first_row[:, None] + np.minimum(frames, last[:, None])]
        actions = self._chunks(first_row[:, None, None] + np.minimum(future, last[:, None, None]), state)
        return Batch(
            images={name: torch.from_numpy(self._copy_images(name, chosen)) for name in self.spec.cameras},
            state=torch.from_numpy(state),
            actions=torch.from_numpy(actions),
            chunk_mask=torch.from_numpy(future <= last[:, None, None]),
            sentences=tuple(self._sentences[span] for span in self._span[chosen]),
        )

    def _gathered(self, episode: Episode, made: HandOver) -> NDArray[np.float64]:
        """The actions of an episode as they are kept: in `spec`, or as poses where chunks are written on demand."""
        if self._poses is None:
            return made.apply(episode.actions, episode.state)
        return convert(episode.actions, episode.state, episode.spec, self._poses)

    def _chunks(self, rows: NDArray[np.int64], state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Chunks `[..., K, n]` of the actions at `rows` `[..., K]`, each issued at a state `[..., S]`."""
        actions = self._actions[rows]
        return actions if self._poses is None else convert(actions, state, self._poses, self.spec)

    def _chunks_of_span(self, number: int, span: LanguageSpan) -> NDArray[np.float32]:
        """All real entries `[N, n]` of the chunks that start under a sentence."""
        frames = np.arange(span.first, span.last + 1)
        future = frames[:, None] + np.arange(self.chunk_size)
        first_row = self._first_row[number]
        chunks = self._chunks(first_row + np.minimum(future, span.last), self._state[first_row + frames])
        return chunks[future <= span.last]

    def _copy_images(self, camera: str, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Images of one camera `[B, W, 3, H, W']`; frames past the span repeat its last one."""
        size = self.spec.cameras[camera]
        images = np.empty((len(chosen), self.window_size, 3, size.height, size.width), np.uint8)
        for row, episode, start, last in zip(
            images, self._episode[chosen], self._start[chosen], self._last[chosen], strict=True
        ):
            count = min(self.window_size, last + 1 - start)
            row[:count] = np.moveaxis(self._episodes[episode].images[camera][start : start + count], 3, 1)
            row[count:] = row[count - 1]
        return images


def _hand_overs(episodes: Sequence[Episode], target: SyncSpec) -> list[HandOver]:
    """How the actions of each episode get into `target`; the episodes of a store share one."""
    made: dict[int, HandOver] = {}
    for episode in episodes:
        if id(episode.spec) in made:
            continue
        if episode.spec.chunk_frame != "each_step":
            raise SpecMismatchError(
                f"{episode.name}: chunk_frame is {episode.spec.chunk_frame!r}, expected 'each_step': the actions of an "
                "episode refer to their own frames, only chunks have a first step; correct the SyncSpec of the data"
            )
        made[id(episode.spec)] = hand_over(episode.spec, target, where=f"{episode.name} -> windows")
    return [made[id(episode.spec)] for episode in episodes]


def _absolute(spec: SyncSpec) -> SyncSpec:
    """World poses in metres and radians, from which chunks in `spec` can be written at any reference."""
    return represent(spec, "world_absolute").replace(chunk_frame="each_step")


def _checked_spans(episodes: Sequence[Episode]) -> Iterator[tuple[int, LanguageSpan]]:
    """Episode number and span of every sentence; each span inside its episode, and at least one."""
    found = False
    for number, episode in enumerate(episodes):
        for span in episode.language:
            if not 0 <= span.first <= span.last < len(episode):
                raise DatasetError(
                    f"{episode.name}: the sentence {span.sentence!r} covers frames {span.first}..{span.last}, but the "
                    f"episode has frames 0..{len(episode) - 1}; run `vlasync check` on this dataset"
                )
            found = True
            yield number, span
    if not found:
        raise DatasetError(
            f"{episodes[0].name}: neither this nor any other chosen episode has a sentence to learn from"
        )
