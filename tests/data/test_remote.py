"""A dataset in an object store is copied once, whole, and is then the same dataset."""

from pathlib import Path

import fsspec
import pytest
from test_mixture import stored

from vlasync.data import remote
from vlasync.data.remote import CACHE_VARIABLE, local_folder
from vlasync.data.store import Store
from vlasync.errors import DatasetError

ADDRESS = "memory://bucket/store"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A store of one shard in memory, as an object store keeps it; the cache is empty."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    stored(tmp_path, "A", 20)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "A"), "/bucket/store", recursive=True)
    yield memory
    memory.rm("/bucket", recursive=True)


def count_fetched(memory, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    get_file = type(memory).get_file

    def counted(self, source, target, **options):
        names.append(source)
        return get_file(self, source, target, **options)

    monkeypatch.setattr(type(memory), "get_file", counted)
    return names


def test_a_copy_is_the_dataset_and_is_made_once(bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = count_fetched(bucket, monkeypatch)
    copy = Store.open(local_folder(ADDRESS))
    assert copy[0].state.tolist() == Store.open(tmp_path / "A")[0].state.tolist()
    assert len(names) == len(bucket.find("/bucket/store"))
    assert local_folder(ADDRESS) == copy.path
    assert len(names) == len(bucket.find("/bucket/store"))


def test_what_changed_is_fetched_again_and_what_is_gone_is_dropped(bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = local_folder(ADDRESS)
    names = count_fetched(bucket, monkeypatch)
    bucket.pipe_file("/bucket/store/store.json", bucket.cat_file("/bucket/store/store.json") + b" ")
    bucket.rm("/bucket/store/shards/0", recursive=True)
    local_folder(ADDRESS)
    assert names == ["/bucket/store/store.json"]
    assert (copy / "store.json").read_bytes().endswith(b" ")
    assert not list((copy / "shards" / "0").iterdir())


def test_a_stopped_copy_goes_on(bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PARALLEL_FILES", 1)
    names = count_fetched(bucket, monkeypatch)
    whole = type(bucket).get_file

    def stops(self, source, target, **options):
        if len(names) == 2:
            raise ConnectionResetError("the line is dead")
        return whole(self, source, target, **options)

    with monkeypatch.context() as context, pytest.raises(ConnectionResetError):
        context.setattr(type(bucket), "get_file", stops)
        local_folder(ADDRESS)
    assert len(Store.open(local_folder(ADDRESS))[0]) == 20
    assert len(names) == len(set(names))


def test_unfinished_shards_stay_where_they_are(bucket) -> None:
    bucket.pipe_file("/bucket/store/shards/.1.unfinished/state.npy", b"half")
    assert not list(local_folder(ADDRESS).glob("shards/.*"))


def test_folders_of_this_machine_are_not_copied(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path)) == tmp_path
    assert local_folder(f"file://{tmp_path}") == tmp_path


@pytest.mark.parametrize("address", ["memory://bucket/nothing", "nowhere://bucket/store"])
def test_an_address_without_a_dataset_is_one_clear_error(address: str) -> None:
    with pytest.raises(DatasetError, match=address):
        local_folder(address)
