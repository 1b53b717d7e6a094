"""Saved "Daily Papers" pages in their two layouts.

Blocks: title, abstract, `• N authors`, `·`, a date that a number of comments may follow, with
blank lines between. Bare: lines of title and abstract in turn, the first title glued to
`Subscribe`. A block may lack its metadata. Both are read by one machine: text lines pair up as
title and abstract, metadata belongs to the pair before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from askpapers.corpus.dates import find_lower_bound, parse_date
from askpapers.corpus.entries import Entry, Rejected
from askpapers.corpus.repair import shorten

_BANNERS = (
    "Get trending papers in your email inbox!",
    "Get trending papers in your email inbox once a day!",
    "Daily Papers",
    "byAK and the research community",
)
_HEADER = {"new", "Subscribe", *_BANNERS}
_GLUED = re.compile(r"Subscribe(?=\S)")
_AUTHORS = re.compile(r"•\s*(\d{1,6}) authors?")
_DOT = "·"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATE = re.compile(rf"({_MONTH} \d{{1,2}}(?:, (\d{{4}}))?)(?: (\d{{1,6}}))?")

_MAX_TITLE = 300
_SURE_ABSTRACT = 150
"""Longer lines are abstracts wherever a title waits for one; the seeds' longest title has 141."""


def is_page(head: str) -> bool:
    """Tell whether a file that starts with `head` is a saved Daily Papers page."""
    lines = {line.strip() for line in head.splitlines()}
    return any(banner in lines for banner in _BANNERS) or any(map(_AUTHORS.fullmatch, lines))


def find_newest_year(lines: Iterable[tuple[int, str]]) -> int | None:
    """Return the newest year that a page prints in its metadata, or None."""
    newest = None
    after_dot = False
    for _, line in lines:
        text = line.strip()
        if not text:
            continue
        match = _DATE.fullmatch(text) if after_dot else None
        if match and match[2]:
            newest = max(newest or 0, int(match[2]))
        after_dot = text == _DOT
    return newest


@dataclass(slots=True)
class _State:
    """Where the machine stands: text lines not yet paired, and the pair open for metadata."""

    waiting: list[tuple[int, str]] = field(default_factory=list)
    open_entry: Entry | None = None
    in_header: bool = True
    after_dot: bool = False


def parse_page(
    lines: Iterable[tuple[int, str]], *, file: str, newest_year: int | None
) -> Iterator[Entry | Rejected]:
    """Yield the listings of a page.

    Args:
        lines: (1-based number, text) of every line.
        file: name of the page for the listings.
        newest_year: `find_newest_year` of the same lines, for the dates without a year.
    """
    state = _State()
    for number, line in lines:
        text = line.strip()
        if not text:
            continue
        if state.in_header and not state.waiting:
            text = _GLUED.sub("", text, count=1)
            if text in _HEADER:
                continue
            if _DATE.fullmatch(text):  # the day of the page itself
                continue
            state.in_header = False
        if _read_metadata(text, state, newest_year):
            # Metadata closes a pair whose abstract is too short to be recognized by length.
            yield from _pair_before_metadata(state, file, text, newest_year)
        else:
            yield from _read_text(number, text, state, file)
    if len(state.waiting) == 2:
        yield from _close(state)
        state.open_entry = _make_entry(state.waiting, file)
        state.waiting = []
    yield from _close(state)
    for waiting in state.waiting:
        yield _no_abstract(waiting, file)


def _read_metadata(text: str, state: _State, newest_year: int | None) -> bool:
    """Add a line of metadata to the open pair; tell whether it was one."""
    authors = _AUTHORS.fullmatch(text)
    date = _DATE.fullmatch(text) if state.after_dot else None
    is_dot = text == _DOT
    state.after_dot = is_dot
    if not (authors or date or is_dot):
        return False
    if state.open_entry is not None and not state.waiting:
        state.open_entry = _add_metadata(state.open_entry, authors, date, newest_year)
    return True


def _add_metadata(
    entry: Entry,
    authors: re.Match[str] | None,
    date: re.Match[str] | None,
    newest_year: int | None,
) -> Entry:
    if authors:
        return replace(entry, authors_count=int(authors[1]))
    if date:
        return replace(
            entry,
            date=parse_date(date[1]),
            date_text=date[1],
            date_not_before=find_lower_bound(date[1], newest_year),
            comments=int(date[3]) if date[3] else None,
        )
    return entry


def _pair_before_metadata(
    state: _State, file: str, text: str, newest_year: int | None
) -> Iterator[Entry | Rejected]:
    """Settle the text lines that wait when a line of metadata arrives."""
    if not state.waiting:
        return
    yield from _close(state)
    if len(state.waiting) == 2:
        entry = _make_entry(state.waiting, file)
        state.open_entry = _add_metadata(entry, _AUTHORS.fullmatch(text), None, newest_year)
    else:
        yield _no_abstract(state.waiting[0], file)
    state.waiting = []


def _read_text(number: int, text: str, state: _State, file: str) -> Iterator[Entry | Rejected]:
    """Take a line of text as a title or as the abstract of the title that waits."""
    if not state.waiting:
        yield from _close(state)
        if len(text) > _MAX_TITLE:
            yield Rejected(file, number, f"is text without a title: {shorten(text)!r}")
        else:
            state.waiting = [(number, text)]
        return
    if len(state.waiting) == 2:
        # Neither of the two was an abstract by its length, and no metadata came: the first is
        # a title without a body, the second may be the title of this line.
        yield _no_abstract(state.waiting.pop(0), file)
    state.waiting.append((number, text))
    if len(text) >= _SURE_ABSTRACT:
        yield from _close(state)
        state.open_entry = _make_entry(state.waiting, file)
        state.waiting = []


def _close(state: _State) -> Iterator[Entry]:
    if state.open_entry is not None:
        yield state.open_entry
        state.open_entry = None


def _make_entry(pair: list[tuple[int, str]], file: str) -> Entry:
    (line, title), (_, abstract) = pair
    return Entry(title=title, abstract=abstract, file=file, line=line)


def _no_abstract(waiting: tuple[int, str], file: str) -> Rejected:
    line, title = waiting
    return Rejected(file, line, f"has no abstract: {shorten(title)!r}")
