"""The BM25 index over titles and abstracts (bm25s, stems by PyStemmer).

Two fields are scored apart, the title and the whole (title with abstract), and weighed where
all evidence is: in `retrieval.py`. A question's word that no paper holds is read as the nearest
known one (one or two letters off), and the reading is reported.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np

from askpapers.domain import Paper
from askpapers.errors import IndexDamaged, IndexMissing
from askpapers.terms import find_pairs, find_terms

_FIELDS = ("title", "whole")
_PAPERS_FILE = "papers.json"
_SURFACES_FILE = "surfaces.json"
EXPANSION_WEIGHT = 0.5
"""What an added term (an acronym's expansion) counts beside the question's own."""


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """BM25 of every paper for one question, float32 (n,), in index order, 0 where no term meets.

    `coverage` (0..1) is the share of the question's term weight (idf) that the paper holds;
    `corrections` are (written, read) for words taken as misspelt.
    """

    title: np.ndarray
    whole: np.ndarray
    coverage: np.ndarray
    corrections: tuple[tuple[str, str], ...]


class LexicalIndex:
    """BM25 over papers. Build, save and load it; `score` answers a question."""

    def __init__(self, paper_ids: Sequence[str], fields: dict[str, Any], surfaces: dict[str, str]):
        self.paper_ids = tuple(paper_ids)
        self.positions = {paper_id: i for i, paper_id in enumerate(self.paper_ids)}
        self._fields = fields
        self._surfaces = surfaces
        self._spelling: _Spelling | None = None

    @classmethod
    def build(cls, papers: Iterable[Paper]) -> LexicalIndex:
        """Index papers; 87,000 abstracts take about a minute."""
        import bm25s

        paper_ids: list[str] = []
        documents: dict[str, list[list[int]]] = {field: [] for field in _FIELDS}
        vocabularies: dict[str, dict[str, int]] = {field: {} for field in _FIELDS}
        printed: dict[str, Counter[str]] = {}
        for paper in papers:
            paper_ids.append(paper.paper_id)
            title, abstract = find_terms(paper.title), find_terms(paper.abstract)
            for field, terms in (("title", title), ("whole", title + abstract)):
                known = vocabularies[field]
                documents[field].append(
                    [known.setdefault(_stem(term), len(known)) for term in terms]
                )
            for term in set(title + abstract):
                printed.setdefault(_stem(term), Counter())[term] += 1
        fields = {}
        for field in _FIELDS:
            # Lucene's own defaults
            index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
            vocabulary = vocabularies[field] or {"": 0}
            index.index((documents[field] or [[0]], vocabulary), show_progress=False)
            fields[field] = index
        surfaces = {stem: counts.most_common(1)[0][0] for stem, counts in printed.items()}
        return cls(paper_ids, fields, surfaces)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for field, index in self._fields.items():
            index.save(str(folder / field), show_progress=False)
        _write_json(folder / _SURFACES_FILE, self._surfaces)
        _write_json(folder / _PAPERS_FILE, self.paper_ids)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open a saved index; its arrays are mapped, not read.

        Raises:
            IndexMissing: there is none.
            IndexDamaged: a file is missing or malformed.
        """
        import bm25s

        if not (folder / _PAPERS_FILE).is_file():
            raise IndexMissing(f"There is no lexical index in {str(folder)!r}.")
        try:
            paper_ids = json.loads((folder / _PAPERS_FILE).read_text("utf-8"))
            surfaces = json.loads((folder / _SURFACES_FILE).read_text("utf-8"))
            fields = {
                field: bm25s.BM25.load(str(folder / field), mmap=True, show_progress=False)
                for field in _FIELDS
            }
        except (OSError, ValueError, KeyError) as exc:
            raise IndexDamaged(f"The lexical index in {str(folder)!r} is damaged: {exc}.") from exc
        return cls(paper_ids, fields, surfaces)

    def score(self, question: str, *, added: Sequence[str] = ()) -> LexicalScores:
        """Score every paper for `question`; `added` texts (expansions) count half.

        Raises:
            IndexDamaged: the index's arrays don't belong together.
        """
        terms, corrections = self._read(question)
        extra = [stem for text in added for stem in map(_stem, find_terms(text))]
        extra = [stem for stem in dict.fromkeys(extra) if stem not in terms]
        try:
            title, whole = (
                self._sum(field, terms) + EXPANSION_WEIGHT * self._sum(field, extra)
                for field in _FIELDS
            )
        except (ValueError, IndexError) as exc:
            raise IndexDamaged(f"The lexical index cannot be read: {exc}.") from exc
        return LexicalScores(title, whole, self._coverage(terms), corrections)

    def rank(self, scores: np.ndarray, limit: int, allowed: np.ndarray | None = None) -> list[int]:
        """Positions of the best papers with a positive score, best first."""
        if allowed is not None:
            scores = np.where(allowed, scores, 0.0)
        limit = min(limit, len(scores))
        best = np.argpartition(-scores, limit - 1)[:limit] if limit else np.empty(0, int)
        best = best[np.argsort(-scores[best], kind="stable")]
        return [int(i) for i in best if scores[i] > 0]

    def mask(self, paper_ids: Collection[str]) -> np.ndarray:
        """Boolean (n,): which papers are among `paper_ids`."""
        mask = np.zeros(len(self.paper_ids), dtype=bool)
        mask[[self.positions[p] for p in paper_ids if p in self.positions]] = True
        return mask

    def knows(self, word: str) -> bool:
        """Whether some paper holds the word, in any inflection."""
        return _stem(word.lower()) in self._surfaces

    def rarities(self, text: str) -> dict[str, float]:
        """Stems of a text, stop words left out, each with its rarity (0..1).

        A stem that every paper holds is near 0, one that a single paper holds or none is 1.
        """
        most = float(np.log1p(max(len(self.paper_ids), 1)))
        found: dict[str, float] = {}
        for term in find_terms(text):
            stem = _stem(term)
            if stem not in found:
                holders = max(self._frequency(stem), 1)
                found[stem] = float(np.log1p(len(self.paper_ids) / holders)) / most
        return found

    def _read(self, question: str) -> tuple[list[str], tuple[tuple[str, str], ...]]:
        """The question's stems that papers hold, and how unknown words were read."""
        found = find_terms(question)
        stems: list[str] = []
        corrections: list[tuple[str, str]] = []
        for term in found:
            stem = _stem(term)
            if stem not in self._surfaces and term.isalpha():
                nearest = self._spell(term)
                if nearest is not None:
                    corrections.append((term, self._surfaces[nearest]))
                    stem = nearest
            stems.append(stem)
        joined = [_stem(pair) for pair in find_pairs(found)]
        stems += [stem for stem in joined if stem in self._surfaces and stem not in stems]
        return [stem for stem in stems if stem in self._surfaces], tuple(corrections)

    def _spell(self, term: str) -> str | None:
        if self._spelling is None:
            self._spelling = _Spelling(self._surfaces, self._frequency)
        nearest = self._spelling.nearest(_stem(term))
        if nearest is None and len(term) >= 8:
            # A slip in an ending keeps it from being taken off: "multiplicaton".
            stems = {_stem(word) for word in edits(term)} & self._surfaces.keys()
            nearest = max(stems, key=lambda stem: (self._frequency(stem), stem), default=None)
        return nearest

    def _frequency(self, stem: str) -> int:
        """In how many papers the stem stands."""
        index = self._fields["whole"]
        at = index.vocab_dict.get(stem)
        starts = index.scores["indptr"]
        return 0 if at is None else int(starts[at + 1] - starts[at])

    def _sum(self, field: str, stems: Sequence[str]) -> np.ndarray:
        index = self._fields[field]
        known = index.get_tokens_ids(list(stems))
        if not known:
            return np.zeros(len(self.paper_ids), dtype=np.float32)
        scores = index.get_scores_from_ids(known)
        return np.asarray(scores[: len(self.paper_ids)], dtype=np.float32)

    def _coverage(self, stems: Sequence[str]) -> np.ndarray:
        index = self._fields["whole"]
        starts, rows = index.scores["indptr"], index.scores["indices"]
        covered = np.zeros(len(self.paper_ids), dtype=np.float32)
        total = 0.0
        for at in set(index.get_tokens_ids(list(stems))):
            holders = rows[starts[at] : starts[at + 1]]
            weight = float(np.log1p(len(self.paper_ids) / max(len(holders), 1)))
            covered[holders] += weight
            total += weight
        return covered / total if total else covered


class _Spelling:
    """Finds the vocabulary's nearest stem to a misspelt one.

    Letters are compared as sets first (one integer a stem), so that edit distances are counted
    for a few hundred stems instead of all.
    """

    def __init__(self, surfaces: Iterable[str], frequency: Any) -> None:
        self._stems = [s for s in surfaces if s.isascii() and s.isalpha() and len(s) > 3]
        self._letters = np.array([_letters(stem) for stem in self._stems], dtype=np.uint32)
        self._lengths = np.array([len(stem) for stem in self._stems])
        self._frequency = frequency

    def nearest(self, stem: str) -> str | None:
        """The nearest stem at one edit (two from eight letters on), the most frequent of equals."""
        if len(stem) < 5 or not stem.isascii() or not self._stems:
            return None
        most = 2 if len(stem) >= 8 else 1
        near = (np.abs(self._lengths - len(stem)) <= most) & (
            np.bitwise_count(self._letters ^ np.uint32(_letters(stem))) <= 2 * most
        )
        best: tuple[int, int, str] | None = None
        for i in np.flatnonzero(near):
            other = self._stems[i]
            distance = edit_distance(stem, other, most)
            if distance <= most:
                key = (distance, -self._frequency(other), other)
                best = key if best is None else min(best, key)
        return best[2] if best else None


def edits(word: str) -> set[str]:
    """Words one edit (insert, delete, replace, swap neighbours) from `word`, in lower case a-z."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    made = {a + b[1:] for a, b in cuts if b}
    made |= {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    made |= {a + c + b[1:] for a, b in cuts if b for c in ascii_lowercase}
    made |= {a + c + b for a, b in cuts for c in ascii_lowercase}
    return made - {word}


def edit_distance(a: str, b: str, most: int) -> int:
    """Edits (insert, delete, replace, swap neighbours) from a to b; `most + 1` when more.

    Optimal string alignment (Boytsov 2011, section 2.2).
    """
    if abs(len(a) - len(b)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before_last = row, before
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before = last
    return min(row[-1], most + 1)


def _letters(word: str) -> int:
    bits = 0
    for c in word:
        bits |= 1 << (ord(c) - 97) if "a" <= c <= "z" else 0
    return bits


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


@lru_cache(maxsize=200_000)
def _stem(term: str) -> str:
    """Snowball stem of an alphabetic term; others as they are."""
    return str(_stemmer().stemWord(term)) if term.isalpha() and len(term) > 3 else term


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
