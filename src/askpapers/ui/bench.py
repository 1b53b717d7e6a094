"""What the evals tab does: the runs of the home folder, one run whole, two compared. No Gradio."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from askpapers.errors import AskPapersError
from askpapers.evals import Run, compare, find_runs, load_run, summarise
from askpapers.evals.comparing import Change, Comparison
from askpapers.metrics.registry import METRICS
from askpapers.metrics.statistics import Estimate
from askpapers.reports import write_diff, write_report
from askpapers.reports.figures import (
    describe_limits,
    format_difference,
    format_interval,
    format_number,
    order_metrics,
)

_MAX_RUNS = 50
# The name of a run file: when it began, its suite, the digest of what decided its answers.
_RUN_ID = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)[.\d]*Z-(.+)-(\w+)")


class Bench:
    """The eval runs of one folder."""

    def __init__(self, folder: Path) -> None:
        """Look into `folder` whenever asked."""
        self._folder = folder

    def list_runs(self) -> list[tuple[str, str]]:
        """Return (what a person reads, id) of the newest runs."""
        names = [path.stem for path in find_runs(self._folder)[:_MAX_RUNS]]
        return [(_describe(name), name) for name in names]

    def list_others(self, name: str | None) -> list[tuple[str, str]]:
        """Return the runs that can be compared with this one: the others of its suite."""
        suite = _suite_of(name or "")
        return [run for run in self.list_runs() if run[1] != name and _suite_of(run[1]) == suite]

    def render_run(self, name: str | None) -> str:
        """Return one run: its metrics with intervals, then the report with every case."""
        if not name:
            return (
                '<p class="ap-empty">There are no runs yet. Make one with '
                "<code>askpapers eval run smoke</code>.</p>"
            )
        try:
            run = load_run(name, self._folder)
            return _render_metrics(run) + _render_frame(
                write_report(run, format="html"), "The whole report, every case"
            )
        except AskPapersError as exc:
            return _render_error(exc)

    def render_comparison(self, first: str | None, second: str | None) -> str:
        """Return two runs compared: the measures of both, and the cases that flipped.

        Args:
            first: the run that was.
            second: the run that is.
        """
        if not first or not second or first == second:
            return '<p class="ap-empty">Choose two different runs to compare them.</p>'
        try:
            comparison = compare(load_run(first, self._folder), load_run(second, self._folder))
            return _render_changes(comparison) + _render_frame(
                write_diff(comparison, format="html"), "Cases that flipped, and what differs"
            )
        except AskPapersError as exc:
            return _render_error(exc)


def _render_metrics(run: Run) -> str:
    summary = summarise(run)
    header = run.header
    verdicts = ", ".join(f"{count} {word}" for word, count in summary.verdicts.items() if count)
    rows = []
    for name in order_metrics(list(summary.metrics), header.suite.metrics):
        estimate, metric = summary.metrics[name], METRICS[name]
        rows.append(
            f'<tr><th scope="row" title="{escape(metric.definition)}">{escape(name)}</th>'
            f"<td>{escape(format_number(estimate.value, metric.unit))}</td>"
            f"<td>{escape(format_interval(estimate, metric.unit))}</td>"
            f"<td>{estimate.n}</td><td>{escape(describe_limits(metric, estimate))}</td></tr>"
        )
    state = "" if run.complete else " · unfinished"
    return (
        f"<h3>{escape(header.suite.name)} {escape(header.suite.version)}</h3>"
        f'<p class="ap-facts">{escape(_describe(header.run_id))} · {len(run.cases)} cases: '
        f"{escape(verdicts)}{state} · judge {escape(header.judge or 'none')}</p>"
        '<div class="ap-scroll" tabindex="0" role="region" aria-label="Metrics">'
        '<table class="ap-table"><thead><tr><th scope="col">Metric</th><th scope="col">Value</th>'
        '<th scope="col">95% interval</th><th scope="col">n</th><th scope="col">Note</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _render_changes(comparison: Comparison) -> str:
    one, other = comparison.first.header, comparison.second.header
    better = sum(flip.is_better for flip in comparison.flips)
    changes = {change.metric: change for change in comparison.changes}
    names = order_metrics(list(changes), other.suite.metrics)
    same = [name for name in names if _is_same(changes[name])]
    differing = [changes[name] for name in names if name not in same]
    table = _render_table("Metrics that differ", differing) if differing else ""
    rest = (
        f'<details class="ap-list"><summary>Measures that are the same ({len(same)})</summary>'
        f"{_render_table('Metrics that are the same', [changes[name] for name in same])}</details>"
        if same
        else ""
    )
    return (
        f"<h3>{escape(other.suite.name)} {escape(other.suite.version)}: two runs</h3>"
        f'<p class="ap-facts">before {escape(_describe(one.run_id))} · now '
        f"{escape(_describe(other.run_id))} · {comparison.shared} shared cases, "
        f"{comparison.same_output} with the same output · {better} now pass, "
        f"{len(comparison.flips) - better} no longer</p>"
        f"{table or '<p>No measure differs.</p>'}{rest}"
        '<p class="ap-facts">In brackets the 95% intervals; differences are paired over the cases '
        "that both runs judged, and certain where their interval leaves zero out.</p>"
    )


def _render_table(label: str, changes: Sequence[Change]) -> str:
    rows = "".join(_render_change(change) for change in changes)
    return (
        f'<div class="ap-scroll" tabindex="0" role="region" aria-label="{label}">'
        '<table class="ap-table"><thead><tr><th scope="col">Metric</th><th scope="col">Before</th>'
        '<th scope="col">Now</th><th scope="col">Difference</th><th scope="col">n</th>'
        f'<th scope="col">Certain</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _is_same(change: Change) -> bool:
    one, other = change.first, change.second
    return one is not None and other is not None and one.value == other.value


def _render_change(change: Change) -> str:
    metric, gap = METRICS[change.metric], change.difference
    certain = ""
    if change.is_certain and change.is_better is not None:
        certain = "▲ better" if change.is_better else "▼ worse"
    difference = format_difference(gap.value if gap else None, metric.unit)
    return (
        f'<tr><th scope="row" title="{escape(metric.definition)}">{escape(change.metric)}</th>'
        f"<td>{_render_estimate(change.first, metric.unit)}</td>"
        f"<td>{_render_estimate(change.second, metric.unit)}</td>"
        f"<td>{escape(difference)}{_render_interval(gap, metric.unit)}</td>"
        f"<td>{gap.n if gap else ''}</td><td>{certain}</td></tr>"
    )


def _render_estimate(estimate: Estimate | None, unit: str) -> str:
    value = format_number(estimate.value if estimate else None, unit)
    return escape(value) + _render_interval(estimate, unit)


def _render_interval(estimate: Estimate | None, unit: str) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f' <span class="ap-interval">({escape(format_interval(estimate, unit))})</span>'


def _suite_of(name: str) -> str:
    found = _RUN_ID.fullmatch(name)
    return found[7] if found else ""


def _describe(name: str) -> str:
    """Return a run's id as a person reads it: the suite, when it began (UTC), the digest."""
    found = _RUN_ID.fullmatch(name)
    if found is None:
        return name
    year, month, day, hour, minute, second, suite, digest = found.groups()
    return f"{suite} · {year}-{month}-{day} {hour}:{minute}:{second} UTC · {digest}"


def _render_frame(document: str, title: str) -> str:
    """Return a report in a frame that may run its own filter script and nothing of this page."""
    return (
        f'<iframe class="ap-report" sandbox="allow-scripts" title="{escape(title)}" '
        f'srcdoc="{escape(document)}"></iframe>'
    )


def _render_error(error: AskPapersError) -> str:
    hint = f' <span class="ap-hint">{escape(error.hint)}</span>' if error.hint else ""
    return f'<p class="ap-error" role="alert">{escape(error.message)}{hint}</p>'
