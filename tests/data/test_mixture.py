"""A mixture draws from each dataset what it was told to, in an order that the seed alone decides."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vlasync.actions.representations import represent
from vlasync.data.batches import WindowLoader
from vlasync.data.mixture import MixedWindows, Portion, Source
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=4, width=4)})
SIZES = {"A": 30, "B": 10, "C": 20}


def stored(folder: Path, name: str, frames: int, spec: SyncSpec = SPEC) -> Store:
    """A dataset of one episode with as many windows as frames; its sentence is its name, its state its frame number."""
    random = np.random.default_rng(frames)
    size = spec.cameras["static"].height
    episode = Episode(
        name=name,
        spec=spec,
        images={"static": np.zeros((frames, size, size, 3), np.uint8)},
        state=np.concatenate([np.arange(frames)[:, None], random.uniform(-1, 1, (frames, 14))], axis=1),
        actions=random.uniform(-1, 1, (frames, 7)),
        scene=None,
        frame_index=np.arange(frames),
        language=(LanguageSpan(first=0, last=frames - 1, sentence=name, task="go"),),
    )
    create_store(folder / name, spec)
    write_shard(folder / name, "0", [episode])
    return Store.open(folder / name)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    folder = tmp_path_factory.mktemp("stores")
    return {name: stored(folder, name, frames) for name, frames in SIZES.items()}


def mixed(stores: dict[str, Store], target: SyncSpec = SPEC, **shares: float | None) -> MixedWindows:
    portions = [
        Portion(source=Source(data=name, share=share), store=stores[name], episodes=range(len(stores[name])))
        for name, share in shares.items()
    ]
    return MixedWindows(portions, window_size=1, chunk_size=1, target=target)


def seen(loader: WindowLoader, count: int) -> list[tuple[str, float]]:
    return [
        window
        for _, batch in zip(range(count), loader, strict=False)
        for window in zip(batch.sentences, batch.state[:, 0, 0].tolist(), strict=True)
    ]


def test_one_dataset_gives_the_windows_and_the_order_of_before(stores: dict[str, Store]) -> None:
    alone, before = mixed(stores, A=None), Windows(stores["A"], window_size=1, chunk_size=1)
    loaders = [WindowLoader(windows, batch_size=7, seed=3) for windows in (alone, before)]
    assert seen(loaders[0], 10) == seen(loaders[1], 10)
    assert alone.conversions == before.conversions


def test_without_shares_every_window_of_all_datasets_is_drawn_once_an_epoch(stores: dict[str, Store]) -> None:
    windows = mixed(stores, A=None, B=None, C=None)
    assert sorted(windows.order(0, 5)) == list(range(60))
    assert [(part.data, part.windows, part.share) for part in windows.contributions] == [
        ("A", 30, 0.5),
        ("B", 10, pytest.approx(1 / 6)),
        ("C", 20, pytest.approx(1 / 3)),
    ]


@pytest.mark.parametrize(
    ("shares", "drawn"),
    [
        ({"A": 0.3, "B": 0.7}, {"A": 12, "B": 28}),
        ({"A": None, "B": 0.3}, {"A": 28, "B": 12}),
        ({"A": None, "B": 0.7, "C": None}, {"A": 11, "B": 42, "C": 7}),
    ],
)
def test_an_epoch_draws_each_dataset_by_its_share(
    stores: dict[str, Store], shares: dict[str, float | None], drawn: dict[str, int]
) -> None:
    windows = mixed(stores, **shares)
    for epoch in range(3):
        names = Counter(windows[index].sentence for index in windows.order(1, epoch))
        assert names == drawn
    assert sum(drawn.values()) == len(windows)


def test_no_window_is_drawn_again_before_all_of_its_dataset_were(stores: dict[str, Store]) -> None:
    windows = mixed(stores, A=0.3, B=0.7)
    epochs = [windows.order(1, epoch) for epoch in range(7)]
    for drawn in range(1, len(epochs)):
        counts = np.bincount(np.concatenate(epochs[:drawn]), minlength=len(windows))
        for part in (counts[:30], counts[30:]):
            assert part.max() - part.min() <= 1


def test_the_order_of_a_mixture_is_mixed_and_differs_by_seed_and_epoch(stores: dict[str, Store]) -> None:
    windows = mixed(stores, A=0.5, B=0.5)
    orders = [windows.order(seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(order) for order in orders}) == 3
    for order in orders:
        assert 5 < np.count_nonzero(order[:20] >= 30) < 15  # neither dataset comes first
    np.testing.assert_array_equal(orders[1], mixed(stores, A=0.5, B=0.5).order(0, 1))


@pytest.mark.parametrize("stop", [1, 9, 17])
def test_a_mixture_goes_on_in_the_middle_of_an_epoch_on_any_number_of_processes(
    stores: dict[str, Store], stop: int
) -> None:
    windows = mixed(stores, A=0.3, B=0.7)
    whole = seen(WindowLoader(windows, batch_size=4, seed=1), 25)
    begun = WindowLoader(windows, batch_size=4, seed=1)
    assert seen(begun, stop) == whole[: 4 * stop]
    resumed = WindowLoader(windows, batch_size=4, seed=1)
    resumed.load_state_dict(begun.state_dict())
    assert seen(resumed, 25 - stop) == whole[4 * stop :]
    ranks = [WindowLoader(windows, batch_size=2, seed=1, rank=rank, world_size=2) for rank in range(2)]
    parts = [seen(loader, 25) for loader in ranks]
    assert whole == [window for start in range(0, 50, 2) for part in parts for window in part[start : start + 2]]


def test_a_dataset_in_another_representation_is_converted_to_the_first_ones(
    stores: dict[str, Store], tmp_path: Path
) -> None:
    tcp = represent(SPEC, "tcp_relative")
    both = {"A": stores["A"], "T": stored(tmp_path, "T", 10, tcp)}
    windows = mixed(both, A=None, T=None)
    assert windows.spec == SPEC
    assert any("action_frame 'tcp' becomes 'world'" in words for words in windows.conversions)
    expected = Windows(both["T"], window_size=1, chunk_size=1, target=SPEC).batch(range(10))
    np.testing.assert_array_equal(windows.batch(range(30, 40)).actions, expected.actions)


def test_a_dataset_with_other_images_is_refused_by_name(stores: dict[str, Store], tmp_path: Path) -> None:
    large = stored(tmp_path, "large", 10, SPEC.replace(cameras={"static": Camera(height=8, width=8)}))
    with pytest.raises(SpecMismatchError, match=r"large -> windows(.|\n)*cameras"):
        mixed({"A": stores["A"], "large": large}, A=None, large=None)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"A": 0.5, "B": 0.6}, "0.5, 0.6 do not add up"),
        ({"A": 0.5, "B": 0.4}, "0.5, 0.4 do not add up"),
        ({"A": None, "B": 1.0}, "open, 1 do not add up"),
        ({"A": 1.0 - 1e-4, "B": 1e-4}, "no window of it is drawn"),
    ],
)
def test_shares_that_make_no_whole_are_one_clear_error(
    stores: dict[str, Store], shares: dict[str, float | None], message: str
) -> None:
    with pytest.raises(VlasyncError, match=message):
        mixed(stores, **shares)


def test_a_source_is_a_folder_with_or_without_a_share(tmp_path: Path) -> None:
    assert Source.parse("data/a") == Source(data="data/a")
    assert Source.parse("data/a=0.25") == Source(data="data/a", share=0.25)
    (tmp_path / "lr=0.3").mkdir()
    assert Source.parse(str(tmp_path / "lr=0.3")) == Source(data=str(tmp_path / "lr=0.3"))
    for wrong in ("data/a=much", "data/a=0", "data/a=1.5", "data/a=nan"):
        with pytest.raises(VlasyncError, match="share"):
            Source.parse(wrong)
