"""Every head trains end to end with every history, and the policy that comes out acts and streams."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlasync.data.store import Store
from vlasync.data.windows import Windows
from vlasync.models.folder import load_vla
from vlasync.models.heads.discrete import DiscreteHeadConfig
from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.heads.flow import FlowHeadConfig
from vlasync.models.heads.gpt import GPTHeadConfig
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.history import History
from vlasync.policy import Policy
from vlasync.runs import latest_checkpoint, read_metrics
from vlasync.training.run import RunConfig, train
from vlasync.types import Observation

HEADS = (
    FCHeadConfig(hidden=32),
    LSTMHeadConfig(hidden=32, layers=1),
    GPTHeadConfig(hidden=32, layers=1),
    DiscreteHeadConfig(hidden=32, layers=1),
    FlowHeadConfig(hidden=32, layers=1),
)


WINDOW = 4


def with_head(recipe: RunConfig, head, *, steps: int, history: History = "policy_head") -> RunConfig:
    training = dataclasses.replace(
        recipe.training, steps=steps, checkpoint_every=steps, milestones=(), validate_every=5
    )
    vla = dataclasses.replace(recipe.vla, head=head, window_size=WINDOW, history=history)
    return dataclasses.replace(recipe, vla=vla, training=training)


@pytest.mark.parametrize("history", get_args(History))
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_the_loss_falls_and_the_policy_acts(store: Path, recipe: RunConfig, tmp_path: Path, head, history):
    checkpoint = train(with_head(recipe, head, steps=30, history=history), store, tmp_path / "run")
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    first, last = (np.mean([line.loss for line in part]) for part in (lines[:3], lines[-3:]))
    assert last < 0.7 * first
    assert lines[-1].validation_loss is not None and np.isfinite(lines[-1].validation_loss)

    vla = load_vla(checkpoint)
    assert vla.config.head == head and vla.config.history == history
    batch = Windows(Store.open(store), window_size=WINDOW, chunk_size=3).batch(np.array([0, 20]))
    with torch.no_grad():
        windowed, stream = vla(batch), vla.init_stream(2)
        for frame in range(WINDOW):
            images = {name: image[:, frame] for name, image in batch.images.items()}
            stream, streamed = vla.step(stream, images, batch.state[:, frame], batch.sentences)
    torch.testing.assert_close(streamed.pose, windowed.pose[:, -1], atol=1e-5, rtol=0)

    policy = Policy(vla)
    policy.reset("go to place 1")
    image = np.zeros((32, 32, 3), np.uint8)
    for _ in range(WINDOW + 2):
        action = policy.act(Observation(images={"static": image, "gripper": image}, state=np.zeros(15)))
    assert action.shape == (7,) and np.isfinite(action).all()


def test_a_head_that_draws_noise_trains_and_is_measured_the_same_under_one_seed(store, recipe, tmp_path: Path):
    config = with_head(recipe, FlowHeadConfig(hidden=32, layers=1), steps=10)
    runs = [tmp_path / name for name in ("first", "again")]
    weights = []
    for run in runs:
        train(config, store, run)
        weights.append(load_file(latest_checkpoint(run) / "model.safetensors"))
    first, again = ([(line.loss, line.validation_loss) for line in read_metrics(run / "metrics.jsonl")] for run in runs)
    assert first == again
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
