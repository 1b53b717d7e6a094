"""Finds papers for a question: candidates from three searches, fused, then read.

A fitted linear score ranks the candidates; the reader reads the best few, gives the final order and
says which of their sentences hold the answer; where it leaves several papers close together, a
language model says which of them makes the question likeliest. Filters act before everything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from askpapers.answerability import (
    NEAR,
    SECOND,
    Calibration,
    Page,
    bring_near,
    count_relevant,
    estimate,
    measure,
)
from askpapers.availability import asks_where, only_says_where
from askpapers.candidates import Candidates, CandidateSearch, DenseIndex, Depths
from askpapers.domain import Dropped, Evidence, Filters, Hit, Paper, Query, SearchResult, Span
from askpapers.encoders.embedder import Embedder
from askpapers.encoders.reader import Reader, Reading
from askpapers.evidence import (
    Choice,
    Policy,
    ReadPaper,
    choose_evidence,
    find_told,
    weigh_sentences,
)
from askpapers.fusion import FEATURES, Fusion, find_close
from askpapers.injections import find_fault
from askpapers.lexical import LexicalIndex
from askpapers.likelihood import NO_PASSAGE, Likelihood, Measured, show_best
from askpapers.queries import QueryVocabulary, understand
from askpapers.second_reader import SENTENCES, SecondReader
from askpapers.sentences import quote_span

_SENTENCES_PER_HIT = 3


class Retriever:
    """Searches an index. Without a reader, papers keep the fused order."""

    def __init__(
        self,
        *,
        dense: DenseIndex,
        lexical: LexicalIndex,
        vocabulary: QueryVocabulary,
        embedder: Embedder,
        fusion: Fusion,
        reader: Reader | None = None,
        calibration: Calibration | None = None,
        likelihood: Likelihood | None = None,
        second_reader: SecondReader | None = None,
        second_calibration: Calibration | None = None,
        policy: Policy | None = None,
        limit: int = 8,
        read_papers: int = 12,
        depths: Depths | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._dense = dense
        self._lexical = lexical
        self._vocabulary = vocabulary
        self._candidates = CandidateSearch(dense, lexical, embedder, depths)
        self._fusion = fusion
        self._reader = reader
        self._calibration = calibration
        self._likelihood = likelihood
        self._second_reader = second_reader if second_calibration is not None else None
        self._second_calibration = second_calibration or calibration
        self._policy = policy or Policy()
        self._limit = limit
        self._read_papers = read_papers
        self._today = today

    def search(
        self, question: str, *, limit: int | None = None, filters: Filters | None = None
    ) -> SearchResult:
        """Return ranked hits and the evidence set for one stand-alone question.

        Filters found in the question are dropped, and that is noted, when no paper passes
        them; those given by the caller never are.
        """
        started = time.perf_counter()
        limit = limit or self._limit
        read = understand(question, self._vocabulary, today=self._today(), filters=filters)
        query, allowed = self._allow(read.query, filters or Filters())
        candidates = self._candidates.gather(read, limit=limit, allowed=allowed)
        notes = (
            *query.notes,
            *(f"{written!r} read as {taken!r}" for written, taken in candidates.corrections),
        )
        query = replace(query, notes=notes)
        scores = self._fusion.score(candidates.features)
        order = [int(i) for i in np.argsort(-scores, kind="stable")]
        if not query.filters.paper_ids:
            order = self._drop_variants(order, candidates.paper_ids)
        ids = [candidates.paper_ids[i] for i in order]
        ranked = [float(scores[i]) for i in order]
        if self._reader is None or self._calibration is None or not ids:
            hits = self._hits(ids[:limit], ranked, self._best_sentences(candidates, ids[:limit]))
            return SearchResult(
                query=query,
                hits=hits,
                evidence=_drop_addresses(question, self._spread(hits)),
                answerability=self._fusion.estimate_confidence(candidates.features, scores),
                relevant_count=int(
                    (
                        candidates.features[:, FEATURES.index("passage")]
                        >= self._fusion.cosine_floor
                    ).sum()
                ),
                seconds=time.perf_counter() - started,
                left_out=self._left_out(hits),
            )
        return self._read(candidates, query, ids, ranked, limit, started)

    def _drop_variants(self, order: Sequence[int], paper_ids: Sequence[str]) -> list[int]:
        """Keep the best of papers that are versions of one another: they are one source."""
        kept: list[int] = []
        covered: set[str] = set()
        for row in order:
            if paper_ids[row] not in covered:
                kept.append(row)
                covered.update(self._dense.papers[paper_ids[row]].variants)
        return kept

    def _allow(self, query: Query, given: Filters) -> tuple[Query, Collection[str] | None]:
        """The papers that pass the query's filters, None for all."""
        allowed = self._dense.find_papers(query.filters)
        if allowed is None or allowed or query.filters == given:
            return query, allowed
        notes = (*query.notes, "no paper passes the filters in the question, so they are ignored")
        return self._allow(replace(query, filters=given, notes=notes), given)

    def _read(
        self,
        candidates: Candidates,
        query: Query,
        ids: Sequence[str],
        ranked: Sequence[float],
        limit: int,
        started: float,
    ) -> SearchResult:
        """Let the reader order the best papers and choose the evidence among their sentences."""
        assert self._reader is not None
        assert self._calibration is not None
        assert self._second_calibration is not None
        count = min(len(ids), self._read_papers)
        papers = [self._dense.papers[paper_id] for paper_id in ids[:count]]
        spans = [self._honest_sentences(paper) for paper in papers]
        texts = [
            (paper.title, [paper.abstract[s.start : s.end] for s in of])
            for paper, of in zip(papers, spans, strict=True)
        ]
        asked = _correct(query.search_query or query.question, candidates.corrections)
        readings = self._reader.read(asked, texts)
        final = self._fusion.score_read(ranked[:count], readings)
        # Papers that are asked for together need no parting.
        likelihood = Measured(self._likelihood, asked) if self._likelihood else None
        if likelihood is not None and not query.several:
            final = self._ask_back(likelihood, texts, readings, final)
        order = [int(i) for i in np.argsort(-final, kind="stable")]
        top = float(final[order[0]])
        # Only papers that are returned may give evidence: an answer cites what it lists.
        chosen_from = [
            ReadPaper(
                papers[i].paper_id,
                readings[i],
                prior=float(final[i]) - top,
                told=find_told(asked, *texts[i], self._lexical.rarities),
            )
            for i in order[:limit]
        ]
        place = {paper.paper_id: i for i, paper in enumerate(papers)}
        evidence: dict[str, list[Evidence]] = {}
        for choice in weigh_sentences(chosen_from, self._policy):
            own = evidence.setdefault(choice.paper_id, [])
            if len(own) < _SENTENCES_PER_HIT:
                own.append(self._quote(papers, spans, place[choice.paper_id], choice))
        ordered = [papers[i].paper_id for i in order] + list(ids[count:])
        scores = [float(final[i]) for i in order]
        floor = scores[-1] - (ranked[count - 1] if count else 0.0)
        scores += [
            floor + score for score in ranked[count:]
        ]  # unread papers keep their order below
        policy = self._policy.widen() if query.several else self._policy
        chosen = [
            self._quote(papers, spans, place[choice.paper_id], choice)
            for choice in choose_evidence(chosen_from, policy)
        ]
        pages = [
            Page(paper, *texts[place[paper.paper_id]], *candidates.cosines(paper.paper_id))
            for paper in chosen_from
        ]
        signals = measure(asked, pages, self._lexical.rarities, self._policy)
        if chosen:
            lead = place[chosen[0].paper_id]
            signals = self._ask_models(
                query, asked, likelihood, texts[lead], readings[lead].sentences, signals
            )
        calibration = self._second_calibration if SECOND in signals else self._calibration
        hits = self._hits(ordered[:limit], scores, evidence)
        return SearchResult(
            query=query,
            hits=hits,
            evidence=_drop_addresses(asked, chosen),
            answerability=estimate(signals, calibration),
            relevant_count=count_relevant([p.reading for p in chosen_from], self._calibration),
            seconds=time.perf_counter() - started,
            left_out=self._left_out(hits),
            signals=signals,
        )

    def _ask_back(
        self,
        likelihood: Measured,
        texts: Sequence[tuple[str, Sequence[str]]],
        readings: Sequence[Reading],
        scores: np.ndarray,
    ) -> np.ndarray:
        """Let the language model part the papers that the reader leaves close together."""
        close = find_close(scores)
        if len(close) < 2:
            return scores
        passages = [show_best(*texts[i], readings[i].sentences) for i in close]
        return self._fusion.weigh_likelihood(scores, close, likelihood.of(passages))

    def _ask_models(
        self,
        query: Query,
        asked: str,
        likelihood: Measured | None,
        lead: tuple[str, Sequence[str]],
        worth: Sequence[float],
        signals: Mapping[str, float],
    ) -> dict[str, float]:
        """Return the features with what the language models say of the leading paper."""
        told = dict(signals)
        if likelihood is not None and told["near_passage"] < NEAR:
            # A lead that is far in words may be near in meaning.
            likely, unlikely = likelihood.of([show_best(*lead, worth), NO_PASSAGE])
            told = bring_near(told, likely - unlikely)
        # No single paper states what is asked of several.
        if self._second_reader is not None and not query.several:
            told[SECOND] = self._second_reader.read(asked, show_best(*lead, worth, SENTENCES))
        return told

    def _honest_sentences(self, paper: Paper) -> list[Span]:
        """The sentences that may be evidence; nothing else of an abstract is read."""
        spans = self._dense.sentences(paper.paper_id)
        return [s for s in spans if find_fault(paper.abstract[s.start : s.end]) is None]

    def _left_out(self, hits: Sequence[Hit]) -> tuple[Dropped, ...]:
        """The sentences of these papers that may not be evidence, one note for each fault."""
        faults = (
            (paper.paper_id, find_fault(paper.abstract[s.start : s.end]))
            for paper in (hit.paper for hit in hits)
            for s in self._dense.sentences(paper.paper_id)
        )
        return tuple(
            Dropped(paper_id, f"a sentence of the abstract was left out: {fault}")
            for paper_id, fault in dict.fromkeys(faults)
            if fault is not None
        )

    @staticmethod
    def _quote(
        papers: Sequence[Paper], spans: Sequence[Sequence[Span]], place: int, choice: Choice
    ) -> Evidence:
        return quote_span(papers[place], spans[place][choice.sentence], choice.score)

    def _best_sentences(
        self, candidates: Candidates, ids: Sequence[str]
    ) -> dict[str, list[Evidence]]:
        """The sentences nearest to the question, of each paper."""
        found = {}
        for paper_id in ids:
            paper = self._dense.papers[paper_id]
            honest = {(s.start, s.end) for s in self._honest_sentences(paper)}
            matches = sorted(candidates.sentences.get(paper_id, ()), key=lambda m: -m.score)
            matches = [m for m in matches if (m.start, m.end) in honest]
            found[paper_id] = [
                quote_span(paper, Span(m.start, m.end), m.score)
                for m in matches[:_SENTENCES_PER_HIT]
            ]
        return found

    def _hits(
        self, ids: Sequence[str], scores: Sequence[float], evidence: Mapping[str, list[Evidence]]
    ) -> tuple[Hit, ...]:
        return tuple(
            Hit(
                rank,
                self._dense.papers[paper_id],
                scores[rank - 1],
                tuple(evidence.get(paper_id, ())),
            )
            for rank, paper_id in enumerate(ids, 1)
        )

    def _spread(self, hits: Sequence[Hit]) -> list[Evidence]:
        """An evidence set without a reader: by turns, the best sentence of each leading paper."""
        leading = hits[: self._policy.max_papers]
        turns = (
            e
            for turn in range(_SENTENCES_PER_HIT)
            for h in leading
            for e in h.evidence[turn : turn + 1]
        )
        return list(turns)[: self._policy.max_sentences]


def _drop_addresses(question: str, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Leave out what only says where code can be had, unless that is asked or there is no more."""
    if asks_where(question):
        return tuple(evidence)
    return tuple(e for e in evidence if not only_says_where(e.quote)) or tuple(evidence)


def _correct(question: str, corrections: Sequence[tuple[str, str]]) -> str:
    """The question as it was read: a misspelt word tells the reader nothing; names stay."""
    for written, taken in corrections:
        question = re.sub(rf"\b{re.escape(written)}\b", taken, question)
    return question
