"""What the corpus tab does: the table, one paper, files added, the map. No Gradio here."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from askpapers.domain import Paper
from askpapers.errors import AskPapersError, WorkFailed
from askpapers.ui.asking import Asking
from askpapers.ui.mapping import MAX_POINTS, PaperMap, make_map, render_map

if TYPE_CHECKING:
    from askpapers.app import App
    from askpapers.indexing import IndexInfo

_log = logging.getLogger(__name__)
MAX_ROWS = 200
"""Rows of the table that are drawn; a search makes them fewer."""
_MAX_LINES = 20
ORDERS: Mapping[str, tuple[Callable[[Paper], object], bool]] = {
    "Newest first": (lambda paper: paper.date or paper.date_not_before or "", True),
    "Oldest first": (lambda paper: paper.date or paper.date_not_before or "9", False),
    "Title": (lambda paper: paper.title.casefold(), False),
    "Most discussed": (lambda paper: paper.comments or 0, True),
    "Most authors": (lambda paper: paper.authors_count or 0, True),
}
SUFFIXES = (".txt", ".html", ".json", ".jsonl", ".csv", ".tsv", ".bib", ".ris", ".xml", ".gz")
"""What may be dropped on the page; the reader looks at the content anyway."""


@dataclass(frozen=True, slots=True)
class _Row:
    paper: Paper
    text: str


class Shelf:
    """The papers of one program as the corpus tab shows them."""

    def __init__(self, program: App, asking: Asking) -> None:
        """Read nothing yet; `asking` holds the lock under which the index may change."""
        self._program = program
        self._asking = asking
        self._lock = threading.Lock()
        self._rows: list[_Row] = []
        self._map: PaperMap | None = None
        self._of: object = None

    def render_table(self, search: str, order: str, files: Sequence[str]) -> str:
        """Return the papers that hold every word searched, from any of these files."""
        words = search.casefold().split()
        found = [
            row.paper
            for row in self._read()
            if all(word in row.text for word in words)
            and (not files or any(listing.file in files for listing in row.paper.listings))
        ]
        key, descending = ORDERS.get(order, ORDERS["Newest first"])
        found.sort(key=key, reverse=descending)  # type: ignore[arg-type]
        shown = found[:MAX_ROWS]
        more = f", the first {MAX_ROWS} shown" if len(found) > MAX_ROWS else ""
        body = "".join(_render_row(paper) for paper in shown)
        return (
            f'<p class="ap-count" role="status">{len(found)} of {len(self._rows)} papers{more}</p>'
            '<div class="ap-scroll" tabindex="0" role="region" aria-label="Papers">'
            '<table class="ap-table"><thead><tr><th scope="col">Title</th>'
            '<th scope="col">Date</th><th scope="col">Authors</th><th scope="col">Comments</th>'
            f'<th scope="col">Files</th></tr></thead><tbody>{body}</tbody></table></div>'
        )

    def render_paper(self, paper_id: str) -> str:
        """Return one paper as it stands in the corpus, with a button that asks about it."""
        paper = self._program.papers().get(paper_id)
        if paper is None:
            return '<p class="ap-empty">This paper is no longer in the index.</p>'
        facts = [paper.date or paper.date_text or "date unknown"]
        if paper.authors:
            facts.append(", ".join(paper.authors))
        elif paper.authors_count:
            facts.append(f"{paper.authors_count} authors")
        facts += [f"{listing.file}, line {listing.line}" for listing in paper.listings]
        facts.append(paper.paper_id)
        link = f'<p class="ap-facts">{escape(paper.url)}</p>' if paper.url else ""
        return (
            f'<article class="ap-paper"><h3 tabindex="-1" id="ap-opened">{escape(paper.title)}</h3>'
            f'<p class="ap-facts">{escape(" · ".join(facts))}</p>{link}'
            f'<p class="ap-abstract">{escape(paper.abstract)}</p>'
            '<button type="button" class="ap-button" data-action="about" data-event="select" '
            f'data-paper="{escape(paper.paper_id)}">Ask about this paper</button></article>'
        )

    def render_map(self, highlighted: Collection[str]) -> str:
        """Return the map; computed once for each state of the index, in a second or two."""
        self._read()
        with self._lock:
            if self._map is None:
                papers = [row.paper for row in self._rows[:MAX_POINTS]]
                vectors = self._program.open_index().centres([p.paper_id for p in papers])
                self._map = make_map(papers, vectors)
            return render_map(self._map, highlighted=highlighted)

    def add(self, paths: Sequence[str]) -> Iterator[str]:
        """Add files to the index; yield HTML that says how far it is, at last what came of it."""
        news: queue.SimpleQueue[str | AskPapersError | IndexInfo | None] = queue.SimpleQueue()

        def tell(done: int, total: int, label: str) -> None:
            news.put(f"{label} {done:,} of {total:,}" if total else label)

        def work() -> None:
            try:
                with self._asking.searching:
                    news.put(self._program.add_to_index(paths, progress=tell))
            except AskPapersError as exc:
                news.put(exc)
            except Exception:  # the page must say so whatever it was; the log has the rest
                _log.exception("adding files failed")
                news.put(WorkFailed("The files could not be added; the terminal shows why."))
            finally:
                news.put(None)

        threading.Thread(target=work, name="adding", daemon=True).start()
        while (item := news.get()) is not None:
            if isinstance(item, AskPapersError):
                hint = f' <span class="ap-hint">{escape(item.hint)}</span>' if item.hint else ""
                yield f'<p class="ap-error" role="alert">{escape(item.message)}{hint}</p>'
            elif isinstance(item, str):
                yield f'<p role="status">{escape(item)}</p>'
            else:
                yield _render_info(item)

    def _read(self) -> list[_Row]:
        """Return the rows of the index in force, read again when it has changed."""
        index = self._program.open_index()
        with self._lock:
            if self._of is not index:
                self._rows = [
                    _Row(paper, f"{paper.title} {paper.abstract} {paper.paper_id}".casefold())
                    for paper in index.papers.values()
                ]
                self._map = None
                self._of = index
            return self._rows


def _render_info(info: IndexInfo) -> str:
    """Say what came of an addition, with every file or record that was turned away."""
    lines = "".join(f"<li>{escape(line)}</li>" for line in info.report_lines[:_MAX_LINES])
    what = "Done" if info.changed else "Nothing new in it"
    return (
        f'<p role="status">{what}: {info.papers:,} papers now.</p><ul class="ap-notes">{lines}</ul>'
    )


def _render_row(paper: Paper) -> str:
    files = ", ".join(dict.fromkeys(listing.file for listing in paper.listings))
    cells = [
        paper.date or paper.date_text or "",
        str(paper.authors_count or len(paper.authors) or ""),
        "" if paper.comments is None else str(paper.comments),
        files,
    ]
    return (
        '<tr><th scope="row"><button type="button" class="ap-link" data-action="open" '
        f'data-event="select" data-paper="{escape(paper.paper_id)}">{escape(paper.title)}</button>'
        f"</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    )
