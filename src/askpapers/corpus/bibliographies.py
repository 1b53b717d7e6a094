"""Bibliographies: BibTeX by bibtexparser and RIS by rispy, one entry at a time."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from askpapers.corpus.dates import make_date, parse_date
from askpapers.corpus.entries import Entry, Rejected
from askpapers.corpus.repair import shorten

_MAX_ENTRY_CHARS = 2**20
_BIBTEX_START = re.compile(r"\s*@\s*([A-Za-z]+)\s*[{(]")
_NO_PAPERS = {"comment", "preamble", "string"}
_RIS_TAG = re.compile(r"([A-Z][A-Z0-9])  -(?: (.*))?$")
_BRACES = re.compile(r"(?<!\\)[{}]")


def is_bibtex(head: str) -> bool:
    """Tell whether a text that starts with `head` is BibTeX."""
    return any(_BIBTEX_START.match(line) for line in head.splitlines())


def is_ris(head: str) -> bool:
    """Tell whether a text that starts with `head` is RIS."""
    first = next((line for line in head.splitlines() if line.strip()), "")
    return bool(re.match(r"TY  - ", first))


def parse_bibtex(lines: Iterable[tuple[int, str]], *, file: str) -> Iterator[Entry | Rejected]:
    """Yield the entries that have a title and an abstract; `@string` abbreviations are applied."""
    strings: list[str] = []
    for line, text in _split(lines, lambda text: bool(_BIBTEX_START.match(text))):
        kind = _BIBTEX_START.match(text)
        if kind is None or kind[1].casefold() in _NO_PAPERS:
            if kind is not None and kind[1].casefold() == "string" and len(strings) < 1000:
                strings.append(text)
            continue
        if len(text) > _MAX_ENTRY_CHARS:
            yield Rejected(file, line, f"is an entry of more than {_MAX_ENTRY_CHARS:,} characters")
            continue
        yield _read_bibtex(strings, text, file, line)


def parse_ris(lines: Iterable[tuple[int, str]], *, file: str) -> Iterator[Entry | Rejected]:
    """Yield the references that have a title and an abstract."""
    for line, text in _split(lines, lambda text: text.startswith("TY  - ")):
        if not text.startswith("TY  - "):
            if text.strip():
                yield Rejected(file, line, "is text outside of every reference")
            continue
        if len(text) > _MAX_ENTRY_CHARS:
            yield Rejected(file, line, f"is an entry of more than {_MAX_ENTRY_CHARS:,} characters")
            continue
        yield _read_ris(text, file, line)


def _split(lines: Iterable[tuple[int, str]], starts: Any) -> Iterator[tuple[int, str]]:
    """Yield (first line, text) of each run of lines that begins where `starts` says so.

    A run stops growing, and is yielded too long, once it exceeds what an entry may have.
    """
    first, size = 1, 0
    run: list[str] = []
    for number, text in lines:
        if starts(text):
            if run:
                yield first, "\n".join(run)
            first, run, size = number, [], 0
        if size <= _MAX_ENTRY_CHARS:
            run.append(text)
            size += len(text) + 1
    if run:
        yield first, "\n".join(run)


def _read_bibtex(strings: list[str], text: str, file: str, line: int) -> Entry | Rejected:
    from bibtexparser.entrypoint import parse_string

    # It reports every syntax error to the log as well, from where it would reach the terminal.
    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)
    library = parse_string("\n".join([*strings, text]))
    if not library.entries:
        why = str(library.failed_blocks[0].error).strip() if library.failed_blocks else ""
        return Rejected(file, line, f"is not BibTeX: {shorten(why or 'no whole entry', 120)}")
    entry = library.entries[0]
    fields = {key.casefold(): str(field.value) for key, field in entry.fields_dict.items()}
    names = re.split(r"\s+and\s+", fields.get("author", "").strip())
    url = fields.get("url") or (f"https://doi.org/{fields['doi']}" if fields.get("doi") else None)
    date = parse_date(fields["date"]) if "date" in fields else None
    printed = fields.get("date") or " ".join(
        fields[key] for key in ("month", "year") if fields.get(key)
    )
    return Entry(
        title=_BRACES.sub("", fields.get("title", "")),
        abstract=fields.get("abstract", ""),
        file=file,
        line=line,
        authors=tuple(_turn_name(_BRACES.sub("", name)) for name in names if name.strip()),
        date=date or make_date(fields.get("year"), fields.get("month"), fields.get("day")),
        date_text=printed[:100] or None,
        url=url,
    )


def _read_ris(text: str, file: str, line: int) -> Entry | Rejected:
    import rispy

    # rispy stops the whole file at a line without a tag, but such lines only continue a field.
    tagged: list[str] = []
    for row in text.split("\n"):
        if _RIS_TAG.match(row):
            tagged.append(row if " " in row[5:6] else row + " ")
        elif row.strip() and tagged:
            tagged[-1] = f"{tagged[-1].rstrip()} {row.strip()}"
    if not any(row.startswith("ER  -") for row in tagged):
        tagged.append("ER  - ")
    try:
        references = rispy.loads("\n".join(tagged) + "\n")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as exc:
        return Rejected(file, line, f"is not RIS: {str(exc)[:200]}")
    if not references:
        return Rejected(file, line, "is not RIS: no reference in it")
    fields = references[0]
    title = fields.get("title") or fields.get("primary_title") or ""
    date_text = str(
        fields.get("date") or fields.get("year") or fields.get("publication_year") or ""
    )
    urls = fields.get("urls") or fields.get("url") or ()
    urls = [urls] if isinstance(urls, str) else list(urls)
    if not urls and fields.get("doi"):
        urls = [f"https://doi.org/{fields['doi']}"]
    authors = fields.get("authors") or fields.get("first_authors") or ()
    return Entry(
        title=str(title),
        abstract=str(fields.get("abstract") or fields.get("notes_abstract") or ""),
        file=file,
        line=line,
        authors=tuple(_turn_name(str(name)) for name in authors),
        date=parse_date(date_text) if date_text else None,
        date_text=date_text.strip("/ ")[:100] or None,
        url=urls[0] if urls else None,
    )


def _turn_name(name: str) -> str:
    """Return "Given Family" for "Family, Given"."""
    family, comma, given = name.partition(",")
    return f"{given.strip()} {family.strip()}" if comma and given.strip() else name.strip()
