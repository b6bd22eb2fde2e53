"""The guide to VLMs says what the code says."""

import re
from pathlib import Path

from vlasync.models.quirks import QUIRKS, Quirk
from vlasync.testing.families import FAMILIES
from vlasync.testing.vlm import CLAUSES

GUIDE = (Path(__file__).parents[2] / "docs" / "vlm.md").read_text(encoding="utf-8")


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE)


def test_every_clause_is_explained():
    section = GUIDE[GUIDE.index("## The contract") : GUIDE.index("## When a clause fails")]
    assert first_column(section) == list(CLAUSES)


def test_every_family_has_its_row_with_its_quirk():
    table = GUIDE.split("<!-- families -->")[1].split("<!-- end of families -->")[0]
    assert first_column(table) == sorted(FAMILIES)
    rows = {line.split("`")[1]: line for line in table.splitlines() if line.startswith("| `")}
    assert [name for name, quirk in QUIRKS.items() if quirk.note not in rows[name]] == []
    assert "fails" not in table


def test_the_example_of_a_quirk_is_the_one_in_the_table():
    (line,) = re.findall(r'^"paligemma": (.*),$', GUIDE, flags=re.MULTILINE)
    assert eval(line, {"Quirk": Quirk}) == QUIRKS["paligemma"]
