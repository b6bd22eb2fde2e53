"""Processes that work together, as a launcher starts them."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path

from vlasync.training.run import RunConfig, train

WAIT_S = 600  # a busy machine starts them slowly


def together(world: int, work: Callable[..., object], *arguments: object, per_machine: int | None = None) -> None:
    """Have `world` processes do `work` to its end; each must end well.

    They are forked from one that has imported everything, which takes a tenth of the time of as many fresh ones.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vlasync.training.run"])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    launcher = {
        "CUDA_VISIBLE_DEVICES": "",  # two of them on one GPU could not be joined
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(per_machine or world),
    }
    workers = [context.Process(target=launched, args=(rank, launcher, work, arguments)) for rank in range(world)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=WAIT_S)
    assert [worker.exitcode for worker in workers] == [0] * world


def launched(rank: int, launcher: dict[str, str], work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """One of the processes."""
    os.environ |= launcher | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    work(*arguments)


def train_together(
    world: int, recipe: RunConfig, store: Path, run: Path, *, parallel: str, per_machine: int | None = None
) -> None:
    """Train one run with `world` processes to the end."""
    together(world, share_run, recipe, store, run, parallel, per_machine=per_machine)


def share_run(recipe: RunConfig, store: Path, run: Path, parallel: str) -> None:
    """What each of them does."""
    train(recipe, store, run, parallel=parallel)
