"""What the evals tab does: the runs of the home folder, one run whole, two compared. No Gradio."""

from __future__ import annotations

from html import escape
from pathlib import Path

from askpapers.errors import AskPapersError
from askpapers.evals import Run, compare, find_runs, load_run, summarise
from askpapers.metrics.registry import METRICS
from askpapers.reports import write_diff, write_report
from askpapers.reports.figures import describe_limits, format_interval, format_number, order_metrics

_MAX_RUNS = 50


class Bench:
    """The eval runs of one folder."""

    def __init__(self, folder: Path) -> None:
        """Look into `folder` whenever asked."""
        self._folder = folder

    def names(self) -> list[str]:
        """Return the ids of the newest runs."""
        return [path.stem for path in find_runs(self._folder)[:_MAX_RUNS]]

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
                write_report(run, format="html"), f"Report of {name}"
            )
        except AskPapersError as exc:
            return _render_error(exc)

    def render_comparison(self, first: str | None, second: str | None) -> str:
        """Return two runs compared: paired differences with intervals, and the flipped cases."""
        if not first or not second or first == second:
            return '<p class="ap-empty">Choose two different runs to compare them.</p>'
        try:
            comparison = compare(load_run(first, self._folder), load_run(second, self._folder))
            return _render_frame(
                write_diff(comparison, format="html"), f"{first} compared with {second}"
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
        f'<p class="ap-facts">{escape(header.created)} · {len(run.cases)} cases: '
        f"{escape(verdicts)}{state} · judge {escape(header.judge or 'none')}</p>"
        '<div class="ap-scroll" tabindex="0" role="region" aria-label="Metrics">'
        '<table class="ap-table"><thead><tr><th scope="col">Metric</th><th scope="col">Value</th>'
        '<th scope="col">95% interval</th><th scope="col">n</th><th scope="col">Note</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _render_frame(document: str, title: str) -> str:
    """Return a report in a frame that may run its own filter script and nothing of this page."""
    return (
        f'<iframe class="ap-report" sandbox="allow-scripts" title="{escape(title)}" '
        f'srcdoc="{escape(document)}"></iframe>'
    )


def _render_error(error: AskPapersError) -> str:
    hint = f' <span class="ap-hint">{escape(error.hint)}</span>' if error.hint else ""
    return f'<p class="ap-error" role="alert">{escape(error.message)}{hint}</p>'
