"""One rollout, kept frame by frame: what a video in the report is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class RolloutRecording:
    """One rollout as it is shown in a video.

    Attributes:
        task: name of the task.
        instruction: the sentence that the policy was given.
        success: whether the success condition of `task` was met.
        frames: camera name -> `[T, H, W', 3]` uint8, the images that the policy saw.
        predicted: `[T, K, 7]` the chunk predicted at each step, in units of the SyncSpec.
        executed: `[T, 7]` the action sent to the environment at each step.
        achieved: `[T, 7]` the action that the measured motion amounts to, or None where it was not measured.
        seed: seed of the start.
    """

    task: str
    instruction: str
    success: bool
    frames: Mapping[str, NDArray[np.uint8]]
    predicted: NDArray[np.floating[Any]]
    executed: NDArray[np.floating[Any]]
    achieved: NDArray[np.floating[Any]] | None = None
    seed: int

    def __post_init__(self) -> None:
        streams = {"predicted": self.predicted, **self.frames}
        lengths = {name: len(stream) for name, stream in streams.items()}
        if not len(self) or set(lengths.values()) != {len(self)}:
            raise ValueError(f"{self.task}: {len(self)} executed actions, but {lengths}; all streams need one length")

    def __len__(self) -> int:
        return len(self.executed)
