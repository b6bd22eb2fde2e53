import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from rich.console import Console

from vlasync.evaluation.plots import curve_svg, loss_svg, tasks_svg, terms_svg
from vlasync.evaluation.report import interval, percent, print_summary, spec_rows, write_report
from vlasync.evaluation.results import EvaluationResults
from vlasync.figures import CSS_VARIABLES
from vlasync.spec import SyncSpec

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What a test asks of a page: addresses it refers to, ids, its text, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [values[name] for name in ("src", "href", "xlink:href", "poster") if values.get(name)]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def figures(results):
    return {
        "tasks": tasks_svg(results),
        "curve": curve_svg(results.curve),
        "loss": loss_svg(results.training_log),
        "terms": terms_svg(results.training_log),
    }


@pytest.fixture(scope="module")
def html(results, recordings, tmp_path_factory):
    return write_report(results, recordings, tmp_path_factory.mktemp("run")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_is_well_formed_and_stands_alone(page):
    assert page.open == []
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_asks_the_network_for_nothing(html):
    addresses = set(re.findall(r"https?://[^\"'\s)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in html


def test_the_page_says_what_the_results_say(page, results):
    for words in ("99.4 %", "19 of 20", "76 to 99 %", "push blue block right", "0 problems in 33,000 frames"):
        assert words in page.text
    for field in dataclasses.fields(SyncSpec):
        assert field.name in page.text
    for stage in results.stage_minutes:
        assert stage in page.text
    assert results.command in page.text


def test_each_recording_is_a_video_under_its_outcome(page, recordings):
    assert sum(address.startswith("data:video/mp4") for address in page.addresses) == len(recordings)
    failed, solved = page.text.index("Failures"), page.text.index("Successes")
    for recording in recordings:
        place = page.text.index(recording.instruction)
        assert (place > solved) == recording.success
        assert place > failed


def test_results_lie_beside_the_page(results, tmp_path):
    path = write_report(results, [], tmp_path / "run")
    assert EvaluationResults.load(path.with_name("results.json")) == results
    assert sorted(file.name for file in path.parent.iterdir()) == ["report.html", "results.json"]


def test_problems_of_the_audit_are_shown_and_escaped(results, tmp_path):
    problem = {"code": "action-lag", "where": "training/0-9", "confidence": 0.99, "message": "late by <b>1</b>"}
    problem |= {"advice": "shift the actions"}
    broken = dataclasses.replace(results, audit={"problems": [problem], "frames": 10})
    html = write_report(broken, [], tmp_path).read_text(encoding="utf-8")
    assert "late by &lt;b&gt;1&lt;/b&gt;" in html
    assert "1 problem in 10 frames" in Page(html).text
    assert "shift the actions" in Page(html).text


def test_what_the_audit_measured_is_shown(page):
    for words in ("episodes", "600", "action_residual_rms_by_lag", "0: 0; 1: 0.05364"):
        assert words in page.text


def test_a_run_without_baselines_curve_log_and_audit_still_has_a_page(results, tmp_path):
    bare = dataclasses.replace(
        results,
        untrained=(),
        swapped_instruction=(),
        curve=(),
        training_log=(),
        trainable=(),
        stage_minutes={},
        audit={},
    )
    page = Page(write_report(bare, [], tmp_path).read_text(encoding="utf-8"))
    assert "Untrained" not in page.text
    assert "Rollouts" not in page.text
    assert "were not audited" in page.text


def test_figures_are_drawn_in_the_colours_of_the_page(results):
    for name, svg in figures(results).items():
        root = ElementTree.fromstring(svg)
        assert root.get("viewBox")
        assert root.get("width") is None
        assert re.findall(r"#[0-9a-f]{6}\b", svg) == [], name
        assert set(re.findall(r"var\((--\w+)\)", svg)) <= set(CSS_VARIABLES.values())


def test_a_long_log_does_not_make_a_heavy_figure(results):
    row = results.training_log[0]
    log = [dataclasses.replace(row, step=step, minutes=step / 1000, loss=1 + step) for step in range(20_000)]
    assert len(loss_svg(log)) < 60_000


def test_every_field_of_the_spec_has_a_readable_value_and_a_meaning():
    rows = {name: (value, meaning) for name, value, meaning in spec_rows(SyncSpec.CALVIN)}
    assert list(rows) == [field.name for field in dataclasses.fields(SyncSpec)]
    assert all(value and meaning for value, meaning in rows.values())
    assert "static: 200 x 200 rgb" in rows["cameras"][0]
    assert rows["position_scale_m"][0] == "0.02"


def test_a_normalization_shows_bounds_of_scaled_dimensions_only(results):
    value = next(value for name, value, _ in spec_rows(results.spec) if name == "normalization")
    assert "quantile over 33,000 frames" in value
    assert value.count("..") == 4
    assert "dimensions 3, 4, 6 untouched" in value


def test_the_terminal_table_has_each_task_and_the_means(results):
    console = Console(width=100)
    with console.capture() as capture:
        print_summary(results, console)
    printed = capture.get()
    for words in ("push blue block right", "19 of 20", "76 to 99 %", "mean over tasks", "99.4 %", "1.2 %"):
        assert words in printed


@pytest.mark.parametrize(("share", "text"), [(0, "0 %"), (1, "100 %"), (0.9375, "93.8 %"), (None, "\N{EN DASH}")])
def test_shares_are_written_without_needless_digits(share, text):
    assert percent(share) == text


def test_intervals_are_written_in_whole_percents():
    assert interval((0.7639, 0.991)) == "76 to 99 %"
