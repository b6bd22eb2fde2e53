"""Demonstrations for benchmarks that train."""

from pathlib import Path

import pytest

from vlasync.data.store import create_store, write_shard
from vlasync.recording import calvin_cameras
from vlasync.testing import record_play_table


@pytest.fixture(scope="session")
def tasks() -> tuple[str, ...]:
    """What is demonstrated."""
    return "open_drawer", "close_drawer"


@pytest.fixture(scope="session")
def data(tasks: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two demonstrations of each task, of the demo's image size."""
    folder = tmp_path_factory.mktemp("demonstrations") / "data"
    episodes = record_play_table("small", tasks, cameras=calvin_cameras(64, 64), episodes_per_task=2, seed=5).episodes
    create_store(folder, episodes[0].spec)
    write_shard(folder, "00000", episodes)
    return folder
