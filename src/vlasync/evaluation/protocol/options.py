"""What `vlasync evaluate` is told about the protocol.

The record stands apart from what it decides, so that the help does not wait for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ProtocolOptions:
    """How a run is judged.

    Attributes:
        protocol: trials: single tasks from random starts, beside two baselines. calvin: chains of five tasks in a row.
        chains: calvin: the first so many of CALVIN's 1000 chains.
        scene: calvin: which scene of the play table.
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
    policy: Literal["trained", "untrained", "swapped", "expert"] = "trained"
    execute: str = "first"
    shard: str = "0/1"
    batch: int | None = None
    videos: tuple[int, ...] = (0, 1, 2, 3)
