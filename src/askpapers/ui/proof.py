"""HTML of the evidence column: ranked papers, whole abstracts, the sentences that prove, marked.

Before the answer is there, the sentences that the model will read are marked; then those that the
answer cites, more strongly. Every turn has a section of its own; one is shown at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from askpapers.domain import Evidence, Paper, Source
from askpapers.ui.answers import anchor_of
from askpapers.ui.asking import Frame
from askpapers.ui.talks import Turn

EMPTY = '<p class="ap-empty">The papers behind an answer appear here, before the answer does.</p>'


@dataclass(frozen=True, slots=True)
class _Marked:
    evidence: Evidence
    cited: bool


def render_proofs(
    turns: Sequence[Turn], papers: Mapping[str, Paper], *, show_last: bool = True
) -> str:
    """Return the sections of all finished turns, of which at most the last is shown."""
    return "".join(
        _render_section(
            number,
            turn.answer.question,
            turn.answer.sources,
            _marks_of(turn),
            papers,
            shown=show_last and number == len(turns),
            is_final=True,
        )
        for number, turn in enumerate(turns, 1)
    )


def render_found(frame: Frame, number: int) -> str:
    """Return the section of a search whose answer is still being written."""
    if frame.found is None:
        return ""
    result = frame.found.result
    marks: dict[str, list[_Marked]] = {}
    for evidence in result.evidence:
        marks.setdefault(evidence.paper_id, []).append(_Marked(evidence, cited=False))
    papers = {hit.paper.paper_id: hit.paper for hit in result.hits}
    return _render_section(
        number,
        frame.ask.question,
        frame.found.sources,
        marks,
        papers,
        shown=True,
        is_final=False,
    )


def mark_abstract(abstract: str, marked: Sequence[_Marked], n: int, turn: int) -> str:
    """Return an abstract escaped, with the marked sentences as elements that can be jumped to.

    Overlapping sentences are cut into pieces; each piece lists the sentences it belongs to, so
    that exactly one sentence can be shown whatever it shares with others.
    """
    edges = sorted(
        {0, len(abstract)}
        | {min(edge, len(abstract)) for m in marked for edge in (m.evidence.start, m.evidence.end)}
    )
    parts = []
    seen: set[str] = set()
    for start, end in pairwise(edges):
        text = escape(abstract[start:end])
        inside = [m for m in marked if m.evidence.start <= start and end <= m.evidence.end]
        if not inside:
            parts.append(text)
            continue
        anchors = list(dict.fromkeys(anchor_of(turn, n, m.evidence) for m in inside))
        begins = [a for a in anchors if a not in seen]
        seen.update(anchors)
        own_id = f' id="{begins[0]}"' if begins else ""
        kind = "ap-cited" if any(m.cited for m in inside) else "ap-read"
        parts.append(
            f'<mark{own_id} class="{kind}" tabindex="-1" data-of="{" ".join(anchors)}">'
            f"{text}</mark>"
        )
    return "".join(parts)


def _render_section(
    turn: int,
    question: str,
    sources: Sequence[Source],
    marks: Mapping[str, Sequence[_Marked]],
    papers: Mapping[str, Paper],
    *,
    shown: bool,
    is_final: bool,
) -> str:
    groups: list[tuple[str, list[Source]]]
    if is_final:
        groups = [
            ("Cited", [s for s in sources if s.cited]),
            ("Read, not cited", [s for s in sources if s.read and not s.cited]),
            ("Found, not read", [s for s in sources if not s.read and not s.cited]),
        ]
    else:
        groups = [("Found", list(sources))]
    body = "".join(
        f'<h4 class="ap-group">{label} ({len(group)})</h4>'
        + "".join(_render_card(s, papers, marks.get(s.paper_id, ()), turn) for s in group)
        for label, group in groups
        if group
    )
    hidden = "" if shown else " hidden"
    return (
        f'<section class="ap-proof" data-turn="{turn}"{hidden} aria-label="Evidence for question '
        f'{turn}"><p class="ap-for">for “{escape(question)}”</p>'
        f"{body or '<p class=ap-empty>No paper was found.</p>'}</section>"
    )


def _render_card(
    source: Source, papers: Mapping[str, Paper], marked: Sequence[_Marked], turn: int
) -> str:
    paper = papers.get(source.paper_id)
    facts = [source.date or (paper.date_text if paper else None) or "date unknown"]
    if paper is None:
        abstract = "<em>This paper is no longer in the index.</em>"
    else:
        abstract = mark_abstract(paper.abstract, marked, source.n, turn)
        facts += sorted({listing.file for listing in paper.listings})
    is_open = " open" if marked else ""
    return (
        f'<details class="ap-card"{is_open} id="card-t{turn}-s{source.n}">'
        f'<summary><span class="ap-n">{source.n}</span> '
        f'<span class="ap-title">{escape(source.title)}</span></summary>'
        f'<p class="ap-facts">{escape(" · ".join(facts))}</p>'
        f'<p class="ap-abstract">{abstract}</p></details>'
    )


def _marks_of(turn: Turn) -> dict[str, list[_Marked]]:
    marks: dict[str, list[_Marked]] = {}
    for sentence in turn.answer.sentences:
        for citation in sentence.evidence:
            own = marks.setdefault(citation.evidence.paper_id, [])
            own.append(_Marked(citation.evidence, cited=True))
    for evidence in turn.shown:
        marks.setdefault(evidence.paper_id, []).append(_Marked(evidence, cited=False))
    return marks
