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
