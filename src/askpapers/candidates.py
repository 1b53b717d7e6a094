"""Gathers the papers that a question may be about, with what the searches say of each.

Candidates are the union of the nearest passages, the nearest sentences and the best papers by
BM25, and the papers that the question names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from askpapers.domain import Filters, Paper, Span
from askpapers.encoders.embedder import Embedder
from askpapers.fusion import FEATURES
from askpapers.lexical import LexicalIndex
from askpapers.queries import Understanding

Kind = Literal["passages", "sentences"]


class Match(Protocol):
    """A passage or sentence that a vector search found; `score` is a cosine."""

    @property
    def paper_id(self) -> str: ...  # noqa: D102
    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def end(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102


class DenseIndex(Protocol):
    """The vectors of all passages and sentences."""

    @property
    def papers(self) -> Mapping[str, Paper]:
        """Every indexed paper by its id."""
        ...

    def query(
        self,
        kind: Kind,
        vector: np.ndarray,
        *,
        limit: int,
        paper_ids: Collection[str] | None = None,
    ) -> Sequence[Match]:
        """The nearest items, best first, only those of `paper_ids` where given."""
        ...

    def score(
        self, kind: Kind, vector: np.ndarray, *, paper_ids: Collection[str]
    ) -> Sequence[Match]:
        """The cosine of every item of a few papers."""
        ...

    def sentences(self, paper_id: str) -> Sequence[Span]:
        """The sentences of a paper's abstract, in order."""
        ...

    def find_papers(self, filters: Filters) -> Collection[str] | None:
        """The papers that pass the filters, None for all."""
        ...


@dataclass(frozen=True, slots=True)
class Depths:
    """How many each search contributes: items of the vector searches, papers by BM25."""

    passages: int = 48
    sentences: int = 64
    lexical: int = 32


@dataclass(frozen=True, slots=True)
class Candidates:
    """The papers a question may be about, in no order.

    `features` is float64 (n, len(FEATURES)), raw. `sentences` are the scored sentences of each
    paper that are known so far, best first.
    """

    paper_ids: tuple[str, ...]
    features: np.ndarray
    sentences: Mapping[str, Sequence[Match]] = field(default_factory=dict)
    corrections: tuple[tuple[str, str], ...] = ()

    def cosines(self, paper_id: str) -> tuple[float, float]:
        """The best cosine of a candidate's passages, and of its sentences, with the question."""
        row = self.features[self.paper_ids.index(paper_id)]
        return float(row[FEATURES.index("passage")]), float(row[FEATURES.index("sentence")])


class CandidateSearch:
    """Searches an index three ways, without ranking what is found."""

    def __init__(
        self,
        dense: DenseIndex,
        lexical: LexicalIndex,
        embedder: Embedder,
        depths: Depths | None = None,
    ) -> None:
        self._dense = dense
        self._lexical = lexical
        self._embedder = embedder
        self._depths = depths or Depths()

    def gather(
        self, read: Understanding, *, limit: int = 8, allowed: Collection[str] | None = None
    ) -> Candidates:
        """Collect candidates and their features; `allowed` are the papers that pass the filters."""
        query = read.query.search_query or read.query.question
        text = f"{query} ({', '.join(read.added)})" if read.added else query
        vector = self._embedder.embed_questions([text])[0]
        depth = self._depths
        passages = _best(
            self._dense.query(
                "passages", vector, limit=max(depth.passages, 3 * limit), paper_ids=allowed
            )
        )
        sentences = _group(
            self._dense.query(
                "sentences", vector, limit=max(depth.sentences, 4 * limit), paper_ids=allowed
            )
        )
        lexical = self._lexical.score(query, added=read.added)
        mask = None if allowed is None else self._lexical.mask(allowed)
        by_terms = self._lexical.rank(
            lexical.whole + 0.3 * lexical.title, max(depth.lexical, 2 * limit), mask
        )
        named = [p for p in read.named if allowed is None or p in allowed]
        ids = tuple(
            dict.fromkeys(
                [*passages, *sentences, *(self._lexical.paper_ids[i] for i in by_terms), *named]
            )
        )
        passages |= _best(
            self._dense.score("passages", vector, paper_ids=[p for p in ids if p not in passages])
        )
        sentences |= _group(
            self._dense.score("sentences", vector, paper_ids=[p for p in ids if p not in sentences])
        )
        features = np.zeros((len(ids), len(FEATURES)))
        for row, paper_id in enumerate(ids):
            at = self._lexical.positions.get(paper_id)
            features[row] = (
                passages.get(paper_id, 0.0),
                max((m.score for m in sentences.get(paper_id, ())), default=0.0),
                lexical.title[at] if at is not None else 0.0,
                lexical.whole[at] if at is not None else 0.0,
                lexical.coverage[at] if at is not None else 0.0,
                float(paper_id in read.named),
            )
        return Candidates(ids, features, sentences, lexical.corrections)


def _best(matches: Sequence[Match]) -> dict[str, float]:
    """The best score of each paper."""
    best: dict[str, float] = {}
    for match in matches:
        best[match.paper_id] = max(match.score, best.get(match.paper_id, -1.0))
    return best


def _group(matches: Sequence[Match]) -> dict[str, list[Match]]:
    grouped: dict[str, list[Match]] = {}
    for match in matches:
        grouped.setdefault(match.paper_id, []).append(match)
    return grouped
