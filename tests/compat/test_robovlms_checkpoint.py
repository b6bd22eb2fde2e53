"""Weights are read from PyTorch's files as PyTorch reads them, and nothing that such a file asks for is ever run."""

import collections
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from vlasync.compat.robovlms.checkpoint import read_weights
from vlasync.errors import CheckpointError, UnsafeFileError

SHARED = torch.arange(24.0).reshape(4, 6)
WEIGHTS = {
    "whole": SHARED,
    "slice": SHARED[1:3, ::2],
    "turned": SHARED.T,
    "half": torch.randn(3).half(),
    "brain": torch.randn(3).bfloat16(),
    "count": torch.tensor(7),
    "none": torch.empty(0, 3),
    "flags": torch.tensor([True, False]),
    "trained": torch.nn.Parameter(torch.randn(2)),
}


def equal(found):
    assert found.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name


@pytest.mark.parametrize("holder", [None, "state_dict", "model_state_dict", "module"])
def test_weights_are_those_that_were_saved(tmp_path, holder):
    weights = collections.OrderedDict(WEIGHTS)
    vars(weights)["_metadata"] = {"": {"version": 1}}  # as every state dict of a module has it
    step = {"step": 3, "exp_avg": torch.ones(2)}
    content = weights if holder is None else {holder: weights, "epoch": 4, "optimizer_states": [step]}
    torch.save(content, tmp_path / "x.ckpt")
    equal(read_weights(tmp_path / "x.ckpt"))


def test_weights_of_a_module_are_its(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    torch.save(module.state_dict(), tmp_path / "x.pt")
    found = read_weights(tmp_path / "x.pt")
    torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).load_state_dict(found)


def test_safetensors_are_read(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    assert torch.equal(read_weights(tmp_path / "x.safetensors")["a"], torch.ones(2))


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "evil",
    [Evil(print, "run"), Evil(eval, "1"), Evil(getattr, "text", "upper"), torch.nn.Linear(1, 1), torch.device("cpu")],
    ids=["print", "eval", "getattr", "module", "device"],
)
def test_a_file_that_asks_for_anything_else_is_refused_and_nothing_runs(tmp_path, evil, capsys):
    torch.save({"state_dict": WEIGHTS, "extra": evil}, tmp_path / "x.pt")
    with pytest.raises(UnsafeFileError, match="Nothing was run;"):
        read_weights(tmp_path / "x.pt")
    assert "run" not in capsys.readouterr().out


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch.save({"a": torch.ones(4)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as whole, zipfile.ZipFile(tmp_path / "short.pt", "w") as short:
        for name in whole.namelist():
            short.writestr(name, whole.read(name)[:8] if name.endswith("/data/0") else whole.read(name))
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(tmp_path / "short.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [({"epoch": 3}, "'epoch' among the weights is no tensor"), ([torch.ones(1)], "no dict"), ({}, "no dict")],
)
def test_a_file_without_weights_is_an_error(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "x.pt")


def test_other_files_are_errors(tmp_path):
    torch.save(WEIGHTS, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"a": 1}))
    messages = {
        "old.pt": "no zip",
        "plain.pt": "no zip",
        "x.safetensors": "damaged",
        "packed.pt": "compressed",
        "no.pt": "not found",
        ".": "zero_to_fp32",
    }
    for name, message in messages.items():
        with pytest.raises(CheckpointError, match=message):
            read_weights(tmp_path / name)
