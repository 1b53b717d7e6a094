"""Text repair where it is certain, and none of formulas; the checks that every entry passes."""

from __future__ import annotations

import re

from askpapers.corpus.entries import Entry, Rejected

MAX_TITLE_CHARS = 2_000
MAX_ABSTRACT_CHARS = 50_000
MAX_AUTHORS = 10_000
_MAX_ID_CHARS = 200

# A dump that lost the backslash and u of \\u2013 prints "x2013" between two words. Only general
# punctuation (dashes and quotation marks) is put back; "x2013" after a space stays.
_LOST_ESCAPE = re.compile(r"(?<=[A-Za-z)\]])x(2013|2014|2018|2019|201c|201d|2026)(?=[A-Za-z(\[ ])")
_ESCAPED_PERCENT = re.compile(r"(?<=\d)(\s?)\\%")
_SPACES = re.compile(r"[^\S\n]+|\s*\n\s*")
_INVISIBLE = re.compile(
    # zero width space and no-break, soft hyphen, direction marks and overrides, and control
    # characters other than whitespace: they change how a text is shown, not what it says
    "[\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a-\u202e\u2066-\u2069\x01-\x08\x0e-\x1b\x7f]"
)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


def repair_text(text: str) -> str:
    """Return `text` on one line with single spaces and the certain repairs made."""
    text = _INVISIBLE.sub("", text)
    text = _LOST_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    text = _ESCAPED_PERCENT.sub(r"\1%", text)
    return _SPACES.sub(" ", text).strip()


def check_entry(entry: Entry) -> Entry | Rejected:
    """Return the entry with its texts repaired, or why it cannot be taken."""
    reason = _find_fault(entry)
    if reason:
        return Rejected(entry.file, entry.line, reason)
    title, abstract = repair_text(entry.title), repair_text(entry.abstract)
    if not title:
        return Rejected(entry.file, entry.line, "has no title")
    if not abstract:
        return Rejected(entry.file, entry.line, f"has no abstract: {shorten(title)!r}")
    return Entry(
        title=title,
        abstract=abstract,
        file=entry.file,
        line=entry.line,
        paper_id=(entry.paper_id or "").strip() or None,
        authors_count=entry.authors_count if entry.authors_count else len(entry.authors) or None,
        authors=tuple(name for name in map(repair_text, entry.authors) if name),
        date=entry.date,
        date_text=entry.date_text,
        date_not_before=entry.date_not_before,
        comments=entry.comments,
        url=entry.url,
    )


def shorten(text: str, width: int = 60) -> str:
    """Return `text` on one line, cut to `width` characters."""
    line = " ".join(text[: width * 4].split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _find_fault(entry: Entry) -> str | None:
    """Return what makes an entry unusable as a whole, or None."""
    if len(entry.title) > MAX_TITLE_CHARS:
        return f"has a title of {len(entry.title):,} characters (at most {MAX_TITLE_CHARS:,})"
    if len(entry.abstract) > MAX_ABSTRACT_CHARS:
        return (
            f"has an abstract of {len(entry.abstract):,} characters"
            f" (at most {MAX_ABSTRACT_CHARS:,}): {shorten(entry.title)!r}"
        )
    if len(entry.authors) > MAX_AUTHORS:
        return f"has {len(entry.authors):,} authors (at most {MAX_AUTHORS:,})"
    texts = (entry.title, entry.abstract, entry.paper_id or "", entry.url or "", *entry.authors)
    if any(_NOT_TEXT.search(text) for text in texts):
        return f"holds NUL characters or bytes that are not UTF-8: {_printable(entry.title)!r}"
    if entry.paper_id and (
        len(entry.paper_id) > _MAX_ID_CHARS or not entry.paper_id.strip().isprintable()
    ):
        return f"has an unusable id {shorten(entry.paper_id)!r}"
    return None


def _printable(text: str) -> str:
    return shorten(_NOT_TEXT.sub("�", text))
