"""What a dataset's numbers mean is kept where its layout keeps it, and read from there."""

import numpy as np
import pytest

from vlasync.data.declaration import declare
from vlasync.data.open import open_dataset
from vlasync.data.store import create_store, write_shard
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.errors import DatasetError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=4, width=4)})
EPISODE = Episode(
    name="still",
    spec=SPEC,
    images={"static": np.zeros((3, 4, 4, 3), np.uint8)},
    state=np.zeros((3, 15)),
    actions=np.ones((3, 7)),
    scene=np.zeros((3, 24)),
    frame_index=np.arange(3),
    language=(),
)


@pytest.fixture
def split(tmp_path):
    writer = CalvinWriter(tmp_path / "split")
    writer.append(EPISODE)
    writer.finish()
    return tmp_path / "split"


def test_a_split_and_a_store_keep_what_is_declared(split, tmp_path):
    create_store(tmp_path / "store", SPEC)
    write_shard(tmp_path / "store", "0", [EPISODE])
    spec = SPEC.replace(gripper_open=-1.0, gripper_closed=1.0, action_frame="tcp")
    for path in (split, tmp_path / "store"):
        assert open_dataset(path)[0].spec == SPEC
        assert declare(path, spec).is_file()
        assert open_dataset(path)[0].spec == spec
        np.testing.assert_array_equal(open_dataset(path)[0].actions, EPISODE.actions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no SyncSpec"),
        ("[]", "no SyncSpec"),
        ('{"rate": 1}', "unknown fields"),
        (SPEC.replace(cameras={"static": Camera(height=5, width=4)}).to_json(), r"\(5, 4\)"),
        (SPEC.replace(cameras={}).to_json(), "first frame"),
        (SPEC.replace(rotation="quat_xyzw").to_json(), "actions"),
    ],
)
def test_a_damaged_declaration_is_one_clear_error(text, said, split):
    (split / "syncspec.json").write_text(text)
    with pytest.raises(DatasetError, match=said):
        open_dataset(split)


def test_a_folder_of_somebody_else_is_one_clear_error(split, monkeypatch):
    def refuse(path, text):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vlasync.data.declaration.write_text", refuse)
    with pytest.raises(DatasetError, match="Permission denied"):
        declare(split, SPEC)
