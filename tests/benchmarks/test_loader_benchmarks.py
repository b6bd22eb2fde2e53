"""What the loader's benchmarks measure is what they say."""

from pathlib import Path

import numpy as np

from growth import write_store
from loader_speed import write_calvin
from vlasync.data.readers.calvin import read_calvin
from vlasync.data.store import Store


def test_made_up_play_is_a_store_of_the_size_asked_for(tmp_path: Path) -> None:
    assert write_store(tmp_path / "store", 1000) == 1800
    store = Store.open(tmp_path / "store")
    assert store.num_frames == 1800
    assert all(len(episode.language) == 15 for episode in store)


def test_repeated_frames_are_links_and_read_as_the_first_ones(shared_data: Path, tmp_path: Path) -> None:
    (episode,) = read_calvin(shared_data / "calvin_sample" / "validation")
    write_calvin([episode, episode], tmp_path / "training")
    first, second = read_calvin(tmp_path / "training")
    np.testing.assert_array_equal(first.state, episode.state)
    np.testing.assert_array_equal(second.state, first.state)
    np.testing.assert_array_equal(second.images["static"][7], episode.images["static"][7])
    assert [span.sentence for span in second.language] == [span.sentence for span in episode.language]
    assert sum(file.is_symlink() for file in (tmp_path / "training").iterdir()) == len(episode)
