"""A whole RoboVLMs model, with what RoboVLMs itself computed from it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers.utils import logging

from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.names import load_weights
from vlasync.compat.robovlms.settings import read_settings
from vlasync.models.vla import VLA

CAMERAS = {"static": ("static",), "hand": ("gripper", "static")}


@pytest.fixture(scope="session", autouse=True)
def quiet_transformers() -> None:
    logging.set_verbosity_error()


@pytest.fixture(scope="session")
def kosmos(shared_data: Path) -> Path:
    return shared_data / "golden" / "robovlms" / "kosmos_tiny"


@pytest.fixture(scope="session")
def arrays(kosmos: Path) -> Callable[[str], dict[str, torch.Tensor]]:
    """The numbers of one of its files, by name."""

    def read(name: str) -> dict[str, torch.Tensor]:
        with np.load(kosmos / f"{name}.npz") as file:
            return {key: torch.from_numpy(file[key]) for key in file.files if file[key].dtype.kind != "U"}

    return read


@pytest.fixture(scope="session", params=CAMERAS)
def golden(request: pytest.FixtureRequest, kosmos: Path) -> tuple[str, VLA]:
    """With the static camera alone or with both: the name in the golden file, and the VLA."""
    settings = dataclasses.replace(read_settings(kosmos / "config.json"), cameras=CAMERAS[request.param])
    vla = build_policy(settings)
    load_weights(vla, load_file(kosmos / "state_dict.safetensors"), source="golden")
    return request.param, vla
