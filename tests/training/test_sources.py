"""A run learns from one dataset or several, and goes on with the very ones that it began with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlasync.data.mixture import Source
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows, split_episodes
from vlasync.errors import CheckpointError, VlasyncError
from vlasync.runs import read_metrics
from vlasync.training.run import RunConfig, open_windows, train


@pytest.fixture(scope="module")
def other(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven episodes with other states, of images that are coded."""
    folder = tmp_path_factory.mktemp("data") / "other"
    episodes = Store.open(store)[:7]
    create_store(folder, episodes[0].spec, "lossless")
    write_shard(folder, "0", [replace(episode, state=episode.state + 1) for episode in episodes])
    return folder


def test_one_dataset_is_split_and_drawn_as_before(store: Path, recipe: RunConfig, tmp_path: Path) -> None:
    training, validation = open_windows(recipe, store, tmp_path)
    kept, held_out = split_episodes(12, every=recipe.validation_every)
    before = [Windows(Store.open(store), window_size=4, chunk_size=3, selection=part) for part in (kept, held_out)]
    assert validation is not None
    for found, expected in zip((training, validation), before, strict=True):
        assert len(found) == len(expected)
        np.testing.assert_array_equal(found.order(5, 2), expected.order(5, 2))
        np.testing.assert_array_equal(found.batch([3, 0]).actions, expected.batch([3, 0]).actions)
        np.testing.assert_array_equal(found.labelled_actions(), expected.labelled_actions())


def test_every_dataset_keeps_episodes_of_its_own_for_validation(
    store: Path, other: Path, recipe: RunConfig, tmp_path: Path
) -> None:
    sources = [Source(data=str(store)), Source(data=str(other), share=0.5)]
    training, validation = open_windows(recipe, sources, tmp_path)
    assert validation is not None
    frames = [
        {tuple(row) for batch in [windows.batch(range(len(windows)))] for row in batch.state.flatten(0, 1).tolist()}
        for windows in (training, validation)
    ]
    assert not frames[0] & frames[1]
    assert [part.windows for part in validation.contributions] == [2 * 9, 1 * 9]


def test_a_run_records_its_datasets_and_goes_on_with_no_others(
    store: Path, other: Path, recipe: RunConfig, tmp_path: Path
) -> None:
    short = replace(recipe, training=replace(recipe.training, steps=6, validate_every=6, checkpoint_every=3))
    sources = [Source(data=str(store)), Source(data=str(other), share=0.25)]
    train(short, sources, tmp_path / "whole")
    record = json.loads((tmp_path / "whole" / "data.json").read_text())
    assert [(part["data"], part["share"]) for part in record["datasets"]] == [(str(store), 0.75), (str(other), 0.25)]

    # Stopped after the first checkpoint, and begun again with one dataset less, then with all of them.
    train(short, sources, tmp_path / "again")
    for checkpoint in sorted((tmp_path / "again" / "checkpoints").iterdir())[1:]:
        checkpoint.rename(tmp_path / checkpoint.name)
    with pytest.raises(CheckpointError, match="begun with"):
        train(short, store, tmp_path / "again")
    train(short, sources, tmp_path / "again")
    losses = [[line.loss for line in read_metrics(tmp_path / run / "metrics.jsonl")] for run in ("whole", "again")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("times", "message"), [(0, "give --data"), (2, "given twice")])
def test_no_dataset_or_one_twice_is_refused(
    store: Path, recipe: RunConfig, tmp_path: Path, times: int, message: str
) -> None:
    with pytest.raises(VlasyncError, match=message):
        open_windows(recipe, [Source(data=str(store))] * times, tmp_path)
