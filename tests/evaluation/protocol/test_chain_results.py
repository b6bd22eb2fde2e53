"""Figures of chains: what they are made of, their intervals, and how they are shown."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from vlasync.errors import CheckpointError
from vlasync.evaluation.protocol.outcomes import ChainOutcome
from vlasync.evaluation.protocol.report import print_chains, write_page
from vlasync.evaluation.protocol.results import ChainResults

TASKS = ("open_drawer", "turn_on_led", "push_red_block_left", "lift_red_block_table", "place_in_drawer")


def outcome(index: int, solved: int) -> ChainOutcome:
    begun = min(solved + 1, 5)
    sentences = tuple(f"please <{task}>" for task in TASKS)
    return ChainOutcome(index=index, tasks=TASKS, instructions=sentences, solved=solved, steps=(30,) * begun)


def made_up(lengths: list[int], driver: str = "trained") -> ChainResults:
    return ChainResults(
        outcomes=tuple(outcome(index, length) for index, length in enumerate(lengths)),
        driver=driver,
        checkpoint="000100",
        scene="D",
        execution="first",
        max_steps=360,
        command="vlasync evaluate runs/x --protocol calvin",
    )


def test_figures_follow_from_the_lengths():
    results = made_up([0, 1, 5, 5, 3])
    assert results.average_length == pytest.approx(14 / 5)
    assert [result.successes for result in results.success_at] == [4, 3, 3, 2, 2]
    assert sum(result.rate for result in results.success_at) == pytest.approx(results.average_length)
    by_task = {result.task: (result.successes, result.trials) for result in results.tasks}
    assert by_task == {
        "open_drawer": (4, 5),
        "turn_on_led": (3, 4),
        "push_red_block_left": (3, 3),
        "lift_red_block_table": (2, 3),
        "place_in_drawer": (2, 2),
    }


def test_the_interval_is_the_bootstrap_over_chains():
    rng = np.random.default_rng(5)
    lengths = rng.choice(6, size=150, p=[0.1, 0.1, 0.2, 0.2, 0.1, 0.3])
    low, high = made_up(lengths.tolist()).average_length_interval
    resampled = rng.choice(lengths, size=(10_000, len(lengths))).mean(axis=1)
    np.testing.assert_allclose([low, high], np.percentile(resampled, [2.5, 97.5]), atol=0.02)
    assert low < lengths.mean() < high


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, share = np.random.default_rng(1), [0.2, 0.1, 0.1, 0.2, 0.2, 0.2]
    truth = float(np.arange(6) @ share)
    intervals = [made_up(rng.choice(6, size=100, p=share).tolist()).average_length_interval for _ in range(50)]
    assert 43 <= sum(low <= truth <= high for low, high in intervals) <= 50


def test_results_come_back_from_their_file(tmp_path: Path):
    results = made_up([0, 2, 5])
    results.save(tmp_path / "results.json")
    assert ChainResults.load(tmp_path / "results.json") == results
    summary = json.loads((tmp_path / "results.json").read_text())["summary"]
    assert summary["average_length"] == pytest.approx(7 / 3)
    assert summary["success_at"][0]["successes"] == 2


@pytest.mark.parametrize(
    "damage", ["{", "{}", "[]", '{"summary": {}, "outcomes": []}', '{"summary": 1, "outcomes": [3]}']
)
def test_anything_else_is_refused_by_name(damage, tmp_path: Path):
    path = tmp_path / "results.json"
    path.write_text(damage)
    with pytest.raises(CheckpointError, match=r"results\.json: not the results of chains"):
        ChainResults.load(path)


def test_no_chain_counts_twice():
    with pytest.raises(ValueError, match="each chain once and in order"):
        ChainResults(**{**vars(made_up([1, 2])), "outcomes": (outcome(0, 1), outcome(0, 1))})


def test_table_and_page_say_the_same(tmp_path: Path):
    trained, swapped = made_up([5, 5, 4, 3]), made_up([0, 0, 1, 0], driver="swapped")
    text = io.StringIO()
    print_chains(trained, Console(width=100, file=text))
    assert "4 chains of 5 tasks: trained 000100 in scene D" in text.getvalue()
    assert "4.250" in text.getvalue()
    write_page(tmp_path / "chains.html", swapped, [trained], {"Chain 0: 5 of 5": b"video"})
    page = (tmp_path / "chains.html").read_text()
    for expected in (
        "Average length 4.25",
        "swapped 000100 in scene D",
        "push red block left",
        "Swapped 000100 in scene D of the play table, at a third of real speed",
        "data:video/mp4;base64",
    ):
        assert expected in page
    assert page.count("<td>at least") == 5
    assert page.index("trained 000100") < page.index("swapped 000100")
    assert page.index("<td>push red block left") < page.index("<td>open drawer")  # as CALVIN counts them
