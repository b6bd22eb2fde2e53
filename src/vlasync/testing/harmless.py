"""Changes of good demonstrations that leave them good: a checker that objects to one raises a false alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from vlasync.testing.conventions import LEFT, POSES, TCP, rewrite
from vlasync.testing.defect import Distortion
from vlasync.testing.streams import even_clock, select_frames
from vlasync.types import Episode


def single_precision(episode: Episode) -> Episode:
    """Numbers rounded to float32, as many formats store them."""

    def rounded(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32).astype(np.float64)

    scene = None if episode.scene is None else rounded(episode.scene)
    return replace(episode, state=rounded(episode.state), actions=rounded(episode.actions), scene=scene)


def without_scene(episode: Episode) -> Episode:
    """No simulator state, as from a real robot."""
    return replace(episode, scene=None)


def renumbered(episode: Episode) -> Episode:
    """Frames numbered from 0 in every episode."""
    return replace(episode, frame_index=np.arange(len(episode)))


def second_half(episode: Episode) -> Episode:
    """An episode that starts in the middle of the motion."""
    return select_frames(episode, np.arange(len(episode) // 2, len(episode)))


HARMLESS: Mapping[str, Distortion] = {
    "as recorded": lambda episode: episode,
    "single precision": single_precision,
    "with even timestamps": even_clock,
    "without simulator state": without_scene,
    "numbered from 0": renumbered,
    "poses, declared": partial(rewrite, **POSES),
    "increments of the hand, declared": partial(rewrite, **TCP),
    "rotations composed on the left, declared": partial(rewrite, **LEFT),
    "other scales, declared": partial(rewrite, position_scale_m=0.05, rotation_scale_rad=0.2),
}
"""Name -> a change after which demonstrations are as clean as before."""
