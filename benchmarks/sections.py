"""The part of a page in `docs/` that a benchmark writes, between `<!-- name -->` and `<!-- end of name -->`."""

from __future__ import annotations

from pathlib import Path

from vlasync.files import write_text


def write_section(page: Path, name: str, text: str) -> None:
    """Put `text` in the place of what the section `name` of a page has said.

    Raises:
        ValueError: the page has no such section, or more than one.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    old = page.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.find(end) < old.find(begin):
        raise ValueError(f"{page}: expected {begin} once, and {end} after it")
    before, rest = old.split(begin)
    write_text(page, f"{before}{begin}\n{text.strip()}\n{end}{rest.split(end)[1]}")
