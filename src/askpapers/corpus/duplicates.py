"""Near-duplicates: papers under different titles or ids whose abstracts are nearly the same.

They are linked, not merged: an id that was given stays an id of its own. Candidates come from
sketches by one-permutation hashing (Li, Owen and Zhang 2012): the word triples of an abstract
are hashed once and parted into bins, the smallest hash of each bin is kept, and two abstracts
that agree in a pair of neighbouring bins are compared in full.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from itertools import combinations, groupby
from operator import itemgetter

NEAR_DUPLICATE = 0.7
"""Share of all word triples of two abstracts that both must have (Jaccard)."""

_BINS = 16
_MOST_IN_A_BAND = 50
"""A pair of bins shared by more papers than this is a phrase of boilerplate, not a paper."""

_LEAST_TRIPLES = 12


def find_triples(text: str) -> set[int]:
    """Return the hashes (32 bits) of the word triples of a text."""
    words = re.findall(r"\w+", text.casefold())
    return {
        zlib.crc32(" ".join(words[start : start + 3]).encode("utf-8", "surrogatepass"))
        for start in range(len(words) - 2)
    }


def find_bands(triples: set[int]) -> Iterator[int]:
    """Yield the keys under which abstracts with many triples in common meet.

    For a Jaccard of 0.7 two abstracts meet with probability 1 - (1 - 0.7^2)^8 = 0.995.
    """
    smallest = [-1] * _BINS
    for triple in triples:
        # crc32 of short texts is even enough in its low bits, but not in its order
        place, value = triple % _BINS, (triple * 2_654_435_761 & 0xFFFFFFFF) // _BINS
        if smallest[place] < 0 or value < smallest[place]:
            smallest[place] = value
    for band in range(0, _BINS, 2):
        first, second = smallest[band : band + 2]
        if first >= 0 and second >= 0:
            yield band << 56 | first << 28 | second


def link_duplicates(
    database: sqlite3.Connection, abstracts: Iterable[tuple[str, str]]
) -> dict[str, tuple[str, ...]]:
    """Return {paper id: ids of its near-duplicates, sorted}; papers without any are left out.

    Args:
        database: scratch space; the table `band` is made in it.
        abstracts: (paper id, abstract); also looked up again through the table.
    """
    database.execute("DROP TABLE IF EXISTS band")
    database.execute("CREATE TABLE band (key INTEGER, paper_id TEXT, abstract TEXT)")
    for paper_id, abstract in abstracts:
        triples = find_triples(abstract)
        if len(triples) >= _LEAST_TRIPLES:
            database.executemany(
                "INSERT INTO band VALUES (?, ?, ?)",
                # the abstract once a paper; the others are found through its id
                [
                    (key, paper_id, abstract if number == 0 else None)
                    for number, key in enumerate(find_bands(triples))
                ],
            )
    database.execute("CREATE INDEX band_key ON band (key)")
    database.execute("CREATE INDEX band_paper ON band (paper_id) WHERE abstract IS NOT NULL")
    shared = database.execute(
        "SELECT key, paper_id FROM band WHERE key IN"
        " (SELECT key FROM band GROUP BY key HAVING count(*) BETWEEN 2 AND ?)"
        " ORDER BY key, paper_id",
        (_MOST_IN_A_BAND,),
    ).fetchall()
    pairs = set()
    for _, group in groupby(shared, key=itemgetter(0)):
        pairs |= set(combinations([paper_id for _, paper_id in group], 2))
    links: dict[str, set[str]] = {}
    for one, other in pairs:
        if one != other and _is_near(_fetch(database, one), _fetch(database, other)):
            links.setdefault(one, set()).add(other)
            links.setdefault(other, set()).add(one)
    return {paper_id: tuple(sorted(others)) for paper_id, others in links.items()}


def _fetch(database: sqlite3.Connection, paper_id: str) -> set[int]:
    row = database.execute(
        "SELECT abstract FROM band WHERE paper_id = ? AND abstract IS NOT NULL", (paper_id,)
    ).fetchone()
    return find_triples(row[0])


def _is_near(one: set[int], other: set[int]) -> bool:
    return len(one & other) >= NEAR_DUPLICATE * len(one | other)
