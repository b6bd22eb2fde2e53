"""`vlasync bench` on a folder with a VLA."""

import io
import json

from rich.console import Console

from vlasync.models.compute import Compute
from vlasync.models.folder import save_vla
from vlasync.speed.bench_command import BenchOptions, run_bench


def test_json_holds_what_was_measured(vla, tmp_path):
    save_vla(vla, tmp_path / "run")
    out = io.StringIO()
    options = BenchOptions(steps=3, batch=1, precision="fp32", json=True, compute=Compute(attention="sdpa"))
    assert run_bench(tmp_path / "run", options, Console(file=out)) == 0
    speed = json.loads(out.getvalue())
    assert (speed["precision"], speed["compute"]["attention"]) == ("fp32", "sdpa")
    assert speed["acting"]["steps"] == speed["learning"]["windows"] + 2 == 3
    assert speed["learning"]["mfu"] > 0
