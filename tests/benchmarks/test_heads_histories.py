"""The benchmark of heads and histories from end to end, with next to no training."""

import pytest

import heads_histories as benchmark

BEGIN, END = f"<!-- {benchmark.SECTION} -->", f"<!-- end of {benchmark.SECTION} -->"


def test_a_combination_is_trained_driven_and_written_down_once(data, tasks, tmp_path, monkeypatch):
    page = tmp_path / "heads.md"
    page.write_text(f"before\n{BEGIN}\nan old table\n{END}\nafter\n")
    monkeypatch.setattr(benchmark, "PAGE", page)
    monkeypatch.setattr(benchmark, "DEMO_TASKS", tasks)
    asked = {"data": data, "out": tmp_path / "out", "steps": 2, "trials": 1, "only": ("fc/one_step",), "write": True}
    benchmark.main(**asked)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "an old table" not in text
    assert (
        "| `fc` | `one_step` | 0." in text and "in 2 steps (0 k frames) with 1 unseen starts for each of its 2" in text
    )

    monkeypatch.setattr(benchmark, "train", lambda *_: pytest.fail("trained again"))
    benchmark.main(**asked)
    assert page.read_text() == text


def test_every_combination_is_a_recipe_of_its_own():
    configs = [benchmark.recipe(*combination, steps=900) for combination in benchmark.COMBINATIONS.values()]
    assert len({repr(config) for config in configs}) == len(configs)
    assert {config.vla.head.kind for config in configs} == set(benchmark.HEADS)
    assert all(name == f"{head}/{history}" for name, (head, history) in benchmark.COMBINATIONS.items())


def test_an_unknown_combination_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"fc/policy_head: there are fc/one_step"):
        benchmark.main(out=tmp_path, only=("fc/policy_head",))


def test_the_page_has_a_place_for_the_table():
    text = benchmark.PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == 1
    assert text.index(BEGIN) < text.index(END)
