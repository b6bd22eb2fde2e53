"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

# Read when torch is imported, here and in processes that tests start. Tests compute on arrays so small that a second
# thread gains nothing, and on a busy machine threads wait for one another ten times longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings and golden numbers that lie beside the checkout; tests that need them skip without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout of CALVIN, whose sentences are still to be written."""
    from vlasync.envs.calvin.checkout import SENTENCES

    root = tmp_path / "calvin"
    for name in ("calvin_env/calvin_env/robot/robot.py", "calvin_env/conf/scene/calvin_scene_D.yaml", str(SENTENCES)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


@pytest.fixture(scope="session")
def simulator_root() -> Path:
    """The user's checkout of CALVIN; tests that need it skip without."""
    from vlasync.envs.calvin.simulation import missing_packages

    root = os.environ.get("CALVIN_ROOT")
    if root is None or missing_packages():
        pytest.skip("CALVIN_ROOT names no checkout of CALVIN, or its packages are not installed")
    return Path(root)
