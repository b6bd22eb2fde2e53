"""HTML pages that stand alone: one look (`page.css`), everything inside one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, filters: Mapping[str, Callable[..., str]], **values: Any) -> str:
    """The page that a template of this package makes of some values, which are escaped.

    Args:
        template: path below `vlasync`, e.g. `evaluation/report.html`; it includes `page.css`.
        filters: functions that the template calls by these names.
        values: what the template shows.
    """
    environment = Environment(
        loader=PackageLoader("vlasync", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= filters
    return environment.get_template(template).render(**values)
