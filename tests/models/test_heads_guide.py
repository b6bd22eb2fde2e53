"""The guide's own head keeps the contract, and a package's entry point makes it known by name."""

import re
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import get_args

import pytest

from vlasync.models.heads import kinds
from vlasync.models.heads.kinds import HEADS, head_config
from vlasync.models.history import History
from vlasync.models.sequence import Readout

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "heads.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def names():
    """What the guide's Python defines: the head, then its test."""
    defined: dict = {"__name__": "guide"}
    for example in re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL):
        exec(compile(example, "heads.md", "exec", dont_inherit=True), defined)
    return defined


def test_the_guides_head_keeps_the_contract(names):
    for clause in names["HEAD_CLAUSES"].values():
        names["test_gru_head"](clause)


def test_an_entry_point_is_found_by_name(names, monkeypatch):
    (name, target) = re.search(r'^(\w+) = "([\w.]+:\w+)"', GUIDE, flags=re.MULTILINE).groups()
    entry = EntryPoint(name=name, value=target, group=kinds.ENTRY_POINTS)
    monkeypatch.setattr(EntryPoint, "load", lambda self: names[self.attr])
    monkeypatch.setattr(kinds, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    assert head_config(name, hidden=7) == names["GRUHeadConfig"](hidden=7)


def test_the_guide_names_every_head():
    first_table = GUIDE[: GUIDE.index("## ")]
    assert set(re.findall(r"^\| `(\w+)` \| [a-z]", first_table, flags=re.MULTILINE)) == set(HEADS)


def test_the_guide_names_every_history_and_readout():
    section = GUIDE[GUIDE.index("## Histories") : GUIDE.index("## What they make of")]
    assert re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE) == list(get_args(History))
    assert all(f"`{name}`" in section or f'"{name}"' in section for name in get_args(Readout))
