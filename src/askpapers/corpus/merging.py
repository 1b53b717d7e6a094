"""From listings to papers: one record a paper, an id that is the same on every machine.

Listings wait in a temporary SQLite file, so that memory does not grow with the corpus. The
order of the listings decides the order of the papers and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from types import TracebackType

from askpapers.corpus.duplicates import link_duplicates
from askpapers.corpus.entries import Entry
from askpapers.domain import Listing, Paper

_SAME_PAPER = 0.25
"""Share of the shorter abstract's word pairs that two abstracts under one title must have in
common to be versions of one paper. Versions of a paper have far more, other papers below 0.1."""


class EntryStore:
    """Listings on disk, and the papers they make.

    Use as a context manager; its file is temporary and goes with it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="askpapers-corpus-", dir=folder)
        self._database = sqlite3.connect(
            Path(self._folder.name) / "entries.sqlite", isolation_level=None
        )
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16384;"
            "CREATE TABLE entry (seq INTEGER PRIMARY KEY, title_key TEXT, given_id TEXT,"
            " paper_id TEXT, record TEXT)"
        )
        self._database.execute("BEGIN")
        self._resolved = False

    def __enter__(self) -> EntryStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM entry").fetchone()[0])

    def add(self, entries: Iterable[Entry]) -> None:
        """Append listings."""
        self._resolved = False
        for entry in entries:
            self._database.execute(
                "INSERT INTO entry (title_key, given_id, record) VALUES (?, ?, ?)",
                (title_key(entry.title), entry.paper_id, dump_entry(entry)),
            )

    def entries(self) -> Iterator[Entry]:
        """Yield the listings in the order in which they were added."""
        for (record,) in self._database.execute("SELECT record FROM entry ORDER BY seq"):
            yield load_entry(record)

    def papers(self) -> Iterator[Paper]:
        """Yield the papers, in the order of their first listings, linked to their variants."""
        self._resolve()
        abstracts = ((paper.paper_id, paper.abstract) for paper in self._merged())
        links = link_duplicates(self._database, abstracts)
        for paper in self._merged():
            variants = links.get(paper.paper_id)
            yield replace(paper, variants=variants) if variants else paper

    def _merged(self) -> Iterator[Paper]:
        # The outer order comes from an index-free sort on disk; one paper is in memory at a time.
        rows = self._database.execute(
            "SELECT entry.paper_id, record FROM entry JOIN"
            " (SELECT paper_id, min(seq) AS first FROM entry GROUP BY paper_id) AS head"
            " ON head.paper_id = entry.paper_id ORDER BY first, seq"
        )
        for paper_id, group in groupby(rows, key=itemgetter(0)):
            yield merge_entries(paper_id, [load_entry(record) for _, record in group])

    def count_papers(self) -> int:
        """Return how many papers the listings make."""
        self._resolve()
        row = self._database.execute("SELECT count(DISTINCT paper_id) FROM entry").fetchone()
        return int(row[0])

    def _resolve(self) -> None:
        """Give every listing the id of its paper."""
        if self._resolved:
            return
        self._database.execute("CREATE INDEX IF NOT EXISTS by_title ON entry (title_key)")
        rows = self._database.execute(
            "SELECT title_key, seq, given_id, record FROM entry ORDER BY title_key, seq"
        )
        updates: list[tuple[str, int]] = []
        for key, group in groupby(rows, key=itemgetter(0)):
            members = list(group)
            if len(members) == 1:
                _, seq, given_id, _ = members[0]
                updates.append((given_id or derive_id(key), seq))
                continue
            ids = resolve_ids(key, [load_entry(record) for *_, record in members])
            updates += [(paper_id, row[1]) for paper_id, row in zip(ids, members, strict=True)]
        self._database.executemany("UPDATE entry SET paper_id = ? WHERE seq = ?", updates)
        self._database.execute("CREATE INDEX IF NOT EXISTS by_paper ON entry (paper_id)")
        self._resolved = True


def title_key(title: str) -> str:
    """Return what two spellings of one title have in common: its letters and digits."""
    folded = unicodedata.normalize("NFKC", title).casefold()
    return "".join(filter(str.isalnum, folded)) or folded.strip()


def resolve_ids(key: str, entries: Sequence[Entry]) -> list[str]:
    """Return the paper id of each of the listings under one title.

    A given id stands. A listing without one joins the paper with a given id whose abstract is
    a version of its own; else its id comes from the title, or, where clearly different
    abstracts stand under that title, from the title and the fullest version of its abstract.
    Nothing depends on the order.
    """
    groups = _group_versions(sorted({entry.abstract for entry in entries}, key=_fullest_first))
    group_of = {abstract: index for index, group in enumerate(groups) for abstract in group}
    given: dict[int, str] = {}
    for entry in entries:
        if entry.paper_id:
            index = group_of[entry.abstract]
            given[index] = min(entry.paper_id, given.get(index, entry.paper_id))
    ids = []
    for entry in entries:
        index = group_of[entry.abstract]
        if entry.paper_id:
            ids.append(entry.paper_id)
        elif index in given:
            ids.append(given[index])
        elif len(groups) == 1:
            ids.append(derive_id(key))
        else:
            ids.append(derive_id(f"{key}\n{groups[index][0]}"))
    return ids


def derive_id(text: str) -> str:
    """Return a paper id made from `text`: `p` and 48 bits of its sha256."""
    return "p" + hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def is_same_abstract(left: str, right: str) -> bool:
    """Tell whether two abstracts under one title can be versions of one paper."""
    if left == right:
        return True
    pairs = [_word_pairs(text) for text in (left, right)]
    smaller = min(map(len, pairs))
    if smaller == 0:
        return title_key(left) == title_key(right)
    return len(pairs[0] & pairs[1]) / smaller >= _SAME_PAPER


def merge_entries(paper_id: str, entries: Sequence[Entry]) -> Paper:
    """Make one paper of its listings: every listing named, the richest metadata kept.

    Title and abstract come from the listing with the longest abstract, each other field from
    the first that states it; of several dates, the most exact. A date without a year gets the
    latest of the proven lower bounds.
    """
    fullest = min(entries, key=lambda entry: (*_fullest_first(entry.abstract), entry.title))
    dated = max(entries, key=lambda entry: (len(entry.date or ""), len(entry.date_text or "")))
    authored = max(entries, key=lambda entry: len(entry.authors))
    bounds = [entry.date_not_before for entry in entries if entry.date_not_before]
    listings = dict.fromkeys(Listing(entry.file, entry.line) for entry in entries)
    comments = [entry.comments for entry in entries if entry.comments is not None]
    return Paper(
        paper_id=paper_id,
        title=fullest.title,
        abstract=fullest.abstract,
        authors_count=next((e.authors_count for e in entries if e.authors_count), None),
        date=dated.date,
        date_text=dated.date_text,
        date_not_before=None if dated.date else max(bounds, default=None),
        comments=max(comments, default=None),
        listings=tuple(listings),
        authors=authored.authors,
        url=next((e.url for e in entries if e.url), None),
    )


def dump_entry(entry: Entry) -> str:
    """Return an entry as one line of JSON, without the fields that it leaves out."""
    fields = {k: v for k, v in asdict(entry).items() if v not in (None, ())}
    return json.dumps(fields, ensure_ascii=False)


def load_entry(line: str) -> Entry:
    """Return the entry that `dump_entry` wrote."""
    fields = json.loads(line)
    fields["authors"] = tuple(fields.get("authors", ()))
    return Entry(**fields)


def _fullest_first(abstract: str) -> tuple[int, str]:
    return -len(abstract), abstract


def _group_versions(abstracts: Sequence[str]) -> list[list[str]]:
    """Group abstracts that are versions of one another; the first of a group stands for it."""
    groups: list[list[str]] = []
    for abstract in abstracts:
        home = next((g for g in groups if is_same_abstract(g[0], abstract)), None)
        if home is None:
            groups.append([abstract])
        else:
            home.append(abstract)
    return groups


def _word_pairs(text: str) -> set[tuple[str, str]]:
    words = re.findall(r"\w+", text.casefold())
    return set(pairwise(words))
