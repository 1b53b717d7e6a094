"""From a question to an answer in which every sentence shows its proof.

Search, decide whether the evidence states what is asked, let the model write from the evidence
under a grammar, verify every sentence against the sentences it may cite, try a failed one again,
and put the best verbatim quotation in its place when that fails too. Without a model the
quotations alone are the answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from askpapers.citations import (
    Draft,
    build_grammar,
    escape_brackets,
    read_drafts,
    render_sentence,
)
from askpapers.conversation import Conversation
from askpapers.domain import (
    ABSTENTION,
    Answer,
    Citation,
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
from askpapers.errors import UsageError
from askpapers.generation import Generator, Message, Sampling
from askpapers.prompts import Prompt, escape_control_tokens
from askpapers.sentences import split_sentences
from askpapers.support import Judgement, SupportJudge

MAX_QUESTION_CHARS = 4000
_NEAREST = 3
_RETRY_TEMPERATURE = 0.6
_HAS_WORD = re.compile(r"\w")
# Characters that change how text is shown without being seen: zero-width and bidirectional marks.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")


class Searcher(Protocol):
    """Finds papers and evidence; `retrieval.Retriever` is the real one."""

    def search(
        self, question: str, *, limit: int | None = None, filters: Filters | None = None
    ) -> SearchResult:
        """Return ranked hits and the evidence set for one stand-alone question."""
        ...


@dataclass(frozen=True, slots=True)
class Writer:
    """A generator with the prompts and the policy of its manifest."""

    generator: Generator
    system: Prompt
    prompt: Prompt
    sampling: Sampling
    max_sentences: int
    whole_abstracts: bool = False
    retries: int = 1


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


def check_question(question: str) -> str:
    """Return the question without invisible characters and outer white space.

    Raises:
        UsageError: nothing is asked, or too much.
    """
    cleaned = _INVISIBLE.sub("", question.encode("utf-8", "replace").decode("utf-8")).strip()
    hint = 'askpapers ask "What is …?"'
    if not _HAS_WORD.search(cleaned):
        raise UsageError("The question has no words in it.", hint=hint)
    if len(cleaned) > MAX_QUESTION_CHARS:
        raise UsageError(
            f"The question has {len(cleaned)} characters; at most {MAX_QUESTION_CHARS} are read.",
            hint="ask a shorter question",
        )
    return cleaned


@dataclass(slots=True)
class _Work:
    """What one answer has come to so far."""

    number_of: Mapping[str, int]
    sentences: list[Sentence] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token: float | None = None

    def shows(self, evidence: Evidence) -> bool:
        return any(c.evidence.quote == evidence.quote for s in self.sentences for c in s.evidence)


class Answerer:
    """Answers questions over one index. One instance serves many threads."""

    def __init__(
        self,
        searcher: Searcher,
        judge: SupportJudge,
        *,
        abstain_below: float,
        max_quotes: int = 2,
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        """Wire the parts.

        Args:
            searcher: finds papers and evidence.
            judge: verifies written sentences.
            abstain_below: answerability (0..1) under which no answer is given.
            max_quotes: quotations in an answer that is by quotation alone.
            manifest: what it takes to reproduce an answer; copied into each.
        """
        self._searcher = searcher
        self._judge = judge
        self._abstain_below = abstain_below
        self._max_quotes = max_quotes
        self._manifest = dict(manifest or {})

    def answer(self, question: str, **options: Any) -> Answer:
        """Return the finished answer; options as in `stream`."""
        for event in self.stream(question, **options):
            if isinstance(event, Finished):
                return event.answer
        raise AssertionError("a stream ends with Finished")

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
        query = check_question(search_query) if search_query else talk.rewrite(asked)
        result = self._searcher.search(query, limit=limit, filters=filters)
        retrieved = time.perf_counter() - started
        work = _Work(
            {hit.paper.paper_id: talk.number_of(hit.paper.paper_id) for hit in result.hits}
        )
        yield Found(result, _make_sources(result, work))

        point = self._abstain_below if abstain_below is None else abstain_below
        reason = _find_reason_to_abstain(result, point)
        if reason is None:
            events = (
                self._quote(result, work)
                if writer is None
                else self._write(query, result, writer, work, started)
            )
            yield from events
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
                work.prompt_tokens,
                work.completion_tokens,
                writer.generator.context_tokens if writer else 0,
            ),
            timings=Timings(retrieved, work.first_token, time.perf_counter() - started),
            answerability=result.answerability,
            manifest=self._manifest,
        )
        talk.add(answer)
        yield Finished(answer)

    def _quote(self, result: SearchResult, work: _Work) -> Iterator[Event]:
        for evidence in result.evidence[: self._max_quotes]:
            yield from _settle(_make_quotation(evidence, work), work)

    def _write(
        self, question: str, result: SearchResult, writer: Writer, work: _Work, started: float
    ) -> Iterator[Event]:
        """Write, verify, retry, replace; then quote the best evidence if nothing shows it."""
        shown, prompt = self._fit_prompt(question, result, writer, work)
        local = dict(enumerate(dict.fromkeys(e.paper_id for e in shown), 1))
        accepted = ""
        failures = 0
        while len(work.sentences) < writer.max_sentences:
            remaining = writer.max_sentences - len(work.sentences)
            failed = None
            for event in self._draft(
                prompt + accepted, local, remaining, failures, writer, work, started
            ):
                if isinstance(event, Drafted):
                    yield event
                    continue
                sentence = self._verify(event, local, shown, work)
                if sentence is None:
                    failed = event
                    break
                if not any(s.text == sentence.text for s in work.sentences):
                    yield from _settle(sentence, work)
                accepted = _as_written(accepted, event)
                failures = 0
            if failed is None:
                break
            failures += 1
            if failures > writer.retries:
                yield from self._replace(failed, local, shown, work)
                break
        best = result.evidence[0]
        if not work.shows(best) and len(work.sentences) <= writer.max_sentences:
            yield from _settle(_make_quotation(best, work), work)

    def _draft(
        self,
        prompt: str,
        local: Mapping[int, str],
        remaining: int,
        attempt: int,
        writer: Writer,
        work: _Work,
        started: float,
    ) -> Iterator[Drafted | Draft]:
        """Yield the growing text and each complete sentence; later attempts draw other words."""
        sampling = writer.sampling
        if attempt:
            warmer = max(sampling.temperature, _RETRY_TEMPERATURE)
            sampling = replace(sampling, temperature=warmer, seed=sampling.seed + attempt)
        grammar = build_grammar(list(local), max_sentences=remaining)
        text, complete = "", 0
        for piece in writer.generator.write(prompt, grammar=grammar, sampling=sampling):
            if work.first_token is None:
                work.first_token = time.perf_counter() - started
            work.completion_tokens += 1
            text += piece
            drafts = read_drafts(text)
            if len(drafts) > complete:
                yield from drafts[complete:]
                complete = len(drafts)
            else:
                yield Drafted(text)

    def _verify(
        self, draft: Draft, local: Mapping[int, str], shown: Sequence[Evidence], work: _Work
    ) -> Sentence | None:
        """Return the sentence with the shown sentences that support it, or None.

        What the model cited is tried first, sentence by sentence, then together; a sentence that
        another shown paper supports alone is credited to that paper.
        """
        cited_ids = {local[n] for n in draft.numbers if n in local}
        cited = [e for e in shown if e.paper_id in cited_ids]
        others = [e for e in shown if e.paper_id not in cited_ids]
        candidates: list[list[Evidence]] = [[e] for e in cited]
        if len(cited) > 1:
            candidates.append(cited)
        candidates += [[e] for e in others]
        judged = self._judge.judge([(draft.text, [e.quote for e in group]) for group in candidates])
        ranked = [(j, group) for j, group in zip(judged, candidates, strict=True) if _passes(j)]
        if not ranked:
            return None
        # One sentence beats a group, the paper that was cited beats another.
        single_cited = [r for r in ranked if len(r[1]) == 1 and r[1][0].paper_id in cited_ids]
        grouped = [r for r in ranked if len(r[1]) > 1]
        judgement, group = max(single_cited or grouped or ranked, key=lambda r: r[0].support)
        citations = tuple(Citation(work.number_of[e.paper_id], e) for e in group)
        return Sentence(
            text=draft.text,
            origin="written",
            citations=tuple(dict.fromkeys(c.n for c in citations)),
            verdict=judgement.verdict,
            support=judgement.support,
            evidence=citations,
        )

    def _replace(
        self, failed: Draft, local: Mapping[int, str], shown: Sequence[Evidence], work: _Work
    ) -> Iterator[Event]:
        """Quote the best shown sentence in place of one that could not be supported."""
        cited_ids = {local[n] for n in failed.numbers if n in local}
        free = [e for e in shown if not work.shows(e)]
        choices = [e for e in free if e.paper_id in cited_ids] or free
        paper_id = next(iter(cited_ids), "")
        if choices:
            best = max(choices, key=lambda e: e.score)
            work.dropped.append(
                Dropped(best.paper_id, "a written sentence was not supported; quoted instead")
            )
            yield from _settle(_make_quotation(best, work), work)
        else:
            work.dropped.append(Dropped(paper_id, "a written sentence was not supported"))

    def _fit_prompt(
        self, question: str, result: SearchResult, writer: Writer, work: _Work
    ) -> tuple[list[Evidence], str]:
        """Return the evidence shown and the rendered prompt, dropping the weakest until it fits."""
        papers = {hit.paper.paper_id: hit.paper for hit in result.hits}
        units = list(result.evidence)
        room = writer.generator.context_tokens - writer.sampling.max_tokens
        while True:
            prompt = _render_prompt(question, units, papers, writer)
            work.prompt_tokens = writer.generator.count_tokens(prompt)
            if work.prompt_tokens <= room or len(units) == 1:
                break
            out = units.pop()
            work.dropped.append(Dropped(out.paper_id, "no room in the prompt"))
        if work.prompt_tokens > room:
            raise UsageError(
                f"The question and one sentence take {work.prompt_tokens} tokens; "
                f"{room} fit the model {writer.generator.name!r}.",
                hint="ask a shorter question, or --quote-only",
            )
        work.read = {e.paper_id for e in units}
        if writer.whole_abstracts:
            units = [
                e
                for paper_id in dict.fromkeys(e.paper_id for e in units)
                for e in _all_sentences(papers[paper_id], units)
            ]
        return units, prompt


def _passes(judgement: Judgement) -> bool:
    return judgement.verdict == "supported" and not judgement.findings


def _render_prompt(
    question: str, units: Sequence[Evidence], papers: Mapping[str, Paper], writer: Writer
) -> str:
    """Render the chat prompt: one numbered block a paper, its sentences in abstract order."""
    escape = writer.generator.control_tokens

    def clean(text: str) -> str:
        return escape_control_tokens(escape_brackets(text), escape)

    blocks = []
    for n, paper_id in enumerate(dict.fromkeys(e.paper_id for e in units), 1):
        paper = papers[paper_id]
        if writer.whole_abstracts:
            body = paper.abstract
        else:
            own = sorted((e for e in units if e.paper_id == paper_id), key=lambda e: e.start)
            body = " ".join(e.quote for e in own)
        blocks.append(f"[{n}] {clean(paper.title)}: {clean(body)}")
    values = {"question": clean(question), "sources": "\n".join(blocks)}
    if "max_sentences" in writer.prompt.variables:
        values["max_sentences"] = str(writer.max_sentences)
    return writer.generator.render(
        [Message("system", writer.system.render()), Message("user", writer.prompt.render(**values))]
    )


def _all_sentences(paper: Paper, chosen: Sequence[Evidence]) -> list[Evidence]:
    """Every sentence of a paper's abstract as evidence; chosen ones keep their score."""
    scores = {(e.paper_id, e.start): e.score for e in chosen}
    return [
        Evidence(
            paper.paper_id,
            span.start,
            span.end,
            paper.abstract[span.start : span.end],
            scores.get((paper.paper_id, span.start), 0.0),
        )
        for span in split_sentences(paper.abstract)
    ]


def _as_written(accepted: str, draft: Draft) -> str:
    """Append a draft in the form the model wrote it, so that it can go on from there."""
    marks = "".join(f"[{n}]" for n in draft.numbers)
    return f"{accepted}{draft.text.removesuffix('.')} {marks}. "


def _settle(sentence: Sentence, work: _Work) -> Iterator[Event]:
    work.sentences.append(sentence)
    yield Settled(sentence)


def _make_quotation(evidence: Evidence, work: _Work) -> Sentence:
    """A verbatim sentence is its own proof."""
    n = work.number_of[evidence.paper_id]
    return Sentence(
        text=evidence.quote,
        origin="quoted",
        citations=(n,),
        verdict="supported",
        support=1.0,
        evidence=(Citation(n, evidence),),
    )


def _find_reason_to_abstain(result: SearchResult, abstain_below: float) -> str | None:
    if not result.hits or not result.evidence:
        return "no paper passes the filters"
    if result.answerability >= abstain_below:
        return None
    if result.relevant_count == 0:
        return "none of these papers is about this"
    return "the closest abstracts do not state what is asked"


def _make_sources(result: SearchResult, work: _Work) -> tuple[Source, ...]:
    cited = {n for s in work.sentences for n in s.citations}
    return tuple(
        Source(
            n=work.number_of[hit.paper.paper_id],
            paper_id=hit.paper.paper_id,
            title=hit.paper.title,
            date=hit.paper.date,
            cited=work.number_of[hit.paper.paper_id] in cited,
            read=hit.paper.paper_id in work.read,
        )
        for hit in result.hits
    )


def _render(sentences: Sequence[Sentence]) -> str:
    return " ".join(
        render_sentence(s.text, s.citations, quoted=s.origin == "quoted") for s in sentences
    )
