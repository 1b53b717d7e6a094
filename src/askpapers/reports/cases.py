"""One case of a run as HTML: what was asked, searched, read, said and judged."""

from __future__ import annotations

import json
from html import escape

from askpapers.evals.records import (
    AnswerRecord,
    CaseResult,
    JudgementRecord,
    RowRecord,
    SearchRecord,
)
from askpapers.metrics.registry import METRICS
from askpapers.reports.figures import format_number

_LONG = 2_000


def write_text(text: str) -> str:
    """Text of any origin, escaped, cut where it is endless."""
    if len(text) > _LONG:
        text = text[:_LONG] + f" … ({len(text):,} characters)"
    return escape(text)


def write_badge(word: str) -> str:
    """A verdict as a badge; the word is the class."""
    return f'<span class="badge {escape(word)}">{escape(word)}</span>'


def _quote_fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _write_expected(row: RowRecord) -> str:
    known = row.expected
    rows: list[tuple[str, str]] = [("expected", escape(str(known.get("expect", ""))))]
    if known.get("unanswerable"):
        rows.append(("why not answerable", write_text(str(known["unanswerable"]))))
    if known.get("reference"):
        rows.append(("reference", write_text(str(known["reference"]))))
    if known.get("key_facts"):
        facts = ", ".join(f"<code>{write_text(fact)}</code>" for fact in known["key_facts"])
        rows.append(("key facts", facts))
    if known.get("papers"):
        papers = "; ".join(
            f"{write_text(title)} <span class='soft'>(grade {grade})</span>"
            for title, grade in known["papers"].items()
        )
        rows.append(("papers", papers))
    if known.get("forbidden"):
        rows.append(("must not show", write_text(", ".join(known["forbidden"]))))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def _write_answer(answer: AnswerRecord) -> str:
    reason = f' <span class="soft">{write_text(answer.reason)}</span>' if answer.reason else ""
    text = f'<div class="answer">{write_text(answer.text)}</div>'
    return f"<h3>{escape(answer.status)}</h3>{text}{reason}"


def _write_sentences(answer: AnswerRecord, judgements: tuple[JudgementRecord, ...]) -> str:
    sources = {source.n: source.title for source in answer.sources}
    parts = ["<h3>Its sentences, and what they cite</h3>"]
    for index, sentence in enumerate(answer.sentences):
        marks = "".join(f"[{n}]" for n in sentence.citations)
        parts.append(
            f"<p>{write_text(sentence.text)} {escape(marks)} "
            f'<span class="tag">{escape(sentence.origin)}; the pipeline says '
            f"{escape(sentence.verdict)} ({sentence.support:.2f})</span></p>"
        )
        for one in sentence.evidence:
            title = sources.get(one.n, one.paper_id)
            parts.append(
                f'<div class="quote small">[{one.n}] {write_text(one.quote)} '
                f'<span class="soft">{write_text(title)}</span></div>'
            )
        for word in judgements:
            if word.sentence == index:
                reasons = "; ".join((*word.reasons, *(f"found: {kind}" for kind in word.faults)))
                parts.append(
                    f'<p class="small">{write_badge(word.verdict)} {word.support:.2f} '
                    f"{write_text(word.claim)} "
                    f'<span class="soft">{write_text(reasons)}</span></p>'
                )
    return "".join(parts) if answer.sentences else ""


def _write_search(search: SearchRecord, row: RowRecord) -> str:
    gold = [_quote_fold(str(one["quote"])) for one in row.expected.get("evidence", [])]
    titles = dict(zip(search.paper_ids, search.titles, strict=True))
    wanted = set(row.expected.get("papers", {}))
    parts = [
        f"<h3>Sentences read, best first <span class='soft'>(answerability "
        f"{search.answerability:.2f})</span></h3>"
    ]
    found = False
    for place, one in enumerate(search.evidence[:10], start=1):
        folded = _quote_fold(one.quote)
        is_gold = any(folded in quote or quote in folded for quote in gold)
        found = found or is_gold
        mark = " gold" if is_gold else ""
        title = titles.get(one.paper_id, one.paper_id)
        parts.append(
            f'<div class="quote small{mark}">{place}. {write_text(one.quote)} '
            f'<span class="soft">{write_text(title)}, {one.score:.3f}</span></div>'
        )
    if gold and not found:
        parts.append('<p class="small fail">No evidence sentence is among them:</p>')
    for one in row.expected.get("evidence", []):
        parts.append(
            f'<div class="quote small gold">marked by hand: {write_text(str(one["quote"]))} '
            f'<span class="soft">{write_text(str(one["title"]))}</span></div>'
        )
    parts.append("<h3>Papers found</h3><ol class='small'>")
    for title, score in list(zip(search.titles, search.scores, strict=True))[:10]:
        mark = " class='gold'" if title in wanted else ""
        parts.append(f"<li><span{mark}>{write_text(title)}</span> "
                     f"<span class='soft'>{score:.3f}</span></li>")  # fmt: skip
    return "".join([*parts, "</ol>"])


def _write_scores(row: RowRecord) -> str:
    items = [
        f"<li><span>{escape(name)}</span>"
        f"<span>{format_number(row.scores[name], metric.unit)}</span></li>"
        for name, metric in METRICS.items()
        if name in row.scores
    ]
    items += [
        f"<li><span>{escape(name)}</span><span class='unscored'>{write_text(why)}</span></li>"
        for name, why in row.unscored.items()
    ]
    return f"<h3>Measures</h3><ul class='scores'>{''.join(items)}</ul>"


def _write_row(row: RowRecord, several: bool) -> str:
    output = row.output
    parts = ['<div class="turn">']
    if several:
        parts.append(f"<h3>Turn {row.turn + 1} {write_badge(row.verdict)}</h3>")
        parts.append(f"<p><b>{write_text(row.question)}</b></p>")
    if row.faults:
        parts.append(f'<p class="{escape(row.verdict)}">{write_text("; ".join(row.faults))}</p>')
    if output.error is not None:
        error = f"{output.error.type}: {output.error.message}"
        parts.append(f'<p class="unscored">{write_text(error)}</p>')
    parts.append(_write_expected(row))
    if output.answer is not None:
        if output.answer.search_query not in ("", row.question):
            query = write_text(output.answer.search_query)
            parts.append(f"<p class='small'>searched for: <code>{query}</code></p>")
        parts.append(_write_answer(output.answer))
        parts.append(_write_sentences(output.answer, row.judgements))
        if output.answer.dropped:
            left_out = "; ".join(f"{what}: {why}" for what, why in output.answer.dropped)
            parts.append(f'<p class="small soft">left out: {write_text(left_out)}</p>')
    if output.search is not None:
        parts.append(_write_search(output.search, row))
    parts.append(_write_scores(row))
    return "".join([*parts, "</div>"])


def write_case(case: CaseResult, *, note: str = "") -> str:
    """A case that opens on a click; carries its tags, verdict and scores for the filters.

    Args:
        case: The case.
        note: HTML shown beside the question, made by this package.

    Returns:
        A `details` element in which all text of the case is escaped.
    """
    scores: dict[str, float] = {}
    for row in case.rows:
        for name, value in row.scores.items():
            worst = max if METRICS[name].better == "lower" else min
            scores[name] = worst(scores.get(name, value), value)
    question = case.rows[0].question if case.rows else ""
    tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in case.tags)
    body = "".join(_write_row(row, len(case.rows) > 1) for row in case.rows)
    shown = write_text(question if len(question) <= 300 else question[:300] + "…")
    return (
        f'<details class="case" data-verdict="{escape(case.verdict)}" '
        f'data-tags="{escape(json.dumps(list(case.tags)))}" '
        f'data-scores="{escape(json.dumps(scores))}">'
        f"<summary>{write_badge(case.verdict)}<code>{escape(case.case_id)}</code>"
        f'<span class="question">{shown or "<em>empty</em>"}</span>{note}{tags}</summary>{body}'
        "</details>"
    )
