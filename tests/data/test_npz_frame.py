"""A frame's arrays as numpy reads them, and what becomes of damaged ones."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vlasync.data.readers.npz_frame import NpzFrame
from vlasync.errors import DatasetError
from vlasync.spec import Camera

STATIC = Camera(height=20, width=24)
RANDOM = np.random.default_rng(0)
CONTENT = {
    "rgb_static": RANDOM.integers(0, 90, (20, 24, 3), dtype=np.uint8),
    "robot_obs": RANDOM.normal(size=15),
    "in_columns": np.asfortranarray(RANDOM.normal(size=(4, 3))),
}


@pytest.fixture(params=[np.savez, np.savez_compressed], ids=["stored", "deflated"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    save: Callable[..., None] = request.param
    save(tmp_path / "episode_0000000.npz", **CONTENT)
    return tmp_path / "episode_0000000.npz"


def test_every_array_is_what_numpy_reads(file: Path) -> None:
    frame = NpzFrame(file)
    np.testing.assert_array_equal(frame.image("static", STATIC), CONTENT["rgb_static"])
    np.testing.assert_array_equal(frame.vector("robot_obs", 15), CONTENT["robot_obs"])
    np.testing.assert_array_equal(frame._array("in_columns"), CONTENT["in_columns"])
    frame.require_image("static", STATIC)
    assert frame.cameras().keys() == {"static"}


def test_no_flipped_bit_comes_through(file: Path) -> None:
    """Each is an error that names the file, or met nothing of the array: numpy's arrays lie one after the other."""
    whole = file.read_bytes()
    refused = 0
    for place in range(60, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            found = NpzFrame(file).image("static", STATIC)
        except DatasetError as error:
            assert str(file) in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(found, CONTENT["rgb_static"])
    assert refused > 100


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_an_error(file: Path, kept: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DatasetError, match="cut short"):
        NpzFrame(file)


def test_another_compression_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "rgb_static.npy", CONTENT["rgb_static"])
    with zipfile.ZipFile(tmp_path / "frame.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.write(tmp_path / "rgb_static.npy", "rgb_static.npy")
    with pytest.raises(DatasetError, match=r"`rgb_static` cannot be read \(compression 14, expected none or deflate"):
        NpzFrame(tmp_path / "frame.npz").image("static", STATIC)
