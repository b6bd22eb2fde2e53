"""The benchmark of wordings on a run of two steps, and what it calls misread."""

from dataclasses import replace

import wordings as benchmark
from vlasync.envs.playtable.instructions import HELD_OUT
from vlasync.recipes.demo import demo
from vlasync.training.run import train

BEGIN, END = "<!-- wordings -->", "<!-- end of wordings -->"


def test_a_run_is_measured_under_all_held_out_wordings_and_written_down(data, tasks, tmp_path, monkeypatch):
    config, run, page = demo(), tmp_path / "tried", tmp_path / "calvin.md"
    small = replace(config.training, steps=2, batch_size=2, milestones=())
    train(replace(config, training=small), data, run)
    page.write_text(f"before\n{BEGIN}\nan old table\n{END}\nafter\n")
    kept = []
    monkeypatch.setattr(benchmark, "PAGE", page)
    monkeypatch.setattr(benchmark, "keep", lambda *words: kept.append(words))
    benchmark.main((run,), data=(data,), windows=20, write=True)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "an old table" not in text
    assert "| tried | 0." in text and f" of {sum(len(HELD_OUT[task]) for task in tasks)} |" in text
    assert kept[0][1].startswith("misread of 8 held-out wordings: tried ")


def test_a_wording_is_misread_that_raises_its_own_tasks_loss_by_half():
    losses = {("open", "pull"): 0.16, ("open", "draw"): 0.14, ("close", "shut"): 0.4, ("close", "push"): 0.25}
    row = benchmark.Understanding(run="a", own={"open": 0.1, "close": 0.2}, held_out=losses)
    assert [wording for _, wording in row.misread()] == ["shut", "pull"]
    assert row.cells() == ("a", "0.1500", "0.2375", "2 of 4", "'shut', 2.0 times")
