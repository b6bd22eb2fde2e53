"""Who drives through the chains: the trained policy, one of its baselines, or the expert as the best that can be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.layouts import find_layout
from vlasync.errors import CheckpointError
from vlasync.evaluation.protocol.chain import OWN_SENTENCES
from vlasync.runs import latest_checkpoint
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk, Observation

Driver = Literal["trained", "untrained", "swapped", "expert"]
"""trained: the newest checkpoint. untrained: the same before its first step. swapped: the trained policy under the
sentences of other tasks. expert: the scripted expert, which sees the simulator's state."""


def driver_folder(run: Path, driver: Driver) -> Path | None:
    """The checkpoint that drives; None for the expert.

    Raises:
        CheckpointError: the run has no such checkpoint.
    """
    if driver == "expert":
        return None
    if driver == "untrained":
        if not (run / "untrained").is_dir():
            raise CheckpointError(f"{run / 'untrained'}: the run kept no policy from before its first step")
        return run / "untrained"
    return latest_checkpoint(run)


class ExpertActor:
    """The expert of whichever task a sentence of the protocol asks for."""

    spec = SyncSpec.CALVIN.replace(cameras={})
    memory = 1

    def __init__(self, scene: str, sentences: Mapping[str, str] = OWN_SENTENCES) -> None:
        self._tasks = {sentence: task for task, sentence in sentences.items()}
        self._layout = find_layout(scene)
        self._expert: Expert | None = None

    def reset(self, instruction: str) -> None:
        """Take up the task that the sentence asks for."""
        self._expert = Expert(self._tasks[instruction], self._layout)

    def predict(self, observation: Observation) -> ActionChunk:
        """A chunk of the one action that the expert takes now."""
        assert self._expert is not None, "reset comes before predict"
        return ActionChunk(actions=self._expert.act(observation)[None], spec=self.spec)
