"""What `vlasync evaluate` is told about the protocol.

The record stands apart from what it decides, so that the help does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlasync.errors import VlasyncError


@dataclass(frozen=True, kw_only=True)
class ProtocolOptions:
    """How a run is judged.

    Attributes:
        protocol: trials: single tasks from random starts, beside two baselines. calvin: chains of five tasks in a row.
        chains: calvin: the first so many of CALVIN's 1000 chains.
        scene: calvin: which of the four scenes.
        simulator: calvin: the built-in play table, or CALVIN's own with its own sentences.
        calvin_root: calvin: checkout of CALVIN, for its simulator.
        policy: calvin: who drives; swapped is the trained policy under sentences of other tasks, expert is the scripted
            one, which sees the simulator's state.
        execute: first (action of each chunk), open_loop:<steps>, ensemble or ensemble:<decay>.
        shard: calvin: i/n runs every n-th chain from the i-th (0 to n - 1), for one of n machines with one run folder.
        batch: calvin: predictions that one policy makes together for all workers, on the GPU if there is one; 0: each
            worker has a policy of its own, on the CPU. By default 16 where there is a GPU, else 0.
        videos: calvin: numbers of chains (0 to 999) to show.
    """

    protocol: Literal["trials", "calvin"] = "trials"
    chains: int = 1000
    scene: Literal["A", "B", "C", "D"] = "D"
    simulator: Literal["playtable", "calvin"] = "playtable"
    calvin_root: Path | None = None
    policy: Literal["trained", "untrained", "swapped", "expert"] = "trained"
    execute: str = "first"
    shard: str = "0/1"
    batch: int | None = None
    videos: tuple[int, ...] = (0, 1, 2, 3)

    def require_simulator(self) -> None:
        """Require that the simulator which is asked for is one that these options can reach.

        Raises:
            VlasyncError: CALVIN without a checkout, a checkout for the play table, or CALVIN with single tasks.
        """
        if self.simulator == "calvin" and self.calvin_root is None:
            raise VlasyncError("--simulator calvin: needs --calvin-root, a checkout of https://github.com/mees/calvin")
        if self.simulator == "playtable" and self.calvin_root is not None:
            raise VlasyncError("--calvin-root: the play table needs none; add --simulator calvin to drive CALVIN's own")
        if self.simulator == "calvin" and self.protocol != "calvin":
            raise VlasyncError("--simulator calvin: single tasks are tried on the play table; add --protocol calvin")
