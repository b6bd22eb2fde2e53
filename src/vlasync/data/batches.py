"""Batches of windows in an order that only the seed decides, prepared in the background while the model computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vlasync.data.windows import Windows
from vlasync.errors import VlasyncError
from vlasync.types import Batch

PREFETCHED_BATCHES = 4
"""Batches prepared ahead, each by a thread of its own: copying and decoding images release the interpreter's lock."""


class WindowLoader:
    """An endless stream of batches: every epoch draws its windows in another order.

    The order of epoch e is `windows.order(seed, e)`, whatever the number of threads and processes; windows that do not
    fill a last batch are left out of that epoch. Each process of a distributed run takes its own part of a global batch
    of `world_size * batch_size`.

    Args:
        windows: what to draw from.
        batch_size: B, windows per batch and process.
        seed: fixes the order.
        rank: number of this process, `0 <= rank < world_size`.
        world_size: number of processes.

    Raises:
        VlasyncError: the windows do not fill one global batch.
    """

    def __init__(self, windows: Windows, *, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        global_batch = batch_size * world_size
        if not 0 < global_batch <= len(windows):
            raise VlasyncError(
                f"batch_size {batch_size} on {world_size} process(es) needs {global_batch} windows, but there are "
                f"{len(windows)}; choose a smaller batch_size or record more demonstrations"
            )
        self.batches_per_epoch = len(windows) // global_batch
        self._windows = windows
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._handed_out = 0
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands; a loader that loads this goes on with the batch after the last one handed out."""
        epoch, position = divmod(self._handed_out, self.batches_per_epoch)
        return {"epoch": epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where `state` was taken. Takes effect on the next `iter`."""
        self._handed_out = state["epoch"] * self.batches_per_epoch + state["position"]

    def __iter__(self) -> Iterator[Batch]:
        with ThreadPoolExecutor(max_workers=PREFETCHED_BATCHES, thread_name_prefix="window-loader") as threads:

            def prepare(number: int) -> Future[Batch]:
                return threads.submit(self._windows.batch, self._indices(number))

            pending = deque(map(prepare, range(self._handed_out, self._handed_out + PREFETCHED_BATCHES)))
            while True:
                batch = pending.popleft().result()
                pending.append(prepare(self._handed_out + PREFETCHED_BATCHES))
                self._handed_out += 1
                yield batch

    def _indices(self, number: int) -> NDArray[np.int64]:
        """The windows of this process's part of global batch `number`, counted over all epochs."""
        epoch, position = divmod(number, self.batches_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, self._windows.order(self._seed, epoch))
        first = (position * self._world_size + self._rank) * self._batch_size
        return self._order[1][first : first + self._batch_size]
