"""Reports: complete, self-contained, escaped, and the same as the numbers they are made of."""

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from askpapers.domain import Answer
from askpapers.errors import GenerationFailed, StorageFailed, UsageError
from askpapers.evals import compare, run_suite, summarise
from askpapers.evals.cases import CaseRecord
from askpapers.evals.runs import Run
from askpapers.metrics.calibration import CoveragePoint, ReliabilityBin
from askpapers.metrics.registry import METRICS
from askpapers.metrics.statistics import Estimate
from askpapers.reports import write_diff, write_report
from askpapers.reports.figures import describe_limits, format_interval, format_number
from askpapers.reports.markdown import escape_markdown
from askpapers.reports.plots import (
    draw_difference,
    draw_interval,
    draw_reliability,
    draw_risk_coverage,
)
from eval_parts import (
    WordJudge,
    answer_soundly,
    make_abstention,
    make_records,
    make_suite,
    search_soundly,
)

HOSTILE = '<script>alert("x")</script><img src="http://evil.example/x">|`*[a](javascript:1)\x00\x1b'


class Page(HTMLParser):
    """Collects tags, attributes and text; checks that every element is closed in order."""

    VOID = frozenset({"meta", "input", "br", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"script", "style"}:
            self.text += data


def mixed(questions: Sequence[str]) -> list[Answer]:
    if "sketching" in questions[0]:
        raise GenerationFailed("The model stopped.")
    return [
        make_abstention(answer.question)
        if "group" in answer.question
        else replace(answer, text=answer.text + HOSTILE)
        for answer in answer_soundly(questions)
    ]


def make_run(tmp_path: Path, answer: object, records: list[CaseRecord] | None = None) -> Run:
    return run_suite(
        make_suite(records),
        run_dir=tmp_path,
        settings_manifest={"answer": getattr(answer, "__name__", ""), "note": HOSTILE},
        answer=answer,  # type: ignore[arg-type]
        search=search_soundly,
        judge=WordJudge(),  # type: ignore[arg-type]
        judge_card={"balanced accuracy": 0.9},
        fresh=True,
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs"), answer_soundly, _records())


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs"), mixed, _records())


def _records() -> list[CaseRecord]:
    hostile = {"id": "x1", "question": HOSTILE, "unanswerable": HOSTILE, "tags": [HOSTILE]}
    return [*make_records(), CaseRecord.model_validate(hostile)]


def test_html_fetches_nothing_and_escapes_everything(bad: Run) -> None:
    text = write_report(bad, format="html")
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    assert "link" not in page.tags
    assert not [one for one in page.attributes if one[0] in {"src", "href", "srcset", "action"}]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert ("http-equiv", "Content-Security-Policy") in page.attributes
    assert HOSTILE[:27] in page.text


def test_html_holds_every_case_and_measure(bad: Run) -> None:
    text = write_report(bad, format="html")
    page = Page(text)
    assert page.tags.count("details") == len(bad.cases) == 14
    for case in bad.cases:
        assert case.case_id in page.text
    for name, estimate in summarise(bad).metrics.items():
        assert name in page.text
        assert format_interval(estimate, METRICS[name].unit) in page.text
    for shown in ("The model stopped.", "abstains on an answerable question",
                  "balanced accuracy", bad.header.suite.digest, bad.digest,
                  "It is up to 63 times faster"):  # fmt: skip
        assert shown in page.text
    scores = [json.loads(value or "") for name, value in page.attributes if name == "data-scores"]
    assert len(scores) == 14
    assert sum("faithfulness" in one for one in scores) == 7


def test_html_is_the_same_for_the_same_run(bad: Run) -> None:
    assert write_report(bad, format="html") == write_report(bad, format="html")


def test_table_says_counts_and_what_failed(bad: Run) -> None:
    text = write_report(bad)
    assert "14 cases, 12 passed, 1 failed, 1 unscored" in text.splitlines()[0]
    line = next(line for line in text.splitlines() if line.startswith("answered_rate"))
    assert line.split()[:2] == ["answered_rate", "0.889"]
    assert "a7" in text
    assert "GenerationFailed" in text or "expected answered, got error" in text


def test_markdown_is_a_table_and_escapes(bad: Run, good: Run) -> None:
    text = write_report(bad, format="markdown")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "<script" not in write_diff(compare(good, bad), format="markdown")
    assert escape_markdown("a|b\n<i>&`x`") == "a\\|b \\<i\\>&amp;\\`x\\`"


def test_junit_is_xml_with_failures_and_errors(bad: Run) -> None:
    root = ElementTree.fromstring(write_report(bad, format="junit"))
    suite = root.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("14", "1", "1")
    assert len(suite.findall("testcase")) == 14
    assert len(suite.findall("testcase/failure")) == 1
    error = suite.find("testcase/error")
    assert error is not None
    assert "The model stopped." in str(error.get("message"))


def test_json_report_has_the_numbers(bad: Run) -> None:
    value = json.loads(write_report(bad, format="json"))
    assert value["digest"] == bad.digest
    assert value["metrics"]["answered_rate"]["n"] == 9
    assert value["metrics"]["answered_rate"]["unscored"] == 1


def test_diff_shows_flips_first(good: Run, bad: Run) -> None:
    compared = compare(good, bad)
    table = write_diff(compared)
    assert table.index("Flipped") < table.index("measure ")
    assert "a7  pass -> fail" in table
    page = Page(write_diff(compared, format="html"))
    assert page.text.index("Flipped cases") < page.text.index("Measures")
    assert page.tags.count("details") == 2 * len(compared.flips) == 4
    value = json.loads(write_diff(compared, format="json"))
    assert value["flips"]["a8"] == ["pass", "unscored"]
    assert value["settings"]["answer"] == ["answer_soundly", "mixed"]


def test_reports_are_written_to_files(good: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"
    assert write_report(good, format="html", out=out) == out.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="'pdf'"):
        write_report(good, format="pdf")
    with pytest.raises(UsageError, match="'junit'"):
        write_diff(compare(good, good), format="junit")
    with pytest.raises(StorageFailed):
        write_report(good, out=out / "below-a-file")


def test_a_number_says_what_it_rests_on() -> None:
    share = METRICS["faithfulness"]
    assert describe_limits(share, Estimate(1.0, 1.0, 1.0, 100, 0, 100)).endswith("0.97")
    assert describe_limits(share, Estimate(0.0, 0.0, 0.0, 100, 0, 100)).endswith("0.03")
    assert describe_limits(share, Estimate(0.5, 0.2, 0.8, 12, 0, 10)) == "only 10 cases"
    assert describe_limits(share, Estimate(0.5, 0.4, 0.6, 100, 0, 100)) == ""
    assert format_number(None, "share") == "–"
    assert format_interval(Estimate(None, None, None, 0), "share") == "–"


def test_plots_place_values_where_they_belong() -> None:
    plot = draw_interval(Estimate(0.5, 0.25, 1.0, 9), 0.75)
    assert 'cx="90.0"' in plot
    assert 'x1="48.0" x2="174.0"' in plot
    assert 'x1="132.0" x2="132.0"' in plot
    assert draw_interval(Estimate(None, None, None, 0)) == ""
    assert 'cx="132.0"' in draw_difference(Estimate(0.1, 0.0, 0.2, 9), 0.2)
    assert draw_risk_coverage([]) == ""
    assert draw_reliability([]) == ""
    curve = draw_risk_coverage([CoveragePoint(0.5, 0.0, 0.9), CoveragePoint(1.0, 1.0, 0.1)])
    assert 'points="197.0,238.0 348.0,14.0"' in curve
    dots = draw_reliability(
        [ReliabilityBin(0.0, 0.1, 4, 0.0, 0.0), ReliabilityBin(0.9, 1, 1, 1, 1)]
    )
    assert 'cx="46.0" cy="238.0" r="10.0"' in dots
    assert 'cx="348.0" cy="14.0" r="6.5"' in dots
