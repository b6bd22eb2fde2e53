"""Two processes that share weights and gradients compute the loss of one, for every head."""

import dataclasses
import json
import multiprocessing
import socket
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from vlasync.data.store import Store
from vlasync.data.windows import Windows
from vlasync.models.heads.kinds import HEADS, head_config
from vlasync.training.run import RunConfig, prepare_vla
from vlasync.training.trainer import Objective

WORLD = 2


def three_losses(recipe: RunConfig, kind: str, windows: Windows, run: Path, wrap: str, part: slice) -> list[float]:
    """Losses of three steps of gradient descent on a part of four windows."""
    vla = dataclasses.replace(recipe.vla, shift_px={}, head=head_config(kind, hidden=32))
    objective = Objective(prepare_vla(dataclasses.replace(recipe, vla=vla), windows, run)).train()
    if wrap == "ddp":
        objective = DistributedDataParallel(objective)
    elif wrap == "fsdp":
        objective = fully_shard(objective, mesh=init_device_mesh("cpu", (WORLD,)))
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.05)
    losses = []
    for step in range(3):
        torch.manual_seed(step)
        loss = objective(windows.batch(np.arange(4)[part])).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def work(rank: int, port: int, recipe: RunConfig, store: Path, run: Path) -> None:
    torch.set_num_threads(1)
    windows = Windows(Store.open(store), window_size=4, chunk_size=3)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://localhost:{port}", rank=rank, world_size=WORLD, timeout=timedelta(seconds=300)
    )
    part = slice(2 * rank, 2 * rank + 2)
    losses = {
        f"{kind} {wrap}": three_losses(recipe, kind, windows, run, wrap, part)
        for kind in HEADS
        for wrap in ("ddp", "fsdp")
    }
    (run / f"{rank}.json").write_text(json.dumps(losses))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_shared_training_follows_that_of_one_process(store: Path, recipe: RunConfig, tmp_path: Path):
    windows = Windows(Store.open(store), window_size=4, chunk_size=3)
    alone = {kind: three_losses(recipe, kind, windows, tmp_path, "none", slice(None)) for kind in HEADS}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(rank, port, recipe, store, tmp_path)) for rank in range(WORLD)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=600)  # a busy machine starts them slowly
    assert [worker.exitcode for worker in workers] == [0] * WORLD
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(WORLD)]
    for name in ranks[0]:
        kind = name.split()[0]
        shared = np.mean([losses[name] for losses in ranks], axis=0)
        if kind == "flow":  # other batches draw other noise
            assert shared[-1] < shared[0]
        else:
            np.testing.assert_allclose(shared, alone[kind], rtol=1e-3, err_msg=name)
