"""Images that a store keeps coded come back as they were, one by one, and nothing else about a store changes."""

import json
from pathlib import Path

import numpy as np
import pytest

from vlasync.data.convert import Conversion, convert
from vlasync.data.layouts import ImageCoding
from vlasync.data.store import Store, create_store, declare_spec, write_shard
from vlasync.data.windows import Windows
from vlasync.errors import DatasetError, VlasyncError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=20, width=32), "gripper": Camera(height=12, width=12)})


def drawn(number: int, length: int) -> Episode:
    """An episode whose images are smooth, as those of a camera are, and differ from frame to frame."""
    random = np.random.default_rng(number)

    def images(size: Camera) -> np.ndarray:
        rows, columns = np.indices((size.height, size.width))[..., None]
        phase = random.uniform(0, 6, (length, 1, 1, 3))
        return (127 + 80 * np.sin(rows / 9 + columns / 11 + phase)).astype(np.uint8)

    return Episode(
        name=f"drawn {number}",
        spec=SPEC,
        images={name: images(size) for name, size in SPEC.cameras.items()},
        state=random.normal(size=(length, 15)),
        actions=random.normal(size=(length, 7)),
        scene=None,
        frame_index=np.arange(length),
        language=(LanguageSpan(first=0, last=length - 1, sentence="open the drawer", task="open_drawer"),),
    )


EPISODES = [drawn(0, 7), drawn(1, 5), drawn(2, 6)]


def stored(folder: Path, images: ImageCoding) -> Store:
    create_store(folder, SPEC, images)
    write_shard(folder, "0", EPISODES[:2])
    write_shard(folder, "1", EPISODES[2:])
    return Store.open(folder)


@pytest.mark.parametrize(("coding", "off_by"), [("raw", 0), ("lossless", 0), ("jpeg", 12)])
def test_every_frame_of_every_episode_comes_back(tmp_path: Path, coding: ImageCoding, off_by: int) -> None:
    for found, expected in zip(stored(tmp_path / "store", coding), EPISODES, strict=True):
        for camera, images in expected.images.items():
            stream = found.images[camera]
            assert (len(stream), stream.shape) == (len(expected), images.shape)
            assert np.abs(stream[:].astype(int) - images[:]).max() <= off_by
            np.testing.assert_array_equal(stream[2:5], stream[:][2:5])
            np.testing.assert_array_equal(stream[-1], stream[:][-1])
            assert len(stream[4:4]) == 0
            with pytest.raises(IndexError):
                stream[len(expected)]


def test_windows_of_losslessly_coded_images_are_those_of_raw_ones(tmp_path: Path) -> None:
    raw, coded = (
        Windows(stored(tmp_path / coding, coding), window_size=3, chunk_size=2) for coding in ("raw", "lossless")
    )
    indices = [9, 0, 4]
    for camera in SPEC.cameras:
        assert raw.batch(indices).images[camera].equal(coded.batch(indices).images[camera])


def test_a_window_decodes_its_frames_and_no_others(tmp_path: Path) -> None:
    windows = Windows(stored(tmp_path / "store", "lossless"), window_size=3, chunk_size=2, selection=[0])
    file = tmp_path / "store" / "shards" / "0" / "images.static.coded.npy"
    offsets = np.load(file.with_name("images.static.offsets.npy"))
    content = bytearray(file.read_bytes())
    head = len(content) - offsets[-1]
    content[head + offsets[3] : head + offsets[4]] = bytes(offsets[4] - offsets[3])  # frame 3 of the first episode
    file.write_bytes(content)
    assert windows[0].images["static"].shape == (3, 3, 20, 32)
    with pytest.raises(DatasetError, match=r"images\.static\.coded\.npy: image 3 is damaged"):
        _ = windows[1]


def test_a_store_has_one_coding_and_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    stored(folder, "lossless")
    with pytest.raises(DatasetError, match="keeps images lossless, asked for raw"):
        create_store(folder, SPEC)
    declare_spec(folder, SPEC.replace(rate_hz=10.0))
    opened = Store.open(folder)
    assert opened.spec.rate_hz == 10.0
    np.testing.assert_array_equal(opened[2].images["gripper"][:], EPISODES[2].images["gripper"])


def test_stores_of_the_first_version_are_read_and_unknown_ones_refused(tmp_path: Path) -> None:
    stored(tmp_path / "store", "raw")
    file = tmp_path / "store" / "store.json"
    record = json.loads(file.read_text())
    del record["images"]
    file.write_text(json.dumps(record | {"format": 1}))
    np.testing.assert_array_equal(Store.open(tmp_path / "store")[0].images["static"][:], EPISODES[0].images["static"])
    for unknown in ({"format": 3}, {"images": "tiff"}):
        file.write_text(json.dumps(record | unknown))
        with pytest.raises(DatasetError, match=r"store\.json: format"):
            Store.open(tmp_path / "store")


@pytest.mark.parametrize("file", ["images.static.coded.npy", "images.gripper.offsets.npy"])
def test_a_coded_file_cut_short_is_one_error_that_names_it(tmp_path: Path, file: str) -> None:
    stored(tmp_path / "store", "jpeg")
    damaged = tmp_path / "store" / "shards" / "1" / file
    damaged.write_bytes(damaged.read_bytes()[:-3])
    with pytest.raises(DatasetError, match=file):
        Store.open(tmp_path / "store")


def test_a_conversion_codes_images_and_back(tmp_path: Path) -> None:
    stored(tmp_path / "raw", "raw")
    convert(Conversion(source=tmp_path / "raw", target=tmp_path / "coded", to="store", images="lossless"))
    convert(Conversion(source=tmp_path / "coded", target=tmp_path / "back", to="store"))
    for found, expected in zip(Store.open(tmp_path / "back"), EPISODES, strict=True):
        np.testing.assert_array_equal(found.images["static"][:], expected.images["static"])
    with pytest.raises(DatasetError, match="images 'lossless' there, None now"):
        convert(Conversion(source=tmp_path / "raw", target=tmp_path / "coded", to="store"))
    with pytest.raises(VlasyncError, match="images is for the training store"):
        Conversion(source=tmp_path / "raw", target=tmp_path / "calvin", to="calvin", images="jpeg")
