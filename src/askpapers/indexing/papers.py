"""The papers of one index as a read-only mapping that opens at once, on SQLite.

Beside each paper stand the spans of its passages and sentences and the row of its first
vector: rows follow the papers, each paper's passages before its sentences.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from askpapers.domain import Filters, Listing, Paper, Span
from askpapers.errors import IndexDamaged

_SCHEMA = """
CREATE TABLE paper (
    position INTEGER PRIMARY KEY, paper_id TEXT UNIQUE NOT NULL, first_row INTEGER NOT NULL,
    passages TEXT NOT NULL, sentences TEXT NOT NULL, date TEXT, record TEXT NOT NULL
);
CREATE TABLE listing (paper_id TEXT NOT NULL, file TEXT NOT NULL);
CREATE INDEX listing_file ON listing (file);
"""

_BOUND = "json_extract(record, '$.date_not_before')"
"""Read from the record: only papers without a date need it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a paper's pieces lie: spans in its abstract, rows in the vector file."""

    first_row: int
    passages: tuple[Span, ...]
    sentences: tuple[Span, ...]

    def spans(self, kind: str) -> tuple[Span, ...]:
        """Return the spans of a kind ("passages" or "sentences")."""
        return self.passages if kind == "passages" else self.sentences

    def rows(self, kind: str) -> range:
        """Return the rows of a kind."""
        middle = self.first_row + len(self.passages)
        if kind == "passages":
            return range(self.first_row, middle)
        return range(middle, middle + len(self.sentences))


def item_id(paper_id: str, kind: str, index: int) -> str:
    """Return the id of a paper's passage or sentence in the vector index."""
    return f"{paper_id}#{kind[0]}{index}"


def split_item_id(item: str) -> tuple[str, int]:
    """Return (paper id, index) of an item id.

    Raises:
        ValueError: it is none.
    """
    paper_id, mark, tail = item.rpartition("#")
    if not mark or not tail[1:].isdecimal():
        raise ValueError(item)
    return paper_id, int(tail[1:])


class PaperWriter:
    """Writes the papers of a new index, in order."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        self._database.execute("BEGIN")
        self._position = 0
        self._row = 0

    def add(self, paper: Paper, passages: Sequence[Span], sentences: Sequence[Span]) -> None:
        """Append a paper and the spans of its pieces."""
        self._database.execute(
            "INSERT INTO paper VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._position,
                paper.paper_id,
                self._row,
                _dump_spans(passages),
                _dump_spans(sentences),
                paper.date,
                dump_paper(paper),
            ),
        )
        self._database.executemany(
            "INSERT INTO listing VALUES (?, ?)",
            {(paper.paper_id, listing.file) for listing in paper.listings},
        )
        self._position += 1
        self._row += len(passages) + len(sentences)

    def close(self) -> None:
        """Commit and close."""
        self._database.execute("COMMIT")
        self._database.close()


class PaperTable(Mapping[str, Paper]):
    """Papers by id, in corpus order; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        # immutable: no lock file is made, and a read-only home will do
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as exc:
            raise IndexDamaged(f"The papers in {str(path)!r} don't open: {exc}.") from exc
        self._count = int(self._rows("SELECT count(*) FROM paper")[0][0])
        self._load_paper = lru_cache(maxsize=4096)(self._read_paper)
        self._load_layout = lru_cache(maxsize=65_536)(self._read_layout)

    def __getitem__(self, paper_id: str) -> Paper:
        return self._load_paper(paper_id)

    def __iter__(self) -> Iterator[str]:
        return iter([row[0] for row in self._rows("SELECT paper_id FROM paper ORDER BY position")])

    def __len__(self) -> int:
        return self._count

    def __contains__(self, paper_id: object) -> bool:
        return bool(self._rows("SELECT 1 FROM paper WHERE paper_id = ?", (paper_id,)))

    def layout(self, paper_id: str) -> Layout:
        """Return where a paper's pieces lie.

        Raises:
            KeyError: no such paper.
        """
        return self._load_layout(paper_id)

    def count_pieces(self) -> tuple[int, int]:
        """Return the numbers of passages and sentences."""
        row = self._rows(
            "SELECT total(json_array_length(passages)), total(json_array_length(sentences))"
            " FROM paper"
        )[0]
        return int(row[0]) // 2, int(row[1]) // 2

    def find(self, filters: Filters) -> frozenset[str] | None:
        """Return the ids of the papers that pass, or None when all do.

        A date that states less than the filter passes where its whole range may: `2023` passes
        since 2023-05. Of a paper without a date but with a lower bound, `since` wants proof: it
        passes where the bound does; `until` leaves out only what the bound proves to be newer.
        Papers with neither pass no date filter.
        """
        conditions: list[str] = []
        values: list[str] = []
        if filters.since:
            conditions.append(f"ifnull(date >= substr(?, 1, length(date)), {_BOUND} >= ?)")
            values += [filters.since] * 2
        if filters.until:
            conditions.append(
                "ifnull(substr(date, 1, length(?)) <= substr(?, 1, length(date)),"
                f" substr({_BOUND}, 1, length(?)) <= ?)"
            )
            values += [filters.until] * 4
        if filters.files:
            marks = ", ".join("?" * len(filters.files))
            conditions.append(f"paper_id IN (SELECT paper_id FROM listing WHERE file IN ({marks}))")
            values += filters.files
        if not conditions and not filters.paper_ids:
            return None
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        found = frozenset(
            row[0] for row in self._rows(f"SELECT paper_id FROM paper{where}", values)
        )
        return found & frozenset(filters.paper_ids) if filters.paper_ids else found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(query, tuple(values)).fetchall()
        except sqlite3.DatabaseError as exc:
            raise IndexDamaged(f"The papers in {str(self._path)!r} are damaged: {exc}.") from exc

    def _read_paper(self, paper_id: str) -> Paper:
        rows = self._rows("SELECT record FROM paper WHERE paper_id = ?", (paper_id,))
        if not rows:
            raise KeyError(paper_id)
        return load_paper(rows[0][0])

    def _read_layout(self, paper_id: str) -> Layout:
        rows = self._rows(
            "SELECT first_row, passages, sentences FROM paper WHERE paper_id = ?", (paper_id,)
        )
        if not rows:
            raise KeyError(paper_id)
        first_row, passages, sentences = rows[0]
        return Layout(int(first_row), _load_spans(passages), _load_spans(sentences))


def dump_paper(paper: Paper) -> str:
    """Return a paper as one line of JSON, without the fields that it leaves out."""
    fields = {k: v for k, v in asdict(paper).items() if v not in (None, ())}
    return json.dumps(fields, ensure_ascii=False)


def load_paper(line: str) -> Paper:
    """Return the paper that `dump_paper` wrote."""
    fields = json.loads(line)
    for name in ("authors", "variants"):
        fields[name] = tuple(fields.get(name, ()))
    fields["listings"] = tuple(Listing(**item) for item in fields.get("listings", ()))
    return Paper(**fields)


def _dump_spans(spans: Sequence[Span]) -> str:
    return json.dumps([edge for span in spans for edge in (span.start, span.end)])


def _load_spans(text: str) -> tuple[Span, ...]:
    edges = json.loads(text)
    return tuple(Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=True))
