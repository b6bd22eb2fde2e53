"""What came of each chain, kept in one small file per chain.

A file tells which chain it is about, so that folders filled on several machines may be laid together; a chain has one
file, so it is counted once however often it was run.
"""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from vlasync.errors import CheckpointError
from vlasync.evaluation.protocol.chain import PlannedChain
from vlasync.evaluation.rollout import Outcome
from vlasync.evaluation.saved import SavedRecord
from vlasync.files import write_bytes


@dataclass(frozen=True, kw_only=True)
class ChainOutcome(SavedRecord):
    """What came of one chain.

    Attributes:
        index: its number among CALVIN's 1000.
        tasks: in order, with `instructions` beside them.
        instructions: what the policy heard, or would have heard.
        solved: tasks solved in a row, from the first.
        steps: control steps of each task that was begun.
    """

    kind = "the outcome of a chain"
    remedy = "delete it, and the chain runs again"

    index: int
    tasks: tuple[str, ...]
    instructions: tuple[str, ...]
    solved: int
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        begun = min(self.solved + 1, len(self.tasks))
        if not 0 <= self.solved <= len(self.tasks) or len(self.steps) != begun or min(self.steps) < 1:
            raise ValueError(f"{self.solved} of {len(self.tasks)} tasks solved in steps {list(self.steps)} cannot be")

    @classmethod
    def of(cls, chain: PlannedChain, outcomes: list[Outcome]) -> Self:
        """The outcomes of the tasks that were begun, summed up."""
        return cls(
            index=chain.index,
            tasks=chain.tasks,
            instructions=chain.instructions,
            solved=sum(outcome.success for outcome in outcomes),
            steps=tuple(outcome.steps for outcome in outcomes),
        )

    @classmethod
    def from_plain(cls, raw: dict[str, Any]) -> Self:
        """See `SavedRecord`."""
        lists = {name: tuple(raw.pop(name)) for name in ("tasks", "instructions", "steps")}
        return cls(**lists, **raw)

    def to_json(self) -> str:
        """The record as JSON."""
        return json.dumps(dataclasses.asdict(self))


def chain_file(folder: Path, index: int) -> Path:
    """Where the outcome of a chain lies."""
    return folder / f"{index:04d}.json"


def keep(folder: Path, chain: PlannedChain, outcomes: list[Outcome], *, with_actions: bool) -> ChainOutcome:
    """Write what came of a chain, its actions first where they are wanted, so that they are there once it counts."""
    outcome = ChainOutcome.of(chain, outcomes)
    if with_actions:
        streams: dict[str, Any] = {name: [getattr(done, name) for done in outcomes] for name in ("success", "clipped")}
        for number, done in enumerate(outcomes):
            streams |= {f"executed_{number}": done.executed, f"predicted_{number}": done.predicted}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **streams)
        write_bytes(chain_file(folder, chain.index).with_suffix(".npz"), buffer.getvalue())
    outcome.save(chain_file(folder, chain.index))
    return outcome


def kept(folder: Path, chain: PlannedChain, *, with_actions: bool) -> ChainOutcome | None:
    """What came of a chain; None if it has not been run, or its actions are wanted and were not kept.

    Raises:
        CheckpointError: the file is damaged, or tells of another chain.
    """
    path = chain_file(folder, chain.index)
    if not path.exists() or (with_actions and not path.with_suffix(".npz").exists()):
        return None
    outcome = ChainOutcome.load(path)
    asked = (chain.index, chain.tasks, chain.instructions)
    if (outcome.index, outcome.tasks, outcome.instructions) != asked:
        raise CheckpointError(
            f"{path}: the outcome of another chain: got number {outcome.index} with {list(outcome.instructions)}, "
            f"expected number {chain.index} with {list(chain.instructions)}; delete the folder to begin anew"
        )
    return outcome


def kept_actions(folder: Path, chain: PlannedChain) -> list[Outcome]:
    """What came of the tasks of a chain that were begun, with their actions, as `keep` wrote them.

    Raises:
        CheckpointError: the actions are not there, or damaged.
    """
    path = chain_file(folder, chain.index).with_suffix(".npz")
    try:
        # From bytes: numpy leaves a file open that it cannot read.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return [
                Outcome(
                    success=bool(success),
                    steps=len(arrays[f"executed_{number}"]),
                    clipped=float(clipped),
                    executed=arrays[f"executed_{number}"],
                    predicted=arrays[f"predicted_{number}"],
                )
                for number, (success, clipped) in enumerate(zip(arrays["success"], arrays["clipped"], strict=True))
            ]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise CheckpointError(
            f"{path}: no actions of a chain ({error}); delete it, and the chain runs again"
        ) from error
