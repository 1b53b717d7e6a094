"""What a parser yields: one listing of a paper, or a place in a file that could not be taken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One listing of a paper as a file gives it, texts already repaired.

    `line` is the 1-based line of its title (or of its record's start). `paper_id` is an id that
    the file states, not a derived one. Dates as in `domain.Paper`.
    """

    title: str
    abstract: str
    file: str
    line: int
    paper_id: str | None = None
    authors_count: int | None = None
    authors: tuple[str, ...] = ()
    date: str | None = None
    date_text: str | None = None
    date_not_before: str | None = None
    comments: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A listing, or a whole file (line 1), that was not taken, and why.

    `reason` completes the sentence "The listing ...".
    """

    file: str
    line: int
    reason: str
