"""Conversations as files: Markdown, BibTeX, JSON, and one answer as plain text with references."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from askpapers import contract
from askpapers.corpus.exporting import escape_bibtex
from askpapers.domain import Answer, Paper, Source
from askpapers.errors import UsageError
from askpapers.ui.talks import Turn

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_BIBTEX_BRACES = str.maketrans({"{": "(", "}": ")", "\\": "/"})


def write_plain(answer: Answer) -> str:
    """Return an answer as text with a list of the references it cites."""
    cited = [source for source in answer.sources if source.cited]
    lines = [answer.text]
    if cited:
        lines += ["", "References", *(f"[{s.n}] {s.title}{_dated(s)}" for s in cited)]
    return "\n".join(lines)


def write_markdown(turns: Sequence[Turn], papers: Mapping[str, Paper]) -> str:
    """Return a conversation as Markdown: answers, then every cited sentence verbatim."""
    del papers
    parts = ["# Conversation with the papers"]
    for turn in turns:
        answer = turn.answer
        parts.append(f"## {_escape_markdown(answer.question)}")
        parts.append(_escape_markdown(answer.text))
        if answer.status == "abstained":
            parts.append(f"*{_escape_markdown(answer.reason or '')}*")
        titles = {source.n: source for source in answer.sources}
        for n, quotes in _quotes_of(answer).items():
            source = titles[n]
            parts.append(f"- \\[{n}\\] **{_escape_markdown(source.title)}**{_dated(source)}")
            parts.extend(f"  > {_escape_markdown(quote)}" for quote in quotes)
    return "\n\n".join(parts) + "\n"


def write_bibtex(turns: Sequence[Turn], papers: Mapping[str, Paper]) -> str:
    """Return every cited paper of a conversation as a BibTeX entry."""
    entries = []
    seen: set[str] = set()
    for turn in turns:
        for source in turn.answer.sources:
            if source.cited and source.paper_id not in seen:
                seen.add(source.paper_id)
                entries.append(_write_entry(source, papers.get(source.paper_id)))
    return "\n".join(entries)


def write_json(turns: Sequence[Turn], papers: Mapping[str, Paper]) -> str:
    """Return a conversation as the JSON that `ask --batch` prints for turns."""
    del papers
    record = contract.ConversationRecord(
        id=None, turns=[contract.make_answer(turn.answer) for turn in turns]
    )
    return json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=2) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Sequence[Turn], Mapping[str, Paper]], str]]] = {
    "md": ("text/markdown", write_markdown),
    "bib": ("application/x-bibtex", write_bibtex),
    "json": ("application/json", write_json),
}


def export_talk(
    turns: Sequence[Turn], papers: Mapping[str, Paper], format: str
) -> tuple[str, str, str]:
    """Return (file name, media type, text) of a conversation.

    Raises:
        UsageError: there is no such format, or nothing to export.
    """
    if format not in FORMATS:
        raise UsageError(
            f"There is no export format {format!r}.", hint=f"one of {', '.join(FORMATS)}"
        )
    if not turns:
        raise UsageError("There is nothing to export yet.", hint="ask a question first")
    media_type, write = FORMATS[format]
    return f"conversation.{format}", media_type, write(turns, papers)


def _quotes_of(answer: Answer) -> dict[int, list[str]]:
    quotes: dict[int, list[str]] = {}
    for sentence in answer.sentences:
        for citation in sentence.evidence:
            own = quotes.setdefault(citation.n, [])
            if citation.evidence.quote not in own:
                own.append(citation.evidence.quote)
    return quotes


def _dated(source: Source) -> str:
    return f" ({source.date})" if source.date else ""


def _escape_markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _write_entry(source: Source, paper: Paper | None) -> str:
    fields = {"title": "{" + escape_bibtex(source.title) + "}"}
    if paper is not None and paper.authors:
        fields["author"] = " and ".join(escape_bibtex(author) for author in paper.authors)
    if source.date:
        fields["year"] = source.date[:4]
    if paper is not None and paper.url:
        fields["url"] = paper.url.translate(_BIBTEX_BRACES)
    key = re.sub(r"[^A-Za-z0-9:_-]", "", source.paper_id) or f"paper{source.n}"
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{body}\n}}\n"
