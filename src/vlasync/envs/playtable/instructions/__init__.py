"""Sentences for the tasks of the play table, all of which its expert demonstrates.

`TRAINING` sentences accompany demonstrations. `HELD_OUT` sentences are for evaluation: no demonstration carries them,
but their words are known from training sentences, so that they test understanding rather than spelling. All are
vlasync's own; CALVIN's evaluation sentences stay unseen.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

import numpy as np

from vlasync.envs.playtable.instructions import blocks, fixtures
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.errors import VlasyncError

Split = Literal["training", "held_out"]


def _written_out(patterns: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Sentences by task, each color and side put in its place."""
    return {
        task.format(color=color, side=side): tuple(text.format(color=color, side=side) for text in texts)
        for task, texts in patterns.items()
        for color in BLOCKS
        for side in ("left", "right")
    }


TRAINING: dict[str, tuple[str, ...]] = {**fixtures.TRAINING, **_written_out(blocks.TRAINING)}
"""Sentences that accompany demonstrations, by task."""

HELD_OUT: dict[str, tuple[str, ...]] = {**fixtures.HELD_OUT, **_written_out(blocks.HELD_OUT)}
"""Sentences that no demonstration carries, by task."""

DEMONSTRATED_TASKS: tuple[str, ...] = tuple(TRAINING)
"""Tasks with sentences, starts and an expert."""


def require_demonstrated(task: str) -> None:
    """Raise `VlasyncError` with the nearest names unless `task` is one of `DEMONSTRATED_TASKS`."""
    if task not in TRAINING:
        near = difflib.get_close_matches(task, DEMONSTRATED_TASKS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "choose one of " + ", ".join(DEMONSTRATED_TASKS)
        raise VlasyncError(f"task {task!r}: no such task on the play table; {hint}")


def sentence(task: str, split: Split, rng: np.random.Generator) -> str:
    """One of the sentences that ask for `task`, drawn evenly.

    Args:
        task: one of `DEMONSTRATED_TASKS`.
        split: `training` for demonstrations, `held_out` for evaluation.
        rng: source of the draw.

    Raises:
        VlasyncError: there is no such task; the message suggests the nearest names.
    """
    require_demonstrated(task)
    sentences = (TRAINING if split == "training" else HELD_OUT)[task]
    return sentences[rng.integers(len(sentences))]
