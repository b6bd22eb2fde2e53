"""Every window shows what its span says, and nothing beyond it."""

import itertools

import numpy as np
import pytest
import torch

from vlasync.data.batches import WindowLoader
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows, split_episodes
from vlasync.errors import VlasyncError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=4, width=6)})
W, K = 4, 3


def numbered(number: int, length: int, *spans: tuple[int, int]) -> Episode:
    """An episode whose every pixel, state and action tells episode and frame: 100 * episode + frame."""
    stamp = 100 * number + np.arange(length)
    return Episode(
        name=f"episode {number}",
        spec=SPEC,
        images={"static": np.tile((stamp % 256).astype(np.uint8)[:, None, None, None], (1, 4, 6, 3))},
        state=np.tile(stamp[:, None].astype(float), (1, 15)),
        actions=np.tile(stamp[:, None].astype(float), (1, 7)),
        scene=None,
        frame_index=stamp,
        language=tuple(
            LanguageSpan(first=a, last=b, sentence=f"{number}:{a}-{b}", task="open_drawer") for a, b in spans
        ),
    )


EPISODES = [numbered(0, 12, (1, 8), (6, 11)), numbered(1, 5, (2, 3)), numbered(2, 7, (0, 6))]


def test_starts_cover_each_span_and_a_short_span_gives_one_padded_window() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    starts = [(window.sentence, int(window.state[0, 0])) for window in windows]
    assert starts == [
        *(("0:1-8", frame) for frame in range(1, 6)),
        *(("0:6-11", frame) for frame in range(6, 9)),
        ("1:2-3", 102),
        *(("2:0-6", 200 + frame) for frame in range(4)),
    ]


def test_streams_of_a_window_are_in_step_and_masked_at_the_end_of_the_sentence() -> None:
    last = {"0:1-8": 8, "0:6-11": 11, "1:2-3": 103, "2:0-6": 206}
    for window in Windows(EPISODES, window_size=W, chunk_size=K):
        frames = window.state[0, 0] + np.arange(W)
        future = frames[:, None] + np.arange(K)
        end = last[window.sentence]
        np.testing.assert_array_equal(window.chunk_mask, future <= end)
        np.testing.assert_array_equal(window.actions[..., 0], np.minimum(future, end))
        np.testing.assert_array_equal(window.state[:, 3], np.minimum(frames, end))
        np.testing.assert_array_equal(window.images["static"][:, 2, 1, 5], np.minimum(frames, end) % 256)
        assert window.images["static"].shape == (W, 3, 4, 6)


def test_batch_equals_its_windows_from_memory_and_from_a_store(tmp_path) -> None:
    create_store(tmp_path, SPEC)
    write_shard(tmp_path, "0", EPISODES)
    indices = [11, 0, 8, 3]
    for source in (EPISODES, Store.open(tmp_path)):
        windows = Windows(source, window_size=W, chunk_size=K)
        batch = windows.batch(indices)
        assert batch.images["static"].dtype == torch.uint8
        assert batch.actions.shape == (4, W, K, 7)
        assert batch.actions.dtype == batch.state.dtype == torch.float32
        for row, index in enumerate(indices):
            window = windows[index]
            np.testing.assert_array_equal(batch.images["static"][row], window.images["static"])
            np.testing.assert_array_equal(batch.actions[row], window.actions)
            np.testing.assert_array_equal(batch.chunk_mask[row], window.chunk_mask)
            assert batch.sentences[row] == window.sentence


def test_a_selection_uses_only_its_episodes() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K, selection=[2])
    assert {window.sentence for window in windows} == {"2:0-6"}


def test_split_is_a_partition() -> None:
    training, validation = split_episodes(23, every=10)
    assert [episode // 10 for episode in validation] == [0, 1]
    assert sorted(training + validation) == list(range(23)) and training == sorted(training)
    assert split_episodes(23, every=10) == (training, validation)
    with pytest.raises(VlasyncError, match="of 3 episodes"):
        split_episodes(3, every=10)


@pytest.mark.parametrize(("tasks", "every"), [(34, 20), (16, 20), (8, 20), (34, 2), (20, 20)])
def test_validation_meets_most_tasks_of_a_recording_that_goes_through_them_in_turn(tasks: int, every: int):
    _, validation = split_episodes(60 * tasks, every=every)
    assert len({episode % tasks for episode in validation}) >= 0.8 * tasks


@pytest.mark.parametrize(
    ("episodes", "window_size", "message"),
    [
        (EPISODES, 9, "longest language span has 8 frames"),
        (EPISODES, 0, "at least 1"),
        ([], 2, "no episodes"),
        ([numbered(0, 5)], 2, "has a sentence"),
        ([numbered(0, 5, (2, 5))], 2, r"covers frames 2\.\.5, but the episode has frames 0\.\.4"),
    ],
)
def test_what_cannot_be_cut_is_one_clear_error(episodes, window_size, message) -> None:
    with pytest.raises(VlasyncError, match=message):
        Windows(episodes, window_size=window_size, chunk_size=K)


def seen(loader: WindowLoader, count: int) -> list[list[tuple[str, float]]]:
    batches = itertools.islice(loader, count)
    return [list(zip(batch.sentences, batch.state[:, 0, 0].tolist(), strict=True)) for batch in batches]


def test_an_epoch_shows_each_window_once_and_the_next_epoch_in_another_order() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    loader = WindowLoader(windows, batch_size=3, seed=1)
    assert loader.batches_per_epoch == 4
    first, second = np.split(np.array(seen(loader, 8), dtype=object), 2)
    for epoch in (first, second):
        assert len({tuple(window) for batch in epoch for window in batch}) == 12
    assert not np.array_equal(first, second)


def test_the_seed_alone_decides_the_order() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    orders = [seen(WindowLoader(windows, batch_size=3, seed=seed), 6) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 6])
def test_a_resumed_loader_goes_on_with_the_next_batch(stop: int) -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    whole = seen(WindowLoader(windows, batch_size=3, seed=1), 9)
    loader = WindowLoader(windows, batch_size=3, seed=1)
    assert seen(loader, stop) == whole[:stop]
    resumed = WindowLoader(windows, batch_size=3, seed=1)
    resumed.load_state_dict(loader.state_dict())
    assert seen(resumed, 9 - stop) == whole[stop:]


def test_processes_share_the_batches_of_one_process() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    alone = seen(WindowLoader(windows, batch_size=4, seed=1), 5)
    parts = [seen(WindowLoader(windows, batch_size=2, seed=1, rank=rank, world_size=2), 5) for rank in (0, 1)]
    assert alone == [left + right for left, right in zip(*parts, strict=True)]


def test_more_windows_per_batch_than_there_are_is_refused() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    with pytest.raises(VlasyncError, match="there are 13"):
        WindowLoader(windows, batch_size=14, seed=0)


def test_an_error_while_loading_reaches_the_consumer() -> None:
    windows = Windows(EPISODES, window_size=W, chunk_size=K)
    windows._sentences.clear()
    with pytest.raises(IndexError):
        next(iter(WindowLoader(windows, batch_size=2, seed=0)))
