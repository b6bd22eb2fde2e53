"""A few of the kills of `benchmarks/kill_resume.py`."""

from pathlib import Path

import pytest

from kill_resume import KillResume, kinds, survives


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4), ids=["full fp32", "lora bf16", "flow bf16", "conversion"])
def test_what_is_killed_comes_out_as_if_undisturbed(shared_data: Path, tmp_path: Path, number: int):
    config = KillResume(data=shared_data / "calvin_sample" / "validation", kills=2, steps=12)
    kind = kinds(config)[number]
    assert survives(kind, tmp_path, config) == 0
