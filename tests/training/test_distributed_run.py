"""Two processes train one run: one makes its files, both share gradients."""

import multiprocessing
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from vlasync.runs import checkpoint_folders, read_metrics
from vlasync.training import run as training_run
from vlasync.training.run import RunConfig, train

WORLD = 2


def train_as(rank: int, port: int, recipe: RunConfig, store: Path, run: Path) -> None:
    """One process as a launcher starts it; notes in a file of its own that it built the VLM."""
    os.environ |= {
        "ACCELERATE_USE_CPU": "true",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(WORLD),
        "LOCAL_WORLD_SIZE": str(WORLD),
    }
    build = training_run.build_tiny_vlm

    def noted_build(*arguments, **settings):
        (run / f"built-by-{rank}").touch()
        return build(*arguments, **settings)

    training_run.build_tiny_vlm = noted_build
    train(recipe, store, run)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def test_one_process_makes_the_files_of_a_run_and_all_train_it(store: Path, recipe: RunConfig, tmp_path: Path, port):
    run, short = tmp_path / "run", replace(recipe, training=replace(recipe.training, steps=4))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=train_as, args=(rank, port, short, store, run)) for rank in range(WORLD)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=600)  # a busy machine starts them slowly
    assert [worker.exitcode for worker in workers] == [0] * WORLD
    assert [path.name for path in run.glob("built-by-*")] == ["built-by-0"]
    assert [line.step for line in read_metrics(run / "metrics.jsonl")] == [1, 2, 3, 4]
    assert checkpoint_folders(run)[-1].name == "0000004"
    assert not list(run.rglob(".*.tmp"))
