"""Records with named fields: JSON Lines, JSON, CSV and TSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from askpapers.corpus.dates import parse_date
from askpapers.corpus.entries import Entry, Rejected

_TITLE = ("title",)
_ABSTRACT = ("abstract", "summary")
_ID = ("id", "paper_id")
_DATE = ("date", "published", "publication_date", "year")
_AUTHORS = ("authors", "author")
_URL = ("url", "link")
_LISTS = ("papers", "entries", "items", "data", "results")
_MAX_DOCUMENT_CHARS = 64 * 2**20


def parse_jsonl(lines: Iterable[tuple[int, str]], *, file: str) -> Iterator[Entry | Rejected]:
    """Yield one entry for every line that holds a JSON object."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as exc:
            yield Rejected(file, number, f"is not JSON: {_why(exc)}")
            continue
        yield read_record(record, file=file, line=number)


def parse_json(lines: Iterable[tuple[int, str]], *, file: str) -> Iterator[Entry | Rejected]:
    """Yield the records of a JSON document: a list of objects, an object, or one holding a list.

    A list is read record by record; other documents are held whole, up to 64 Mi characters.
    """
    buffer = _Buffer(lines)
    if buffer.peek() == "[":
        yield from _parse_list(buffer, file)
        return
    try:
        document = json.loads(buffer.read_all(_MAX_DOCUMENT_CHARS))
    except (ValueError, RecursionError) as exc:
        yield Rejected(file, getattr(exc, "lineno", 1), f"is not JSON: {_why(exc)}")
        return
    records: Any = [document]
    if isinstance(document, dict) and "title" not in document:
        records = next((document[k] for k in _LISTS if isinstance(document.get(k), list)), records)
    for record in records:
        yield read_record(record, file=file, line=1)


def parse_csv(
    lines: Iterable[tuple[int, str]], *, file: str, delimiter: str
) -> Iterator[Entry | Rejected]:
    """Yield the rows of a table whose header names at least a title and an abstract."""
    # Quoted fields may hold line ends; a stray quote must not swallow the file.
    csv.field_size_limit(2**20)
    last_line = 0

    def texts() -> Iterator[str]:
        nonlocal last_line
        for number, line in lines:
            last_line = number
            yield line + "\n"

    rows = csv.reader(texts(), delimiter=delimiter)
    try:
        header = [name.strip().casefold() for name in next(rows, [])]
    except csv.Error as exc:
        yield Rejected(file, 1, f"is not a table: {exc}")
        return
    if not set(header) & set(_TITLE) or not set(header) & set(_ABSTRACT):
        yield Rejected(file, 1, "is a table without a column 'title' and a column 'abstract'")
        return
    start = last_line + 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as exc:
            yield Rejected(file, start, f"is not a row of the table: {exc}")
            start = last_line + 1
            continue
        if any(cell.strip() for cell in row):
            yield read_record(dict(zip(header, row, strict=False)), file=file, line=start)
        start = last_line + 1


def is_table(head: str, delimiter: str) -> bool:
    """Tell whether the first line of `head` names the columns of a table of papers."""
    first = next(csv.reader(head.splitlines()[:1], delimiter=delimiter), [])
    names = {name.strip().casefold() for name in first}
    return bool(names & set(_TITLE) and names & set(_ABSTRACT))


def split_names(text: str) -> list[str]:
    """Return the names in one string, parted by semicolons or "and", else by commas."""
    for separator in (";", " and "):
        if separator in text:
            return [name.strip() for name in text.split(separator) if name.strip()]
    return [name.strip() for name in text.split(",") if name.strip()]


def read_record(record: object, *, file: str, line: int) -> Entry | Rejected:
    """Return the entry that a record with named fields describes."""
    if not isinstance(record, Mapping):
        return Rejected(file, line, f"is not an object but {type(record).__name__}")
    values = {
        "title": _find(record, _TITLE),
        "abstract": _find(record, _ABSTRACT),
        "url": _find(record, _URL),
    }
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            return Rejected(file, line, f"has a {name} that is not a text")
    paper_id = _find(record, _ID)
    if paper_id is not None and (isinstance(paper_id, bool) or not isinstance(paper_id, str | int)):
        return Rejected(file, line, "has an id that is neither a text nor a whole number")
    date_text = _find(record, _DATE)
    date_text = str(date_text).strip() if isinstance(date_text, str | int) else None
    authors, count = _read_authors(_find(record, _AUTHORS), record.get("authors_count"))
    comments = record.get("comments")
    return Entry(
        title=values["title"] or "",
        abstract=values["abstract"] or "",
        file=file,
        line=line,
        paper_id=str(paper_id) if paper_id is not None else None,
        authors_count=count,
        authors=authors,
        date=parse_date(date_text) if date_text else None,
        date_text=date_text[:100] or None if date_text else None,
        comments=comments if type(comments) is int and comments >= 0 else None,
        url=(values["url"] or "").strip() or None,
    )


def _find(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def _read_authors(value: Any, stated: Any) -> tuple[tuple[str, ...], int | None]:
    """Return the names (texts, or objects with a name) and their number, as far as stated."""
    count = stated if type(stated) is int and stated > 0 else None
    if type(value) is int and value > 0:
        return (), value
    if isinstance(value, str):
        value = split_names(value)
    if not isinstance(value, list):
        return (), count
    names = [item.get("name") if isinstance(item, Mapping) else item for item in value]
    texts = tuple(name for name in names if isinstance(name, str) and name.strip())
    return texts, count or len(texts) or None


class _Buffer:
    """A growing window on a JSON text, with the line on which it begins."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self._lines = iter(lines)
        self.text = ""
        self.line = 1

    def more(self, chars: int) -> bool:
        """Read about `chars` more; tell whether there was any."""
        parts: list[str] = []
        size = 0
        while size < chars:
            following = next(self._lines, None)
            if following is None:
                break
            parts.append(following[1] + "\n")
            size += len(parts[-1])
        self.text += "".join(parts)
        return bool(parts)

    def peek(self) -> str:
        """Return the next character that is not whitespace, or "" at the end."""
        while True:
            stripped = self.text.lstrip()
            self.line += self.text[: len(self.text) - len(stripped)].count("\n")
            self.text = stripped
            if stripped or not self.more(2**16):
                return stripped[:1]

    def drop(self, chars: int) -> None:
        """Forget the first `chars` characters."""
        self.line += self.text[:chars].count("\n")
        self.text = self.text[chars:]

    def read_all(self, limit: int) -> str:
        """Return everything that is left.

        Raises:
            ValueError: it has more than `limit` characters.
        """
        while self.more(2**20):
            if len(self.text) > limit:
                raise ValueError(f"a document of more than {limit // 2**20} Mi characters")
        return self.text


def _parse_list(buffer: _Buffer, file: str) -> Iterator[Entry | Rejected]:
    """Yield the records of a JSON list one by one, holding only one of them."""
    decoder = json.JSONDecoder()
    buffer.drop(1)
    while (character := buffer.peek()) != "]":
        if character == ",":
            buffer.drop(1)
            continue
        step = 2**16
        while True:
            try:
                record, end = decoder.raw_decode(buffer.text)
            except (ValueError, RecursionError) as exc:
                # The record may go on behind the window; each step doubles it.
                if len(buffer.text) < _MAX_DOCUMENT_CHARS and buffer.more(step):
                    step *= 2
                    continue
                yield Rejected(file, buffer.line, f"is not JSON: {_why(exc)}")
                return
            break
        yield read_record(record, file=file, line=buffer.line)
        buffer.drop(end)


def _why(exc: BaseException) -> str:
    if isinstance(exc, RecursionError):
        return "nested too deeply"
    return exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
