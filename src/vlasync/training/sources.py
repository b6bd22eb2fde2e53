"""The datasets that a run learns from: fetched, converted, split for training and validation, and cut into windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlasync.actions.representations import Representation, represent
from vlasync.data.convert import Conversion, convert
from vlasync.data.mixture import MixedWindows, Portion, Source
from vlasync.data.open import open_dataset
from vlasync.data.remote import local_folder
from vlasync.data.store import Store
from vlasync.data.windows import split_episodes
from vlasync.errors import VlasyncError


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How windows are cut.

    Attributes:
        window_size: W, frames per window.
        chunk_size: K, future actions per frame.
        actions: representation of their actions.
        validation_every: one of every n episodes of a dataset without a validation part of its own is for validation.
    """

    window_size: int
    chunk_size: int
    actions: Representation
    validation_every: int


def open_sources(sources: Sequence[Source], cut: Cut, folder: Path) -> tuple[MixedWindows, MixedWindows | None]:
    """Windows of all datasets for training and for validation.

    Each dataset is split by itself: its own `validation/`, or one of every n of its episodes, is for validation alone.
    What the actions mean is the first dataset's say; the others are converted.

    Args:
        sources: one or more datasets, each once.
        cut: how windows are cut.
        folder: for training stores made from other layouts.

    Raises:
        VlasyncError: no dataset, or one twice.
        SpecMismatchError: datasets that no conversion brings together.
    """
    if not sources:
        raise VlasyncError("no dataset to learn from; give --data")
    if twice := [source.data for source in sources if [other.data for other in sources].count(source.data) > 1]:
        raise VlasyncError(f"--data {twice[0]}: given twice; give it once, with the share that it should have")
    parts = [
        _open_source(source, cut.validation_every, folder if len(sources) == 1 else folder / f"{number}")
        for number, source in enumerate(sources)
    ]
    window = partial(
        MixedWindows,
        window_size=cut.window_size,
        chunk_size=cut.chunk_size,
        target=represent(parts[0][0].store.spec, cut.actions),
    )
    held_out = [validation for _, validation in parts if validation is not None]
    return window([training for training, _ in parts]), window(held_out) if held_out else None


def _open_source(source: Source, validation_every: int, folder: Path) -> tuple[Portion, Portion | None]:
    """What of one dataset is for training and for validation."""
    data = local_folder(source.data)
    unshared = Source(data=source.data)  # the validation loss counts datasets by their size
    if (data / "training").is_dir():
        training = as_store(data / "training", folder / "training")
        portion = Portion(source=source, store=training, episodes=range(len(training)))
        if not (data / "validation").is_dir():
            return portion, None
        validation = as_store(data / "validation", folder / "validation")
        return portion, Portion(source=unshared, store=validation, episodes=range(len(validation)))
    store = as_store(data, folder / "training")
    if len(store) < validation_every:
        return Portion(source=source, store=store, episodes=range(len(store))), None
    kept, held_out = split_episodes(len(store), every=validation_every)
    return (
        Portion(source=source, store=store, episodes=kept),
        Portion(source=unshared, store=store, episodes=held_out),
    )


def as_store(data: Path, target: Path) -> Store:
    """`data` itself if it is a training store; else its episodes, converted into one at `target` once."""
    episodes = open_dataset(data)
    if isinstance(episodes, Store):
        return episodes
    convert(Conversion(source=data, target=target, to="store"))
    return Store.open(target)
