"""From a question to an answer in which every sentence shows its proof.

Search, decide whether the evidence states what is asked, let the model write from the evidence
under a grammar, verify every sentence against the sentences it may cite, let it try again from
the best evidence alone, and quote that evidence when this fails too. Without a model the
quotations alone are the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from askpapers.citations import GAP, name_speaker, render_sentence
from askpapers.conversation import Conversation
from askpapers.domain import (
    ABSTENTION,
    Answer,
    Dropped,
    Evidence,
    Filters,
    Paper,
    SearchResult,
    Sentence,
    Source,
    Timings,
    Usage,
)
from askpapers.encoders.reader import Reader
from askpapers.figures import asks_figure, find_uncounted, find_unmeasured
from askpapers.injections import take_out
from askpapers.names import find_unmentioned, find_unnamed
from askpapers.questions import asks_nothing, check_question
from askpapers.sentences import find_gap
from askpapers.telling import choose_told
from askpapers.verification import make_quotation, prove, says_less, strays, verify_draft
from askpapers.writing import (
    Brief,
    Compression,
    Meter,
    Writer,
    prepare_brief,
    write_compressions,
    write_drafts,
)

_SURVEY_SHARE = 0.75
"""Of the operating point, for a question about several papers: none of them states it all."""
_PLAIN = 0.7
"""Answerability from which a name that no abstract mentions is only beside what is asked ("better
than SwiGLU"). None of the seven near misses of the fit that have such a name comes to 0.2, four of
the five answerable questions to 0.7. Where a figure is asked for, the name is what the question
turns on ("accuracy on QQP")."""
_NEAREST = 3


class Searcher(Protocol):
    """Finds papers and evidence; `retrieval.Retriever` is the real one."""

    def search(
        self, question: str, *, limit: int | None = None, filters: Filters | None = None
    ) -> SearchResult:
        """Return ranked hits and the evidence set for one stand-alone question."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The search is done; these are the sources, before a word is written."""

    result: SearchResult
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Drafted:
    """The unverified sentence that is being written, as far as it goes."""

    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A sentence that will stand in the answer."""

    sentence: Sentence


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer; always the last event."""

    answer: Answer


Event = Found | Drafted | Settled | Finished


def finish(events: Iterable[Event]) -> Answer:
    """Return the answer at the end of a stream of events."""
    for event in events:
        if isinstance(event, Finished):
            return event.answer
    raise AssertionError("a stream ends with Finished")


@dataclass(slots=True)
class _Work:
    """What one answer has come to so far. `numbers` are source numbers by paper id.

    `papers` are those found, by id; `best` is the sentence likeliest to answer; `speaker` is the
    paper that a quotation without its name is taken to be from; `is_extract` says that sentences
    of the abstracts are told one by one, each paper's in its own order.
    """

    numbers: Mapping[str, int]
    papers: Mapping[str, Paper]
    best: Evidence | None
    speaker: str | None
    is_extract: bool = False
    meter: Meter = field(default_factory=Meter)
    sentences: list[Sentence] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    read: frozenset[str] = frozenset()

    def tell(self, told: Sequence[Evidence]) -> None:
        """Expect these one by one; where others than the first found speak, it is named too."""
        self.is_extract = True
        if {e.paper_id for e in told} != {self.speaker}:
            self.speaker = None

    def settle(self, sentence: Sentence) -> Settled:
        """Add a sentence, behind the name of its paper or the mark of a gap where it needs one."""
        is_best = self.best is not None and _proves(self.best, sentence)
        sentence = replace(sentence, opening=self._open(sentence), best=is_best)
        self.speaker = sentence.evidence[0].evidence.paper_id
        self.sentences.append(sentence)
        return Settled(sentence)

    def _open(self, sentence: Sentence) -> str:
        shown = sentence.evidence[0].evidence
        paper = self.papers[shown.paper_id]
        if shown.paper_id != self.speaker:
            return name_speaker(paper.title) if sentence.origin == "quoted" else ""
        if not self.is_extract or not self.sentences:
            return ""
        return GAP if find_gap(self.sentences[-1].evidence[0].evidence, shown, paper) else ""

    def shows(self, evidence: Evidence) -> bool:
        return any(_proves(evidence, s) for s in self.sentences)


class Answerer:
    """Answers questions over one index. One instance serves many threads."""

    def __init__(
        self,
        searcher: Searcher,
        *,
        abstain_below: float,
        reader: Reader | None = None,
        max_quotes: int = 4,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            searcher: finds papers and evidence.
            abstain_below: answerability (0..1) under which no answer is given.
            reader: compares what is written with what it stands on; None: nobody does.
            max_quotes: quotations in an answer that is by quotation alone, not counting the
                sentences that these need told (`telling`).
            manifest: what it takes to reproduce an answer; copied into each.
        """
        self._searcher = searcher
        self._abstain_below = abstain_below
        self._reader = reader
        self._max_quotes = max_quotes
        self._manifest = dict(manifest or {})

    def answer(self, question: str, **options: Any) -> Answer:
        """Return the finished answer; options as in `stream`."""
        return finish(self.stream(question, **options))

    def stream(
        self,
        question: str,
        *,
        writer: Writer | None = None,
        conversation: Conversation | None = None,
        filters: Filters | None = None,
        limit: int | None = None,
        search_query: str | None = None,
        abstain_below: float | None = None,
    ) -> Iterator[Event]:
        """Yield events from the search to the finished answer; closing it stops the model.

        Args:
            question: what was asked, as typed.
            writer: the model that writes; None: quotations alone.
            conversation: earlier turns; the finished answer is added to it.
            filters: which papers may be considered.
            limit: papers found at most.
            search_query: searched instead of the rewritten question (an edit by the reader).
            abstain_below: replaces the operating point for this question.

        Raises:
            UsageError: the question is empty or too long.
            GenerationFailed: the model could not finish.
        """
        started = time.perf_counter()
        asked = check_question(question)
        talk = conversation if conversation is not None else Conversation()
        plain = take_out(check_question(search_query) if search_query else asked)
        # Where nothing is asked, the nearest papers are still found, and nothing is answered.
        asks = bool(plain.text) and not asks_nothing(plain.text)
        query = plain.text or asked
        if not search_query:
            query = talk.rewrite(query)
        result = self._searcher.search(query, limit=limit, filters=filters)
        retrieved = time.perf_counter() - started
        papers = {hit.paper.paper_id: hit.paper for hit in result.hits}
        work = _Work(
            {paper_id: talk.number_of(paper_id) for paper_id in papers},
            papers,
            best=next(iter(result.evidence), None),
            speaker=next(iter(papers), None),
        )
        work.dropped += result.left_out
        if plain.taken_out:
            work.dropped.append(Dropped("", "a part of the question was not read: it asks nothing"))
        yield Found(result, _make_sources(result, work))

        point = self._abstain_below if abstain_below is None else abstain_below
        if result.query.several:
            point *= _SURVEY_SHARE
        reason = _find_reason_to_abstain(query if asks else "", result, point)
        if reason is None:
            if writer is None:
                yield from self._quote(result, work)
            elif writer.compressed:
                yield from self._compress(query, result, writer, work)
            else:
                yield from self._write(query, result, writer, work)
            if not work.sentences:
                reason = "no sentence of these abstracts could be shown as an answer"
        answer = Answer(
            question=asked,
            search_query=result.query.search_query,
            status="abstained" if reason else "answered",
            reason=reason,
            text=ABSTENTION if reason else _render(work.sentences),
            sentences=tuple(work.sentences),
            sources=_make_sources(result, work),
            dropped=tuple(work.dropped),
            nearest=tuple(hit.paper for hit in result.hits[:_NEAREST]) if reason else (),
            usage=Usage(
                work.meter.prompt_tokens,
                work.meter.completion_tokens,
                writer.generator.context_tokens if writer else 0,
            ),
            timings=Timings(retrieved, work.meter.first_token, time.perf_counter() - started),
            answerability=result.answerability,
            manifest=self._manifest,
        )
        talk.add(answer)
        yield Finished(answer)

    def _quote(self, result: SearchResult, work: _Work) -> Iterator[Event]:
        chosen = choose_told(result, self._max_quotes)
        work.tell(chosen)
        for evidence in chosen:
            yield work.settle(make_quotation(evidence, work.numbers))

    def _compress(
        self, question: str, result: SearchResult, writer: Writer, work: _Work
    ) -> Iterator[Event]:
        """Let the model leave parts of the evidence out; only the paper found first, where no
        other is told, needs no name.

        A sentence that the judge does not find in its source, or that says less than it, gives
        way to the same with nothing left out, and this to the source, word for word.
        """
        chosen = choose_told(result, writer.max_sentences)
        evidence = [*result.evidence, *(e for e in chosen if e not in result.evidence)]
        brief = prepare_brief(question, evidence, work.papers, writer, work.meter)
        work.dropped += brief.dropped
        work.read = frozenset(brief.papers.values())
        work.tell(chosen)
        for piece in write_compressions(
            question,
            chosen,
            brief,
            work.papers,
            writer,
            work.meter,
            unnamed=work.speaker,
        ):
            if isinstance(piece, str):
                yield Drafted(piece)
                continue
            yield work.settle(self._prove(question, piece, writer, work))

    def _prove(self, question: str, piece: Compression, writer: Writer, work: _Work) -> Sentence:
        """Return a sentence with its proof; where what was left out undoes it, with all of it."""
        paper = work.papers[piece.evidence.paper_id]
        for text in dict.fromkeys((piece.text, piece.whole)):
            written = replace(piece, text=text)
            sentence = prove(written, paper, numbers=work.numbers, judge=writer.judge)
            if sentence is None:
                why = "was not supported"
            elif self._reader is not None and says_less(question, sentence, paper, self._reader):
                why = "said less than its source"
            else:
                return sentence
            work.dropped.append(Dropped(paper.paper_id, f"a written sentence {why}"))
        return make_quotation(piece.evidence, work.numbers)

    def _write(
        self, question: str, result: SearchResult, writer: Writer, work: _Work
    ) -> Iterator[Event]:
        """Write until the best evidence is shown; the last resort is to quote it.

        The first attempt reads all the evidence; the next ones read the best sentence alone,
        which a small model strays from least.
        """
        best = result.evidence[0]
        for attempt in range(1 + writer.retries):
            evidence = (best,) if attempt else result.evidence
            brief = prepare_brief(question, evidence, work.papers, writer, work.meter)
            if attempt == 0:
                work.dropped += brief.dropped
                work.read = frozenset(brief.papers.values())
            yield from self._attempt(question, best, brief, writer, work, attempt)
            if work.shows(best):
                return
        yield work.settle(make_quotation(best, work.numbers))

    def _attempt(
        self,
        question: str,
        best: Evidence,
        brief: Brief,
        writer: Writer,
        work: _Work,
        attempt: int,
    ) -> Iterator[Event]:
        """Settle what the model writes, sentence by sentence, up to the first that doesn't stand.

        One that says less than what it stands on gives way to that, word for word.
        """
        remaining = writer.max_sentences - len(work.sentences)
        if remaining < 1:
            return
        pieces = write_drafts(brief, writer, work.meter, remaining=remaining, attempt=attempt)
        for piece in pieces:
            if isinstance(piece, str):
                yield Drafted(piece)
                continue
            cited_ids = brief.ids_of(piece)
            sentence = verify_draft(
                piece,
                cited_ids=cited_ids,
                shown=brief.shown,
                papers=work.papers,
                numbers=work.numbers,
                judge=writer.judge,
            )
            beside = (
                sentence is not None and not work.shows(best) and strays(question, sentence, best)
            )
            if sentence is None or beside:
                why = "beside the question" if beside else "not supported"
                paper_id = min(cited_ids, default="")
                work.dropped.append(Dropped(paper_id, f"a written sentence was {why}"))
                pieces.close()
                return
            proof = sentence.evidence[0].evidence
            if self._reader is not None and says_less(
                question, sentence, work.papers[proof.paper_id], self._reader
            ):
                work.dropped.append(
                    Dropped(proof.paper_id, "a written sentence said less than its source")
                )
                if work.shows(proof):
                    continue
                sentence = make_quotation(proof, work.numbers)
            if all(s.text != sentence.text for s in work.sentences):
                yield work.settle(sentence)


def _find_reason_to_abstain(
    question: str, result: SearchResult, abstain_below: float
) -> str | None:
    if not question:
        return "the question asks nothing that an abstract could state"
    if not result.hits or not result.evidence:
        return "no paper passes the filters"
    if abstain_below == 0.0:  # asked to answer whatever there is
        return None
    shown = {evidence.paper_id for evidence in result.evidence}
    papers = [hit.paper for hit in result.hits if hit.paper.paper_id in shown]
    texts = [f"{paper.title} {paper.abstract}" for paper in papers]
    unmentioned = find_unmentioned(question, texts)
    is_plain = result.answerability >= _PLAIN and not asks_figure(question)
    if unmentioned and not is_plain:
        return f"the closest abstracts do not mention {' or '.join(dict.fromkeys(unmentioned))}"
    uncounted = find_uncounted(question, texts)
    if uncounted:
        return f"the closest abstracts do not say how many {uncounted}"
    unmeasured = find_unmeasured(question, texts)
    if unmeasured:
        return f"the closest abstracts do not give {unmeasured}"
    unnamed = find_unnamed(question, [p.title for p in papers], [p.abstract for p in papers])
    if unnamed:
        return f"the closest abstracts name no {unnamed}"
    if result.answerability < abstain_below:
        return "the closest abstracts do not state what is asked"
    return None


def _make_sources(result: SearchResult, work: _Work) -> tuple[Source, ...]:
    cited = {n for s in work.sentences for n in s.citations}
    return tuple(
        Source(
            n=work.numbers[hit.paper.paper_id],
            paper_id=hit.paper.paper_id,
            title=hit.paper.title,
            date=hit.paper.date,
            cited=work.numbers[hit.paper.paper_id] in cited,
            read=hit.paper.paper_id in work.read,
        )
        for hit in result.hits
    )


def _render(sentences: Sequence[Sentence]) -> str:
    return " ".join(map(render_sentence, sentences))


def _proves(evidence: Evidence, sentence: Sentence) -> bool:
    return any(c.evidence.quote == evidence.quote for c in sentence.evidence)
