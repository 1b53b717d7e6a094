"""A run or a comparison as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from askpapers.evals.comparing import Change, Comparison
from askpapers.evals.records import RunHeader
from askpapers.evals.runs import Run
from askpapers.evals.summary import Summary
from askpapers.metrics.registry import FAMILIES, METRICS
from askpapers.metrics.statistics import Estimate
from askpapers.reports.cases import write_badge, write_case, write_text
from askpapers.reports.figures import (
    describe_limits,
    format_difference,
    format_interval,
    format_number,
    order_metrics,
)
from askpapers.reports.plots import (
    draw_difference,
    draw_interval,
    draw_reliability,
    draw_risk_coverage,
)
from askpapers.reports.style import CSS, SCRIPT

_TAG_COLUMNS = 6
# Nothing may be fetched, sent or embedded, whatever text a case brings along.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(title: str, body: Iterable[str], *, script: str = SCRIPT) -> str:
    """A complete page around a body that this package made."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>"
        + "\n".join(body)
        + f"</main><script>{script}</script></body></html>\n"
    )


def _tile(value: object, label: str, kind: str = "") -> str:
    return f'<div class="tile"><b class="{kind}">{escape(str(value))}</b>{escape(label)}</div>'


def _write_top(run: Run, summary: Summary) -> str:
    header, verdicts = run.header, summary.verdicts
    tiles = [
        _tile(len(run.cases), "cases"),
        _tile(verdicts["pass"], "passed", "pass"),
        _tile(verdicts["fail"], "failed", "fail" if verdicts["fail"] else ""),
        _tile(verdicts["unscored"], "unscored", "unscored" if verdicts["unscored"] else ""),
    ]
    for name in header.suite.metrics[:3]:
        if (estimate := summary.metrics.get(name)) is not None:
            tiles.append(_tile(format_number(estimate.value, METRICS[name].unit), name))
    missing = (
        ""
        if run.complete
        else f'<p class="fail">This run was not finished: {len(run.missing)} cases are missing.</p>'
    )
    part = " ".join(
        text
        for text in (
            f"first {header.limit} cases" if header.limit else "",
            f"tag {header.tag}" if header.tag else "",
        )
        if text
    )
    return (
        f"<h1>{escape(header.suite.name)} <span class='soft'>version "
        f"{escape(header.suite.version)}</span></h1><p>{escape(header.suite.purpose)}</p>"
        f'<p class="soft small">{escape(header.created)}; judge: {escape(header.judge or "none")}; '
        f"seed {header.seed}{'; only ' + escape(part) if part else ''}; "
        f"<code>{escape(header.run_id)}</code></p>"
        f'{missing}<div class="tiles">{"".join(tiles)}</div>'
    )


def _write_metric_row(name: str, estimate: Estimate, threshold: float | None) -> str:
    metric = METRICS[name]
    arrow = ' <small title="lower is better">↓</small>' if metric.better == "lower" else ""
    plot = draw_interval(estimate, threshold) if metric.unit == "share" else ""
    goal = f'<small class="soft"> goal {threshold:g}</small>' if threshold is not None else ""
    notes = describe_limits(metric, estimate)
    return (
        f'<tr><td class="metric" title="{escape(metric.definition)}">{escape(name)}{arrow}{goal}'
        f'</td><td class="number">{format_number(estimate.value, metric.unit)}</td>'
        f"<td>{plot}</td><td class='nowrap'>{format_interval(estimate, metric.unit)}</td>"
        f'<td class="number">{estimate.n}</td><td class="number">{estimate.unscored or ""}</td>'
        f'<td class="soft small">{escape(metric.definition)} ({escape(metric.source)})'
        f"{'<br><em>' + escape(notes) + '</em>' if notes else ''}</td></tr>"
    )


def _write_metrics(run: Run, summary: Summary) -> str:
    thresholds = run.header.suite.thresholds
    rows = []
    headline = [name for name in run.header.suite.metrics if name in summary.metrics]
    groups = {"what this suite is for": headline} | {
        family: [
            name
            for name in summary.metrics
            if METRICS[name].family == family and name not in headline
        ]
        for family in FAMILIES
    }
    for family, names in groups.items():
        if names:
            rows.append(f'<tr class="family"><th colspan="7">{escape(family)}</th></tr>')
            rows += [
                _write_metric_row(name, summary.metrics[name], thresholds.get(name))
                for name in names
            ]
    return (
        "<h2>Measures</h2><p class='soft small'>Means over judged cases, never over those that "
        "happened to return something. The bar is the 95% interval of a bootstrap over cases "
        "(turns of one conversation stay together); the tick is the suite's threshold.</p>"
        '<div class="wide"><table><thead><tr><th>measure</th><th class="number">value</th>'
        '<th></th><th>95% interval</th><th class="number">n</th>'
        '<th class="number">unscored</th><th>meaning</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _write_tags(run: Run, summary: Summary) -> str:
    if len(summary.by_tag) < 2:
        return ""
    names = [
        name
        for name in order_metrics(list(summary.metrics), run.header.suite.metrics)
        if METRICS[name].unit == "share"
    ][:_TAG_COLUMNS]
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    rows = []
    for tag, metrics in summary.by_tag.items():
        cases = sum(tag in case.tags for case in run.cases)
        cells = []
        for name in names:
            one = metrics.get(name)
            interval = f' title="{escape(format_interval(one, "share"))}, n {one.n}"' if one else ""
            value = format_number(one.value if one else None, "share")
            cells.append(f'<td class="number"{interval}>{value}</td>')
        rows.append(
            f"<tr><td>{escape(tag)}</td><td class='number'>{cases}</td>{''.join(cells)}</tr>"
        )
    return (
        "<h2>By tag</h2><div class='wide'><table><thead><tr><th>tag</th>"
        f"<th class='number'>cases</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div>"
    )


def _write_curves(summary: Summary) -> str:
    figures = []
    if summary.risk_coverage:
        figures.append(
            f"<figure>{draw_risk_coverage(summary.risk_coverage)}<figcaption>Answering only the "
            "most certain share of the questions: how many of the answers are wrong. The dot is "
            "the run as it was; beyond it the program abstained.</figcaption></figure>"
        )
    if summary.reliability:
        figures.append(
            f"<figure>{draw_reliability(summary.reliability)}<figcaption>Of the questions whose "
            "answerability was stated as x, the share that is answerable. On the dashed line the "
            "probability means what it says.</figcaption></figure>"
        )
    return f"<h2>Curves</h2><div class='plots'>{''.join(figures)}</div>" if figures else ""


def _write_mapping(value: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<dt>{escape(str(key))}</dt><dd><code>"
        f"{write_text(json.dumps(one, ensure_ascii=False, default=str))}</code></dd>"
        for key, one in value.items()
    )
    return f"<dl>{rows}</dl>"


def _write_judge(header: RunHeader) -> str:
    if header.judge is None:
        return ""
    card = (
        _write_mapping(header.judge_card)
        if header.judge_card
        else "<p class='soft'>This run does not say how often its judge errs: measure it with "
        "<code>askpapers eval judge</code>.</p>"
    )
    return f"<h2>The judge: {escape(header.judge)}</h2>{card}"


def _write_filters(run: Run, summary: Summary) -> str:
    tags = "".join(f"<option>{escape(tag)}</option>" for tag in summary.by_tag)
    used = {name for case in run.cases for row in case.rows for name in row.scores}
    metrics = "".join(
        f'<option data-better="{METRICS[name].better}">{escape(name)}</option>'
        for name in METRICS
        if name in used
    )
    verdicts = "".join(f"<option>{word}</option>" for word in ("pass", "fail", "unscored"))
    return (
        '<div class="filters"><label>words<input id="by-words" type="search"></label>'
        f'<label>verdict<select id="by-verdict"><option value="">all</option>{verdicts}</select>'
        f'</label><label>tag<select id="by-tag"><option value="">all</option>{tags}</select>'
        '</label><label>measure<select id="by-metric"><option value="">any</option>'
        f"{metrics}</select>"
        '</label><label>order<select id="by-order"><option value="suite">of the suite</option>'
        '<option value="worst">worst first</option></select></label>'
        '<button id="open-all" type="button">open or close all</button>'
        '<span id="count" class="soft small"></span></div>'
    )


def _write_reproduction(run: Run) -> str:
    header = run.header
    suite = {
        "digest": header.suite.digest,
        "corpus": header.suite.corpus_digest,
        "licence": header.suite.licence,
    }
    return (
        "<h2>To run it again</h2>"
        f"<h3>Suite</h3>{_write_mapping(suite)}"
        f"<h3>Results</h3>{_write_mapping({'digest': run.digest})}"
        f"<h3>Settings, models, prompts</h3>{_write_mapping(header.manifest)}"
        f"<h3>Environment</h3>{_write_mapping(header.environment)}"
    )


def write_run_html(run: Run, summary: Summary) -> str:
    """One file: measures with intervals, curves, every case openable and filterable."""
    order = {"fail": 0, "unscored": 1, "pass": 2}
    cases = sorted(run.cases, key=lambda case: order[case.verdict])
    return write_page(
        f"{run.header.suite.name}: eval report",
        [
            _write_top(run, summary),
            _write_metrics(run, summary),
            _write_tags(run, summary),
            _write_curves(summary),
            _write_judge(run.header),
            "<h2>Cases</h2>",
            _write_filters(run, summary),
            '<div id="cases">',
            *(write_case(case) for case in cases),
            "</div>",
            _write_reproduction(run),
        ],
    )


def _write_change(change: Change, scale: float) -> str:
    metric = METRICS[change.metric]
    gap = change.difference
    word = ""
    if change.is_certain and change.is_better is not None:
        word = write_badge("better" if change.is_better else "worse")
    plot = draw_difference(gap, scale) if gap is not None and metric.unit == "share" else ""
    interval = format_interval(gap, metric.unit) if gap is not None else "–"
    first = format_number(change.first.value if change.first else None, metric.unit)
    second = format_number(change.second.value if change.second else None, metric.unit)
    return (
        f'<tr><td class="metric" title="{escape(metric.definition)}">{escape(change.metric)}</td>'
        f'<td class="number">{first}</td><td class="number">{second}</td>'
        f'<td class="number">{format_difference(gap.value if gap else None, metric.unit)}</td>'
        f"<td>{plot}</td><td class='nowrap'>{interval}</td>"
        f'<td class="number">{gap.n if gap else ""}</td><td>{word}</td></tr>'
    )


def _write_settings(settings: Sequence[tuple[str, str, str]]) -> str:
    if not settings:
        return "<p>The settings of both runs are the same.</p>"
    rows = "".join(
        f"<tr><td>{write_text(name)}</td><td><code>{write_text(before)}</code></td>"
        f"<td><code>{write_text(after)}</code></td></tr>"
        for name, before, after in settings
    )
    return (
        "<table><thead><tr><th>setting</th><th>before</th><th>now</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def write_diff_html(comparison: Comparison) -> str:
    """Two runs: the flipped cases first, then every measure with its paired difference."""
    one, other = comparison.first.header, comparison.second.header
    shares = [
        max(abs(gap.low or 0.0), abs(gap.high or 0.0))
        for change in comparison.changes
        if (gap := change.difference) is not None and METRICS[change.metric].unit == "share"
    ]
    scale = max([0.05, *shares])
    better = sum(flip.is_better for flip in comparison.flips)
    flips = [
        f"<h3>{flip.first.verdict} → {flip.second.verdict}</h3>"
        + write_case(flip.first, note='<span class="tag">before</span>')
        + write_case(flip.second, note='<span class="tag">now</span>')
        for flip in comparison.flips
    ]
    rows = "".join(_write_change(change, scale) for change in comparison.changes)
    return write_page(
        f"{one.suite.name}: comparison",
        [
            f"<h1>{escape(one.suite.name)}: two runs</h1>"
            f'<p class="soft small">before <code>{escape(one.run_id)}</code>, '
            f"now <code>{escape(other.run_id)}</code></p>"
            f'<div class="tiles">{_tile(comparison.shared, "shared cases")}'
            f"{_tile(comparison.same_output, 'same output')}"
            f"{_tile(better, 'now pass', 'pass')}"
            f"{_tile(len(comparison.flips) - better, 'no longer pass', 'fail')}</div>",
            f"<h2>Flipped cases</h2>{''.join(flips) or '<p>No verdict changed.</p>'}",
            "<h2>Measures</h2><p class='soft small'>Differences are paired over the cases that "
            "both runs judged; better or worse is said only where the interval leaves zero out. "
            f"The line runs from −{scale:.2f} to +{scale:.2f}.</p>"
            '<div class="wide"><table><thead><tr><th>measure</th><th class="number">before</th>'
            '<th class="number">now</th><th class="number">difference</th><th></th>'
            '<th>95% interval</th><th class="number">n</th><th></th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div>",
            f"<h2>Settings that differ</h2>{_write_settings(comparison.settings)}",
        ],
        script="",
    )
