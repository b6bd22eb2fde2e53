"""The audit's page stands alone, shows what shows a problem, and trusts no text of a dataset."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up import CLEAN

from vlasync.checks.audit import audit
from vlasync.checks.findings import Curves, Evidence, Pictures, Problem
from vlasync.checks.report.audit_report import AuditReport, readable
from vlasync.checks.report.page import write_page

LINES = Curves(
    title="residual by lag", x_label="lag (frames)", y_label="residual", x=[-1, 0, 1], series={"a": [3, 2, 1]}
)
BARS = Curves(title="by convention", x_label="", y_label="residual", x=["world & base", "tcp"], series={"a": [3, 2]})
PICTURES = Pictures(
    title="two frames", images={"first": np.zeros((300, 200, 3), np.uint8), "second": np.ones((2, 2, 3), np.uint8)}
)


def problem(evidence: Evidence | None, **changes: str) -> Problem:
    texts = {"code": "action-lag", "where": "episode 3", "message": "late", "advice": "shift"} | changes
    return Problem(count=1, confidence=0.9, evidence=evidence, **texts)


class Page(HTMLParser):
    """Tags, addresses, ids and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.ids, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def written(tmp_path):
    def write(report):
        write_page(report, tmp_path / "audit.html")
        return Page((tmp_path / "audit.html").read_text())

    return write


def test_evidence_is_drawn_and_the_page_stands_alone(written):
    found = tuple(problem(evidence) for evidence in (LINES, BARS, PICTURES, None))
    page = written(replace(audit(CLEAN), problems=found))
    assert page.tags.count("svg") == 3  # two curves and the lengths of the episodes
    assert page.tags.count("img") == 2
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    assert "4 problems" in page.text
    assert "residual by lag" in page.text
    assert "world & base" in page.text


def test_what_was_looked_at_is_told_where_nothing_is_wrong(written):
    page = written(audit(CLEAN))
    assert "Everything checked is in step" in page.text
    assert "480 frames of 12 episodes" in page.text
    assert "24 of 1 tasks" in page.text
    assert "camera static" in page.text


def test_a_dataset_that_cannot_be_opened_still_has_a_page(written, tmp_path):
    page = written(audit(tmp_path / "nothing"))
    assert "One problem" in page.text


def test_text_of_a_dataset_is_never_markup(written):
    bad = "<script>alert(1)</script>"
    episodes = [replace(episode, name=bad, language=(replace(episode.language[0], task=bad),)) for episode in CLEAN]
    curves = replace(LINES, title=bad, series={bad: [1, 2, 3], "other": [1, 2, 3]})
    report = replace(audit(episodes), problems=(problem(curves, where=bad, message=bad, advice=bad),))
    page = written(report)
    assert "script" not in page.tags
    assert page.text.count(bad) >= 5


def test_a_report_without_anything_is_a_page(written):
    assert written(AuditReport(problems=(), parts=())).tags


def test_what_stands_within_another_value_is_bracketed():
    assert readable({"lag": 0, "at": [0.12345, None]}) == "lag: 0, at: (0.123, not told)"
    assert readable({"static": {"episodes": 2, "not": ["a", "b"]}, "gripper": 1}) == (
        "static: (episodes: 2, not: (a, b)), gripper: 1"
    )
