"""How often a judge errs, as table, Markdown, HTML or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from html import escape

from askpapers.evals.judging import JudgeReport, Separation, SetFigures
from askpapers.metrics.statistics import Estimate
from askpapers.reports.figures import format_interval, format_number
from askpapers.reports.html import write_page
from askpapers.reports.plots import draw_interval, draw_reliability
from askpapers.reports.table import lay_out

_TRAINED = (
    "The shipped judge was trained on the train parts of scifact, expertqa, wice and summedits: "
    "on those parts these figures flatter it. Its model card has figures that were cross-fitted. "
    "healthver and the corruption suite were never trained on. F1: finding the unsupported."
)
_HEAD = ["set", "kind", "n", "supported", "score", "AUROC", "95%", "BAcc", "95%", "F1", "ECE"]


def _separation_cells(separation: Separation) -> list[str]:
    cells = []
    for estimate in (separation.auroc, separation.balanced_accuracy):
        cells += [format_number(estimate.value, "share"), format_interval(estimate, "share")]
    return cells


def _rows(report: JudgeReport) -> list[list[str]]:
    rows = []
    for one in report.sets:
        ends = [format_number(one.f1_unsupported.value, "share"), format_number(one.ece, "share")]
        begins = [one.name, "", str(one.n), str(one.supported), report.judge]
        rows.append([*begins, *_separation_cells(one.judge), *ends])
        for name, made in one.baselines.items():
            rows.append(["", "", "", "", name, *_separation_cells(made), "", ""])
        for kind, made in one.kinds.items():
            begins = ["", kind, str(made.auroc.n), "", report.judge]
            rows.append([*begins, *_separation_cells(made), "", ""])
    return rows


def _facts(report: JudgeReport) -> str:
    part = f", at most {report.limit} pairs a set" if report.limit else ""
    missing = f" Not found: {', '.join(report.missing)}." if report.missing else ""
    return (
        f"Judge {report.judge}: {report.pairs} pairs{part}, {report.seconds:.0f} s, "
        f"seed {report.seed}.{missing}"
    )


def _confusion_lines(one: SetFigures) -> list[list[str]]:
    confusion = one.confusion
    return [
        [one.name, "said supported", "said not supported"],
        ["supported", str(confusion.true_positive), str(confusion.false_negative)],
        ["unsupported", str(confusion.false_positive), str(confusion.true_negative)],
    ]


def write_judge_table(report: JudgeReport) -> str:
    """Plain text for a terminal."""
    lines = [_facts(report), "", *lay_out([_HEAD, *_rows(report)], right=(2, 3, 5, 7, 9, 10)), ""]
    for one in report.sets:
        lines += [*lay_out(_confusion_lines(one), right=(1, 2)), ""]
    return "\n".join([*lines, _TRAINED]) + "\n"


def write_judge_markdown(report: JudgeReport) -> str:
    """For a model card or a pull request."""
    lines = [_facts(report), "", "| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in _rows(report)]
    lines += ["", "| set | true: said supported | true: said not | false: said supported "
              "| false: said not |", "|---|---:|---:|---:|---:|"]  # fmt: skip
    for one in report.sets:
        made = one.confusion
        lines.append(
            f"| {one.name} | {made.true_positive} | {made.false_negative} "
            f"| {made.false_positive} | {made.true_negative} |"
        )
    return "\n".join([*lines, "", _TRAINED]) + "\n"


def _write_estimate(estimate: Estimate) -> str:
    return (
        f'<td class="number">{format_number(estimate.value, "share")}</td>'
        f"<td>{draw_interval(estimate)}</td>"
    )


def _write_set(one: SetFigures, judge: str) -> str:
    lines = [
        (judge, one.judge, False),
        *((name, made, False) for name, made in one.baselines.items()),
    ]
    lines += [(f"{judge} on {kind}", made, True) for kind, made in one.kinds.items()]
    rows = "".join(
        f'<tr><td class="{"soft" if quiet else ""}">{escape(name)}</td>'
        f"<td class='number'>{made.auroc.n}</td>{_write_estimate(made.auroc)}"
        f"{_write_estimate(made.balanced_accuracy)}</tr>"
        for name, made, quiet in lines
    )
    confusion = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _confusion_lines(one)
    )
    return (
        f"<h2>{escape(one.name)}</h2><p class='soft small'>{one.n} pairs in {one.clusters} "
        f"clusters, {one.supported} supported; F1 of unsupported "
        f"{format_number(one.f1_unsupported.value, 'share')} "
        f"({format_interval(one.f1_unsupported, 'share')}), ECE {format_number(one.ece, 'share')}, "
        f"Brier {format_number(one.brier, 'share')}</p><div class='plots'><div class='wide'>"
        "<table><thead><tr><th>score</th><th class='number'>n</th><th class='number'>AUROC</th>"
        "<th></th><th class='number'>balanced accuracy</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table><h3>Confusion</h3><table>{confusion}</table></div>"
        f"<figure>{draw_reliability(one.reliability)}<figcaption>stated support against the share "
        "that people call supported</figcaption></figure></div>"
    )


def write_judge_html(report: JudgeReport) -> str:
    """One file that needs no network."""
    return write_page(
        f"judge {report.judge}",
        [
            f"<h1>How often the judge errs: {escape(report.judge)}</h1><p>{escape(_facts(report))}"
            f"</p><p class='soft'>{escape(_TRAINED)}</p>",
            *(_write_set(one, report.judge) for one in report.sets),
        ],
        script="",
    )


def write_judge_json(report: JudgeReport) -> str:
    """All figures."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n"


JUDGE_FORMATS: Mapping[str, Callable[[JudgeReport], str]] = {
    "table": write_judge_table,
    "html": write_judge_html,
    "markdown": write_judge_markdown,
    "json": write_judge_json,
}
"""Format -> writer."""
