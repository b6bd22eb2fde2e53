"""How chunks become actions: what of the predicted chunks is executed at each control step.

Chunks come in the representation of the environment, in which increments for one step can be averaged as vectors.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Which of the predicted actions are executed.

    Attributes:
        kind: `first`: the first action of each chunk, so that the policy answers to every frame. `open_loop`: the first
            `steps` actions of a chunk, then a new one. `ensemble`: at each step the mean of what all chunks so far
            planned for it.
        steps: actions of a chunk that are executed open loop.
        decay: m of the ensemble's weights exp(-m i), i = 0 for the oldest chunk; as in ACT (Zhao et al. 2023), whose
            default it is.
    """

    kind: Literal["first", "open_loop", "ensemble"] = "first"
    steps: int = 1
    decay: float = 0.01

    def __post_init__(self) -> None:
        if self.steps < 1 or (self.steps > 1 and self.kind != "open_loop"):
            raise VlasyncError(f"execution {self.kind}: steps is {self.steps}; open_loop takes 1 or more, the others 1")
        if not 0 <= self.decay < np.inf:
            raise VlasyncError(f"execution {self.kind}: decay is {self.decay}; expected 0 or more")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `first`, `open_loop:<steps>`, `ensemble` or `ensemble:<decay>`.

        Raises:
            VlasyncError: it is none of these.
        """
        match text.split(":"):
            case ["first"]:
                return cls()
            case ["open_loop", steps] if steps.isdecimal():
                return cls(kind="open_loop", steps=int(steps))
            case ["ensemble"]:
                return cls(kind="ensemble")
            case ["ensemble", decay] if _is_number(decay):
                return cls(kind="ensemble", decay=float(decay))
        raise VlasyncError(
            f"execution: got {text!r}; expected first, open_loop:<steps>, ensemble or ensemble:<decay>, as open_loop:3"
        )

    def __str__(self) -> str:
        """What `parse` reads."""
        match self.kind:
            case "first":
                return "first"
            case "open_loop":
                return f"open_loop:{self.steps}"
            case "ensemble":
                return f"ensemble:{self.decay:g}"

    @property
    def file_name(self) -> str:
        """The same without the colon, which not every file system takes."""
        return str(self).replace(":", "-")

    def begin(self, spec: SyncSpec) -> Plan:
        """An empty plan for a new task; `spec` says what the chunks' numbers mean."""
        return EnsemblePlan(self, spec) if self.kind == "ensemble" else OpenLoopPlan(self)


FIRST_ACTION = Execution()
"""Ask for a new chunk at every step: what is done where nothing else is said."""


class OpenLoopPlan:
    """Executes the first actions of a chunk, then asks for a new one."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._chunk: NDArray[np.float64] | None = None
        self._done = execution.steps

    @property
    def due(self) -> bool:
        """Whether a new chunk has to come before the next action."""
        return self._done >= self._execution.steps

    @property
    def ahead(self) -> NDArray[np.float64]:
        """`[K, n]` the actions planned from the next step on; what lies past the chunk repeats its last action."""
        assert self._chunk is not None, "no chunk yet"
        return self._chunk[np.minimum(np.arange(len(self._chunk)) + self._done, len(self._chunk) - 1)]

    def take(self, chunk: NDArray[np.float64]) -> None:
        """Go on with a new chunk `[K, n]`.

        Raises:
            VlasyncError: it is shorter than what is to be executed of it.
        """
        if len(chunk) < self._execution.steps:
            raise VlasyncError(
                f"execution {self._execution}: the policy predicts {len(chunk)} actions at a time; "
                f"execute 1 to {len(chunk)} of them"
            )
        self._chunk, self._done = chunk, 0

    def next(self) -> NDArray[np.float64]:
        """The action `[n]` for this step."""
        action = self.ahead[0]
        self._done += 1
        return action


class EnsemblePlan:
    """Executes the weighted mean of all that was planned for a step; the gripper goes by the nearer of its commands."""

    due = True

    def __init__(self, execution: Execution, spec: SyncSpec) -> None:
        self._decay = execution.decay
        self._commands = np.array([spec.gripper_open, spec.gripper_closed])
        self._chunks: deque[NDArray[np.float64]] = deque()  # the newest first; chunk i is i steps old

    @property
    def ahead(self) -> NDArray[np.float64]:
        """`[K, n]` the newest chunk."""
        return self._chunks[0]

    def take(self, chunk: NDArray[np.float64]) -> None:
        """Add a new chunk `[K, n]`; those that planned no further than this step are forgotten."""
        self._chunks.appendleft(chunk)
        if len(self._chunks) > len(chunk):
            self._chunks.pop()

    def next(self) -> NDArray[np.float64]:
        """The action `[n]` for this step."""
        planned = np.stack([chunk[age] for age, chunk in enumerate(self._chunks)][::-1])  # [N, n], the oldest first
        mean = np.average(planned, axis=0, weights=np.exp(-self._decay * np.arange(len(planned))))
        mean[-1] = self._commands[np.abs(self._commands - mean[-1]).argmin()]
        return mean


Plan = OpenLoopPlan | EnsemblePlan


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
