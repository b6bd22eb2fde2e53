"""Processes that train one run together, as a launcher starts them."""

import multiprocessing
import os
import socket
from pathlib import Path

from vlasync.training.run import RunConfig, train

WAIT_S = 600  # a busy machine starts them slowly


def train_together(
    world: int, recipe: RunConfig, store: Path, run: Path, *, parallel: str = "ddp", per_machine: int | None = None
) -> None:
    """Train with `world` processes to the end; each must end well.

    They are forked from one that has imported everything, which takes a tenth of the time of as many fresh ones.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vlasync.training.run"])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    launcher = {
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(per_machine or world),
    }
    workers = [
        context.Process(target=train_as, args=(rank, launcher, recipe, store, run, parallel)) for rank in range(world)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=WAIT_S)
    assert [worker.exitcode for worker in workers] == [0] * world


def train_as(rank: int, launcher: dict[str, str], recipe: RunConfig, store: Path, run: Path, parallel: str) -> None:
    """One of the processes."""
    os.environ |= launcher | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    train(recipe, store, run, parallel=parallel)
