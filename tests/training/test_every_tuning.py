"""Every tuning trains end to end, resumes exactly, and leaves alone what it should."""

import dataclasses
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlasync.cli import main
from vlasync.errors import CheckpointError
from vlasync.models.folder import load_vla
from vlasync.models.heads.discrete import DiscreteHeadConfig
from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.heads.flow import FlowHeadConfig
from vlasync.models.heads.gpt import GPTHeadConfig
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tuning import Tuning
from vlasync.models.vlm import VLM
from vlasync.runs import checkpoint_folders, latest_checkpoint, read_metrics
from vlasync.training.run import RunConfig, train

HEADS = {
    "lstm": LSTMHeadConfig(hidden=32, layers=1),
    "fc": FCHeadConfig(hidden=32),
    "gpt": GPTHeadConfig(hidden=32, layers=1),
    "discrete": DiscreteHeadConfig(hidden=32, layers=1),
    "flow": FlowHeadConfig(hidden=32, layers=1),
}
TUNINGS = {
    "lora": Tuning(mode="lora", lora_rank=4),
    "last layer": Tuning(parts=("decoder",), decoder_layers=1),
    "without vision": Tuning(parts=("projector", "text_embedding", "decoder")),
    "frozen": Tuning(mode="frozen"),
    "qlora": Tuning(mode="qlora", lora_rank=4),
}
HISTORIES = ("policy_head", "interleaved", "one_step")


def tuned(recipe: RunConfig, tuning: str, *, steps: int, **vla) -> RunConfig:
    if tuning == "qlora":
        pytest.importorskip("bitsandbytes")
    training = dataclasses.replace(recipe.training, steps=steps, checkpoint_every=max(1, steps // 2), milestones=())
    changed = dataclasses.replace(recipe.vla, tuning=TUNINGS[tuning], **vla)
    return dataclasses.replace(recipe, vla=changed, training=training)


def falls(run: Path, *, to: float) -> bool:
    """Whether the loss of the last fifth of the run is below that share of the first's."""
    losses = [line.loss for line in read_metrics(run / "metrics.jsonl")]
    fifth = len(losses) // 5
    return np.mean(losses[-fifth:]) < to * np.mean(losses[:fifth])


# Every tuning and every head, each with another one.
@pytest.mark.parametrize(("tuning", "head"), list(zip(TUNINGS, HEADS, strict=True)))
def test_the_loss_falls_and_what_does_not_train_stays(store, recipe, tmp_path, tuning, head):
    checkpoint = train(tuned(recipe, tuning, steps=30, head=HEADS[head]), store, tmp_path / "run")
    assert falls(tmp_path / "run", to=0.8)
    vla, untrained = load_vla(checkpoint), load_vla(tmp_path / "run" / "untrained")
    before = dict(untrained.named_parameters())
    moved = {name for name, value in vla.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name, value in vla.named_parameters() if value.requires_grad}
    if TUNINGS[tuning].mode in ("lora", "frozen"):
        plain = VLM.from_pretrained(tmp_path / "run" / "vlm").state_dict()
        kept = {name.replace(".base_layer.", "."): value for name, value in vla.vlm.state_dict().items()}
        assert all(torch.equal(kept[name], value) for name, value in plain.items())


def test_what_trains_is_shown_before_it_trains(store, recipe, tmp_path, capsys):
    train(tuned(recipe, "frozen", steps=1), store, tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "decoder" in line and " 0.0%" in line]
    assert [line for line in lines if "head" in line and "100.0%" in line]


def test_updates_resume_exactly_and_on_their_own_vlm_alone(store, recipe, tmp_path):
    config = tuned(recipe, "lora", steps=4)
    whole, again = tmp_path / "whole", tmp_path / "again"
    train(config, store, whole)
    shutil.copytree(whole, again)
    shutil.rmtree(checkpoint_folders(again)[-1])
    train(config, store, again)
    first, second = (load_file(latest_checkpoint(run) / "training.safetensors") for run in (whole, again))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)

    shutil.rmtree(checkpoint_folders(again)[-1])
    weights = again / "vlm" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="whose weights have sha256"):
        train(config, store, again)


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("table") / "data"
    arguments = "--tasks open_drawer close_drawer --episodes 3 --image-size 32 32 --workers 1"
    with pytest.raises(SystemExit, match="0"):
        main(["record", str(folder), *arguments.split()])
    return folder


@pytest.mark.matrix
@pytest.mark.parametrize(("head", "history", "tuning"), list(itertools.product(HEADS, HISTORIES, ("full", *TUNINGS))))
def test_the_loss_falls_on_the_play_table(demonstrations, recipe, tmp_path, head, history, tuning):
    settings = {"head": HEADS[head], "history": history}
    everything = dataclasses.replace(recipe, vla=dataclasses.replace(recipe.vla, **settings))
    config = everything if tuning == "full" else tuned(everything, tuning, steps=60)
    longer = dataclasses.replace(config.training, steps=60, checkpoint_every=60, milestones=(), validate_every=60)
    train(dataclasses.replace(config, training=longer), demonstrations, tmp_path / "run")
    assert falls(tmp_path / "run", to=0.9)
