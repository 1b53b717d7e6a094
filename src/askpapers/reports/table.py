"""A run or a comparison as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

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

_SHOWN_CASES = 10


def lay_out(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows as aligned lines; columns in `right` end flush."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def write_run_table(run: Run, summary: Summary) -> str:
    """Every measure of a run with interval and counts, then the cases that failed."""
    header = run.header
    verdicts = summary.verdicts
    rows = [["measure", "value", "95% interval", "n", "unscored", "note"]]
    for name in order_metrics(list(summary.metrics), header.suite.metrics):
        metric, estimate = METRICS[name], summary.metrics[name]
        rows.append(
            [
                name + (" ↓" if metric.better == "lower" else ""),
                format_number(estimate.value, metric.unit),
                format_interval(estimate, metric.unit),
                str(estimate.n),
                str(estimate.unscored or ""),
                describe_limits(metric, estimate),
            ]
        )
    lines = [
        f"{header.suite.name} {header.suite.version}: {len(run.cases)} cases, "
        f"{verdicts['pass']} passed, {verdicts['fail']} failed, {verdicts['unscored']} unscored"
        + ("" if run.complete else f", {len(run.missing)} not reached"),
        f"judge: {header.judge or 'none'}   run: {header.run_id}",
        "",
        *lay_out(rows, right=(1, 3, 4)),
        "",
        "↓ lower is better. Means over judged cases; intervals resample cases, seed "
        f"{header.seed}.",
    ]
    failed = [case for case in run.cases if case.verdict != "pass"]
    if failed:
        lines += ["", "Did not pass:"]
        for case in failed[:_SHOWN_CASES]:
            row = next(row for row in case.rows if row.verdict != "pass")
            error = row.output.error
            why = "; ".join(row.faults) or (f"{error.type}: {error.message}" if error else "")
            lines.append(f"  {case.case_id}  {_shorten(row.question, 60)}  ({_shorten(why, 80)})")
        if len(failed) > _SHOWN_CASES:
            lines.append(f"  and {len(failed) - _SHOWN_CASES} more")
    return "\n".join(lines) + "\n"


def write_diff_table(comparison: Comparison) -> str:
    """The flipped cases, then every measure of both runs with the paired difference."""
    one, other = comparison.first.header, comparison.second.header
    lines = [
        f"{one.suite.name}: {one.run_id} -> {other.run_id}",
        f"{comparison.shared} shared cases, {comparison.same_output} with the same output, "
        f"{len(comparison.flips)} flipped",
    ]
    for name, before, after in comparison.settings:
        lines.append(f"  {name}: {_shorten(before, 40)} -> {_shorten(after, 40)}")
    if comparison.flips:
        lines += ["", "Flipped:"]
        lines += [
            f"  {flip.second.case_id}  {flip.first.verdict} -> {flip.second.verdict}  "
            f"{_shorten(flip.second.rows[0].question, 70)}"
            for flip in comparison.flips
        ]
    rows = [["measure", "first", "second", "difference", "95% interval", "n", ""]]
    for change in comparison.changes:
        unit = METRICS[change.metric].unit
        gap = change.difference
        word = ""
        if change.is_certain and change.is_better is not None:
            word = "better" if change.is_better else "worse"
        rows.append(
            [
                change.metric,
                format_number(change.first.value if change.first else None, unit),
                format_number(change.second.value if change.second else None, unit),
                format_difference(gap.value if gap else None, unit),
                format_interval(gap, unit) if gap else "–",
                str(gap.n) if gap else "",
                word,
            ]
        )
    lines += ["", *lay_out(rows, right=(1, 2, 3, 5)), ""]
    lines.append("better, worse: the interval of the paired difference leaves zero out.")
    return "\n".join(lines) + "\n"


def _shorten(text: str, width: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
