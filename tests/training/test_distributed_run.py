"""Two processes train one run: one makes its files, both share gradients."""

import os
from dataclasses import replace
from pathlib import Path

from together import together

from vlasync.runs import checkpoint_folders, read_metrics
from vlasync.training import run as training_run
from vlasync.training.run import RunConfig, train


def train_noted(recipe: RunConfig, store: Path, run: Path) -> None:
    """Train, and note in a file of its own that this process built the VLM."""
    build = training_run.build_tiny_vlm

    def noted_build(*arguments, **settings):
        (run / f"built-by-{os.environ['RANK']}").touch()
        return build(*arguments, **settings)

    training_run.build_tiny_vlm = noted_build
    train(recipe, store, run)


def test_one_process_makes_the_files_of_a_run_and_all_train_it(store: Path, recipe: RunConfig, tmp_path: Path):
    run, short = tmp_path / "run", replace(recipe, training=replace(recipe.training, steps=4))
    together(2, train_noted, short, store, run)
    assert [path.name for path in run.glob("built-by-*")] == ["built-by-0"]
    assert [line.step for line in read_metrics(run / "metrics.jsonl")] == [1, 2, 3, 4]
    assert checkpoint_folders(run)[-1].name == "0000004"
    assert not list(run.rglob(".*.tmp"))
