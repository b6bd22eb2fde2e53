"""What was seen and done, written down as CALVIN does.

Frame t is what was seen before action t. The recorded action is not what was asked for but what came of it: the change
of the measured pose from frame t to t + 1, scaled and clipped, beside the gripper command of that step. The frame after
the last action only supplies that action and is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlasync.actions.frames import increments
from vlasync.envs.playtable import PlayTable
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan, Observation


def write_episode(
    env: PlayTable,
    observations: Sequence[Observation],
    commands: NDArray[np.float64],
    *,
    name: str,
    first_frame: int,
    language: tuple[LanguageSpan, ...],
) -> Episode:
    """The episode of N actions between N + 1 observations.

    Args:
        env: where they were seen.
        observations: before each action, and after the last.
        commands: `[N, 7]` actions that were executed.
        name: of the episode.
        first_frame: number of its first frame in its dataset.
        language: its sentences.
    """
    spec = SyncSpec.CALVIN.replace(cameras=env.sync_spec.cameras)
    frames = observations[:-1]
    state = np.stack([observation.state for observation in observations])
    moves = np.clip(increments(state[:-1, :6], state[1:, :6], spec), -1.0, 1.0)
    return Episode(
        name=name,
        spec=spec,
        images={camera: np.stack([frame.images[camera] for frame in frames]) for camera in spec.cameras},
        state=state[:-1],
        actions=np.column_stack([moves, commands[:, 6]]),
        scene=np.stack([frame.scene for frame in frames if frame.scene is not None]),
        frame_index=first_frame + np.arange(len(frames)),
        language=language,
        scene_name=env.layout.name,
    )
