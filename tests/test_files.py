"""Files that exist whole or not at all."""

import pytest

from vlasync.files import whole_folder, write_text


def test_write_text_replaces_and_leaves_no_temporary_file(tmp_path):
    target = tmp_path / "deep" / "note.txt"
    write_text(target, "one")
    write_text(target, "two")
    assert target.read_text() == "two"
    assert [path.name for path in target.parent.iterdir()] == ["note.txt"]


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path):
    target = tmp_path / "run"
    with pytest.raises(RuntimeError), whole_folder(target) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as folder:
        (folder / "whole").write_text("whole")
        assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_writer_left_of_a_folder_goes_with_the_next(tmp_path):
    (tmp_path / ".model.123.tmp" / "weights").mkdir(parents=True)
    (tmp_path / ".models.123.tmp").mkdir()
    with whole_folder(tmp_path / "model") as folder:
        (folder / "weights").write_text("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".models.123.tmp", "model"]
