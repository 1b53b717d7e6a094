"""HTML of the conversation: questions, settled sentences with citation chips, what happened.

Every text of a corpus, a model or a person passes through `html.escape`; nothing here trusts any
of them. Anchors carry the turn number, so that they are unique on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from askpapers.domain import (
    ABSTENTION,
    Answer,
    Dropped,
    Evidence,
    Filters,
    Sentence,
    Source,
)
from askpapers.errors import UsageError
from askpapers.ui.asking import Frame
from askpapers.ui.exporting import write_plain
from askpapers.ui.talks import Listed, Turn

_VERDICTS = {
    "supported": ("✓", "supported"),
    "partial": ("◐", "partly supported"),
    "unsupported": ("✗", "not found"),
}
_REASONS = (
    "correct and complete",
    "wrong",
    "not what the paper says",
    "a better paper is missing",
    "should have abstained",
    "should have answered",
    "other",
)
_SHORT = 160
_SEPARATOR = "&nbsp;· "
# Drawn here: not every system has a font with thumbs in it.
_THUMB = 'class="ap-thumb" viewBox="0 0 16 16" width="14" height="14"'
_THUMB_PATH = (
    "M1 7h3v8H1zM5 7l3.2-5.4c.3-.6 1.8-.3 1.8 1.2 0 .9-.3 2.2-.6 3.2H13c1.2 0 2 1 1.7 2.1l-1.2 "
    "5c-.3 1.1-1.1 1.9-2.3 1.9H7c-.9 0-1.5-.4-2-1z"
)


def anchor_of(turn: int, n: int, evidence: Evidence) -> str:
    """Return the id of a sentence in the evidence column, unique on the page."""
    return f"t{turn}-s{n}-c{evidence.start}-{evidence.end}"


def render_talk(turns: Sequence[Turn]) -> str:
    """Return all finished turns; the last one can be asked again."""
    return "".join(
        _render_turn(turn, number, is_last=number == len(turns))
        for number, turn in enumerate(turns, 1)
    )


def render_live(frame: Frame, number: int) -> str:
    """Return the turn that is being answered, or that was stopped or failed."""
    done = "".join(_render_sentence(sentence, number) for sentence in frame.settled)
    tail = ""
    if frame.error is not None:
        hint = f" <span class='ap-hint'>{escape(frame.error.hint)}</span>"
        message = escape(frame.error.message)
        tail = f'<p class="ap-error" role="alert">{message}{hint if frame.error.hint else ""}</p>'
    elif frame.stopped:
        tail = '<p class="ap-stopped">Stopped.</p>'
    elif not frame.is_last:
        doing = escape(describe(frame))
        draft = escape(frame.draft)
        tail = (
            f'<p class="ap-draft">{draft}<span class="ap-caret" aria-hidden="true"></span></p>'
            f'<p class="ap-doing">{doing}</p>'
        )
    # What makes no sense as it is must be changed before it is asked again.
    is_senseless = isinstance(frame.error, UsageError)
    again = _render_again(retry=not is_senseless) if frame.error or frame.stopped else ""
    busy = "false" if frame.is_last else "true"
    return (
        f'<article class="ap-turn ap-live" aria-busy="{busy}">'
        f'<h3 class="ap-question">{escape(frame.ask.question)}</h3>'
        f'<div class="ap-answer">{done}{tail}</div>{again}</article>'
    )


def describe(frame: Frame) -> str:
    """Say in a few words what is being done."""
    if frame.turn is not None:
        answer = frame.turn.answer
        if answer.status == "abstained":
            return "Done: the papers do not answer this."
        cited = sum(source.cited for source in answer.sources)
        sentences = len(answer.sentences)
        return f"Done: {_count(sentences, 'sentence')} from {_count(cited, 'paper')}."
    if frame.error is not None:
        return frame.error.message
    if frame.stopped:
        return "Stopped."
    if frame.found is None:
        return frame.loading or "Searching …"
    if frame.ahead:
        return f"Waiting for the model: {_count(frame.ahead, 'question')} before yours …"
    if frame.ask.quote_only:
        return "Choosing the quotations …"
    return "Writing; each sentence is checked first …"


def render_examples(questions: Sequence[str]) -> str:
    """Return what an empty conversation offers."""
    items = "".join(
        f'<li><button type="button" class="ap-example" data-action="example" '
        f'data-question="{escape(question)}">{escape(question)}</button></li>'
        for question in questions
    )
    offered = f"<p>For instance:</p><ul class='ap-examples'>{items}</ul>" if items else ""
    return (
        '<div class="ap-welcome"><p>Ask a question. The evidence comes first, then an answer in '
        f"which every sentence shows the sentence that proves it.</p>{offered}</div>"
    )


def render_older(listed: Sequence[Listed]) -> str:
    """Return the list of earlier conversations; nothing where there are none."""
    if not listed:
        return ""
    items = "".join(
        '<li><button type="button" class="ap-link" data-action="reopen" data-event="input" '
        f'data-token="{escape(one.token)}">{escape(_shorten(one.question))}</button>'
        f'<span class="ap-facts">{_count(one.count, "question")} · '
        f"{datetime.fromtimestamp(one.changed):%Y-%m-%d %H:%M}</span></li>"
        for one in listed
    )
    return (
        f'<details class="ap-older"><summary>Earlier conversations ({len(listed)})</summary>'
        f"<ul>{items}</ul></details>"
    )


def render_loading(text: str, share: float | None, *, has_failed: bool = False) -> str:
    """Return what stands where the papers will be: what is being done, and how much of it is.

    Args:
        text: what is being done, or why it failed.
        share: 0..1; None where it is not known.
        has_failed: nothing more comes by itself.
    """
    if has_failed:
        return f'<p class="ap-error" role="alert">{escape(text)}</p>'
    value = "" if share is None else f' value="{share:.3f}"'
    return (
        f'<div class="ap-welcome ap-loading"><p>{escape(text)}</p>'
        f'<progress max="1"{value} aria-label="Loading"></progress>'
        "<p>A question can be asked already: it is answered as soon as the papers can be searched."
        "</p></div>"
    )


def _render_turn(turn: Turn, number: int, *, is_last: bool) -> str:
    answer = turn.answer
    if answer.status == "abstained":
        body = _render_abstention(answer, number, has_filters=turn.ask.filters != Filters())
    else:
        body = "".join(_render_sentence(sentence, number) for sentence in answer.sentences)
    again = _render_again() if is_last else ""
    return (
        f'<article class="ap-turn" id="turn-{number}" data-turn="{number}" '
        f'aria-label="Question {number}">'
        f'<h3 class="ap-question">{escape(answer.question)}</h3>'
        f'<div class="ap-answer">{body}</div>'
        f"{_render_trace(answer, editable=is_last)}{_render_sources(answer, number)}"
        f'<div class="ap-tools">{_render_tools(answer, number)}{again}</div></article>'
    )


def _render_sentence(sentence: Sentence, turn: int) -> str:
    icon, word = _VERDICTS[sentence.verdict]
    chips = "".join(_render_chip(c.n, c.evidence, turn) for c in sentence.evidence)
    text = escape(sentence.text)
    quoted = sentence.origin == "quoted"
    shown = escape(sentence.opening) + (f"<q>{text}</q>" if quoted else text)
    if sentence.best:
        shown = f"<strong>{shown}</strong>"
    return (
        f'<p class="ap-sentence ap-{sentence.origin}">{shown} '
        f'<span class="ap-marks"><span class="ap-chips">{chips}</span>'
        f'<span class="ap-verdict ap-{sentence.verdict}">'
        f'<span aria-hidden="true">{icon}</span> {"quoted, " if quoted else ""}{word}</span>'
        "</span></p>"
    )


def _render_chip(n: int, evidence: Evidence, turn: int) -> str:
    short = _shorten(evidence.quote)
    return (
        f'<button type="button" class="ap-chip" data-goto="{anchor_of(turn, n, evidence)}" '
        f'data-quote="{escape(evidence.quote)}" data-turn="{turn}" '
        f'aria-label="Source {n}: {escape(short)}">{n}</button>'
    )


def _render_abstention(answer: Answer, turn: int, *, has_filters: bool) -> str:
    numbers = {source.paper_id: source.n for source in answer.sources}
    items = "".join(
        f'<li><button type="button" class="ap-link" data-turn="{turn}" '
        f'data-goto="card-t{turn}-s{numbers.get(paper.paper_id, 0)}">{escape(paper.title)}</button>'
        "</li>"
        for paper in answer.nearest
    )
    offered = f"<p>Nearest papers:</p><ul>{items}</ul>" if items else ""
    reason = answer.reason or ""
    why = escape(reason[:1].upper() + reason[1:])
    wider = "Search all papers and show the closest" if has_filters else "Search wider"
    return (
        f'<div class="ap-abstained"><p class="ap-abstention">{ABSTENTION}</p>'
        f'<p class="ap-why">{why}.</p>{offered}'
        f'<button type="button" class="ap-button" data-action="wider">{wider}</button></div>'
    )


def _render_trace(answer: Answer, *, editable: bool) -> str:
    """Return the collapsed line that says what happened; the search query in it can be edited."""
    read = sum(source.read for source in answer.sources)
    counts = [f"{len(answer.sources)} found", f"{read} read"]
    tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
    if tokens:
        counts.append(f"{tokens:,} tokens")
    times = [f"search {answer.timings.retrieve:.2f} s"]
    if answer.timings.first_token is not None:
        times.append(f"first word after {answer.timings.first_token:.2f} s")
    times.append(f"all in {answer.timings.total:.2f} s")
    form = (
        '<form class="ap-inline" data-action="requery"><label>Search query '
        f'<input name="query" value="{escape(answer.search_query)}" maxlength="4000"></label>'
        '<button type="submit" class="ap-button">Search with this</button></form>'
        if editable
        else ""
    )
    return (
        f'<details class="ap-trace"><summary>searched “{escape(answer.search_query)}”{_SEPARATOR}'
        f"{_join_whole(counts)}</summary><p>{_join_whole(times)}</p>{form}</details>"
    )


def _render_sources(answer: Answer, turn: int) -> str:
    cited = [s for s in answer.sources if s.cited]
    read = [s for s in answer.sources if s.read and not s.cited]
    parts = [_render_list("Cited", cited, turn), _render_list("Read, not cited", read, turn)]
    if answer.dropped:
        titles = {s.paper_id: s.title for s in answer.sources}
        items = "".join(_render_dropped(dropped, titles) for dropped in answer.dropped)
        parts.append(
            f"<details class='ap-list'><summary>Dropped ({len(answer.dropped)})</summary>"
            f"<ul>{items}</ul></details>"
        )
    return f'<div class="ap-lists">{"".join(parts)}</div>'


def _render_dropped(dropped: Dropped, titles: dict[str, str]) -> str:
    title = titles.get(dropped.paper_id, dropped.paper_id)
    return f"<li>{escape(dropped.why)}{': ' + escape(title) if title else ''}</li>"


def _render_list(label: str, sources: Sequence[Source], turn: int) -> str:
    if not sources:
        return ""
    items = "".join(
        f'<li value="{s.n}"><button type="button" class="ap-link" '
        f'data-goto="card-t{turn}-s{s.n}" data-turn="{turn}">{escape(s.title)}</button></li>'
        for s in sources
    )
    return (
        f"<details class='ap-list'><summary>{label} ({len(sources)})</summary>"
        f"<ol>{items}</ol></details>"
    )


def _render_tools(answer: Answer, number: int) -> str:
    options = "".join(f"<option>{escape(reason)}</option>" for reason in _REASONS)
    up = f'<svg {_THUMB} aria-hidden="true"><path d="{_THUMB_PATH}"/></svg>'
    down = up.replace("<path", '<path transform="rotate(180 8 8)"')
    return (
        f'<button type="button" class="ap-button" data-copy="{escape(write_plain(answer))}">'
        "Copy</button>"
        '<details class="ap-rate"><summary>Rate</summary>'
        f'<form class="ap-inline" data-action="rate" data-turn="{number}">'
        '<label>Why <select name="reason"><option value="">no reason given</option>'
        f"{options}</select></label>"
        '<label>Note <input name="note" maxlength="500"></label>'
        f'<button type="submit" name="thumb" value="up" class="ap-button">{up} Good</button>'
        f'<button type="submit" name="thumb" value="down" class="ap-button">{down} Bad</button>'
        '<span class="ap-kept" role="status"></span></form></details>'
    )


def _render_again(*, retry: bool = True) -> str:
    edit = '<button type="button" class="ap-button" data-action="edit">Edit question</button>'
    again = '<button type="button" class="ap-button" data-action="retry">Retry</button>'
    return f"{again if retry else ''}{edit}"


def _join_whole(parts: Sequence[str]) -> str:
    """Return short texts in a row that breaks between them and nowhere else."""
    return _SEPARATOR.join(escape(part).replace(" ", "&nbsp;") for part in parts)


def _shorten(text: str) -> str:
    return text[:_SHORT] + ("…" if len(text) > _SHORT else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
