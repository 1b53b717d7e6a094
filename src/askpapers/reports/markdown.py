"""A run or a comparison as Markdown, for pull requests and README tables."""

from __future__ import annotations

from askpapers.evals.comparing import Comparison
from askpapers.evals.runs import Run
from askpapers.evals.summary import Summary
from askpapers.metrics.registry import METRICS
from askpapers.reports.figures import (
    describe_limits,
    format_difference,
    format_interval,
    format_number,
    order_metrics,
)

_ESCAPED = str.maketrans({char: "\\" + char for char in "\\`*_[]<>|#"})


def escape_markdown(text: str, width: int = 120) -> str:
    """Text of a case on one line, cut, with nothing in it that Markdown or HTML would act on."""
    flat = " ".join(text.split())
    flat = flat if len(flat) <= width else flat[: width - 1] + "…"
    return flat.translate(_ESCAPED).replace("&", "&amp;")


def write_run_markdown(run: Run, summary: Summary) -> str:
    """Every measure of a run as a table, then the cases that did not pass."""
    header = run.header
    verdicts = summary.verdicts
    lines = [
        f"### {header.suite.name} {header.suite.version}",
        "",
        f"{len(run.cases)} cases: {verdicts['pass']} passed, {verdicts['fail']} failed, "
        f"{verdicts['unscored']} unscored. Judge: {header.judge or 'none'}. "
        f"Seed {header.seed}. Run `{header.run_id}`.",
        "",
        "| measure | value | 95% interval | n | unscored | note |",
        "|---|---:|---|---:|---:|---|",
    ]
    for name in order_metrics(list(summary.metrics), header.suite.metrics):
        metric, estimate = METRICS[name], summary.metrics[name]
        arrow = " ↓" if metric.better == "lower" else ""
        lines.append(
            f"| {name}{arrow} | {format_number(estimate.value, metric.unit)} "
            f"| {format_interval(estimate, metric.unit)} | {estimate.n} "
            f"| {estimate.unscored or ''} "
            f"| {describe_limits(metric, estimate)} |"
        )
    failed = [case for case in run.cases if case.verdict != "pass"]
    if failed:
        lines += ["", f"<details><summary>{len(failed)} cases did not pass</summary>", ""]
        for case in failed:
            row = next(row for row in case.rows if row.verdict != "pass")
            error = row.output.error
            why = "; ".join(row.faults) or (f"{error.type}: {error.message}" if error else "")
            lines.append(
                f"- `{case.case_id}` {escape_markdown(row.question)}: {escape_markdown(why)}"
            )
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def write_diff_markdown(comparison: Comparison) -> str:
    """The flipped cases, then every measure of both runs."""
    one, other = comparison.first.header, comparison.second.header
    lines = [
        f"### {one.suite.name}: `{one.run_id}` against `{other.run_id}`",
        "",
        f"{comparison.shared} shared cases, {comparison.same_output} with the same output, "
        f"{len(comparison.flips)} flipped.",
        "",
    ]
    if comparison.flips:
        lines += ["| case | before | now | question |", "|---|---|---|---|"]
        lines += [
            f"| `{flip.second.case_id}` | {flip.first.verdict} | {flip.second.verdict} "
            f"| {escape_markdown(flip.second.rows[0].question)} |"
            for flip in comparison.flips
        ]
        lines.append("")
    lines += [
        "| measure | before | now | difference | 95% interval | |",
        "|---|---:|---:|---:|---|---|",
    ]
    for change in comparison.changes:
        unit = METRICS[change.metric].unit
        gap = change.difference
        word = ""
        if change.is_certain and change.is_better is not None:
            word = "better" if change.is_better else "**worse**"
        before = format_number(change.first.value if change.first else None, unit)
        now = format_number(change.second.value if change.second else None, unit)
        lines.append(
            f"| {change.metric} | {before} | {now} "
            f"| {format_difference(gap.value if gap else None, unit)} "
            f"| {format_interval(gap, unit) if gap else '–'} | {word} |"
        )
    return "\n".join(lines) + "\n"
