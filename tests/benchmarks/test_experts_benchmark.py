"""The benchmark of the experts, on two starts that they solve and one task that nobody can solve in a step."""

import pytest

import experts as benchmark


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Runs in this process; the page that is written."""
    page = tmp_path / "scenes.md"
    page.write_text(benchmark.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(benchmark, "PAGE", page)
    monkeypatch.setattr(benchmark, "results_of", lambda function, jobs, *, workers: map(function, jobs))
    return page


def test_the_table_counts_starts_per_task_and_scene(here):
    tasks = ("turn_on_led", "open_drawer")
    benchmark.main(benchmark.Experts(starts=2, scenes="A,D", tasks=tasks, write=True))
    text = here.read_text(encoding="utf-8")
    assert "| turn on led | 2 | 2 | 100 % | 51 to 100 % |" in text
    assert "| all tasks | 100 % | 100 % | 100 % | 68 to 100 % |" in text
    assert "Below 90 % over all scenes: none." in text


def test_a_task_below_its_mark_is_named(here, monkeypatch):
    monkeypatch.setattr(benchmark, "MAX_STEPS", 1)
    config = benchmark.Experts(starts=1, scenes="D", tasks=("open_drawer",))
    text = benchmark.table([benchmark.solve(1, ("D", "open_drawer"))], config)
    assert "Below 90 % over all scenes: open drawer." in text
    assert "| open drawer | 0 | 0 % | 0 to 79 % | - |" in text
