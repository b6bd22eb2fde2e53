"""Tiny VLMs of all families, and batches of random demonstrations for them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.spec import Camera, Normalization, SyncSpec
from vlasync.types import Batch

FAMILIES = ("smolvlm", "paligemma", "kosmos2")
SENTENCES = ("open the drawer", "push the red block to the left side of the table", "lift the blue block")


@pytest.fixture(scope="session", autouse=True)
def quiet_transformers() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vlm")
    size = TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=2, heads=2, expansion=2)
    return {family: build_tiny_vlm(family, root / family, corpus=SENTENCES, size=size) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def tiny_folder(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Path:
    return tiny_folders[request.param]


@pytest.fixture(scope="session")
def spec() -> SyncSpec:
    raw = SyncSpec.CALVIN.replace(
        cameras={"static": Camera(height=40, width=40), "gripper": Camera(height=32, width=32)}
    )
    statistics = Normalization(
        kind="quantile",
        low=(-0.8,) * 6 + (-1.0,),
        high=(0.6,) * 6 + (1.0,),
        identity=(6,),
        fitted_on=raw.representation(),
        count=100,
    )
    return raw.replace(normalization=statistics)


@pytest.fixture(scope="session")
def make_batch(spec: SyncSpec) -> Callable[..., Batch]:
    """Random windows; `make_batch(rows, window, chunk, seed=0)`."""

    def make(rows: int, window: int, chunk: int, *, seed: int = 0) -> Batch:
        random = torch.Generator().manual_seed(seed)
        pose = torch.rand(rows, window, chunk, 6, generator=random) - 0.5
        gripper = torch.randint(0, 2, (rows, window, chunk, 1), generator=random) * 2.0 - 1.0
        return Batch(
            images={
                name: torch.randint(
                    0, 256, (rows, window, 3, camera.height, camera.width), generator=random, dtype=torch.uint8
                )
                for name, camera in spec.cameras.items()
            },
            state=torch.randn(rows, window, spec.state_size, generator=random),
            actions=torch.cat([pose, gripper], dim=-1),
            chunk_mask=torch.ones(rows, window, chunk, dtype=torch.bool),
            sentences=tuple(SENTENCES[row % len(SENTENCES)] for row in range(rows)),
        )

    return make
