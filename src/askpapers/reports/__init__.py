"""Reports of runs, comparisons and judges: terminal table, HTML, Markdown, JUnit XML, JSON.

table      plain text for a terminal      html       one self-contained page
markdown   for pull requests              junit      for build servers
cases      one case as HTML               plots      inline SVG
figures    how numbers are written        style      the page's looks and its filter script
judges     how often a judge errs
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from askpapers.errors import StorageFailed, UsageError
from askpapers.evals.comparing import Comparison
from askpapers.evals.judging import JudgeReport
from askpapers.evals.runs import Run
from askpapers.evals.summary import Summary, summarise
from askpapers.reports.html import write_diff_html, write_run_html
from askpapers.reports.judges import JUDGE_FORMATS
from askpapers.reports.junit import write_junit
from askpapers.reports.markdown import write_diff_markdown, write_run_markdown
from askpapers.reports.table import write_diff_table, write_run_table

__all__ = ["write_diff", "write_judge_report", "write_report"]


def _write_run_json(run: Run, summary: Summary) -> str:
    value = {
        "run_id": run.header.run_id,
        "suite": run.header.suite.name,
        "version": run.header.suite.version,
        "judge": run.header.judge,
        "digest": run.digest,
        "complete": run.complete,
        "verdicts": summary.verdicts,
        "metrics": {name: asdict(estimate) for name, estimate in summary.metrics.items()},
        "by_tag": {
            tag: {name: asdict(estimate) for name, estimate in metrics.items()}
            for tag, metrics in summary.by_tag.items()
        },
        "cases": {case.case_id: case.verdict for case in run.cases},
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_diff_json(comparison: Comparison) -> str:
    value = {
        "first": comparison.first.header.run_id,
        "second": comparison.second.header.run_id,
        "shared": comparison.shared,
        "same_output": comparison.same_output,
        "flips": {
            flip.second.case_id: [flip.first.verdict, flip.second.verdict]
            for flip in comparison.flips
        },
        "metrics": {
            change.metric: {
                "first": asdict(change.first) if change.first else None,
                "second": asdict(change.second) if change.second else None,
                "difference": asdict(change.difference) if change.difference else None,
            }
            for change in comparison.changes
        },
        "settings": {name: [before, now] for name, before, now in comparison.settings},
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


_RUN_FORMATS: Mapping[str, Callable[[Run, Summary], str]] = {
    "table": write_run_table,
    "html": write_run_html,
    "markdown": write_run_markdown,
    "junit": lambda run, _: write_junit(run),
    "json": _write_run_json,
}
_DIFF_FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "table": write_diff_table,
    "html": write_diff_html,
    "markdown": write_diff_markdown,
    "json": _write_diff_json,
}


def _check_format(name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise UsageError(f"There is no report format {name!r}.", hint=f"--format {'|'.join(known)}")


def _save(text: str, out: Path | None) -> str:
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text, encoding="utf-8", errors="replace")
        except OSError as exc:
            raise StorageFailed(f"The report {str(out)!r} cannot be written: {exc}.") from exc
    return text


def write_report(run: Run, *, format: str = "table", out: Path | None = None) -> str:
    """A run as a report.

    Args:
        run: Complete or not.
        format: table, html, markdown, junit or json.
        out: Also written to this file.

    Returns:
        The report.

    Raises:
        UsageError: there is no such format.
        StorageFailed: the file cannot be written.
    """
    _check_format(format, _RUN_FORMATS)
    return _save(_RUN_FORMATS[format](run, summarise(run)), out)


def write_diff(comparison: Comparison, *, format: str = "table", out: Path | None = None) -> str:
    """Two runs as a report, the flipped cases first.

    Args:
        comparison: Of two runs.
        format: table, html, markdown or json.
        out: Also written to this file.

    Returns:
        The report.

    Raises:
        UsageError: there is no such format.
        StorageFailed: the file cannot be written.
    """
    _check_format(format, _DIFF_FORMATS)
    return _save(_DIFF_FORMATS[format](comparison), out)


def write_judge_report(
    report: JudgeReport, *, format: str = "table", out: Path | None = None
) -> str:
    """A measured judge as a report.

    Args:
        report: The figures.
        format: table, html, markdown or json.
        out: Also written to this file.

    Returns:
        The report.

    Raises:
        UsageError: there is no such format.
        StorageFailed: the file cannot be written.
    """
    _check_format(format, JUDGE_FORMATS)
    return _save(JUDGE_FORMATS[format](report), out)
