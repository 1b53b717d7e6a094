"""What a run saves: one header, then one line a case, as pydantic models of JSON Lines.

Everything that a clock or a machine decides stands under `timings`, `seconds`, `created` and
`environment`; two runs of the same thing are equal in all the rest, and digests leave those out.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from askpapers.domain import Answer, Evidence, SearchResult

RowVerdict = Literal["pass", "fail", "unscored"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EvidenceRecord(_Record):
    """A verbatim sentence; `n` is the source number it is cited under, 0 where it is only read."""

    n: int = 0
    paper_id: str
    start: int
    end: int
    quote: str
    score: float = 0.0


class SentenceRecord(_Record):
    """A sentence of an answer, with the pipeline's own verdict on it."""

    text: str
    origin: str
    citations: tuple[int, ...]
    verdict: str
    support: float
    evidence: tuple[EvidenceRecord, ...]


class SourceRecord(_Record):
    """A numbered paper of an answer."""

    n: int
    paper_id: str
    title: str
    cited: bool
    read: bool


class AnswerRecord(_Record):
    """An answer without its clock times and without the texts of whole papers."""

    search_query: str
    status: str
    reason: str | None
    text: str
    sentences: tuple[SentenceRecord, ...]
    sources: tuple[SourceRecord, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    nearest: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answerability: float | None = None


class SearchRecord(_Record):
    """A ranking: ids with scores, best first, and the sentences shown, best first."""

    search_query: str
    paper_ids: tuple[str, ...]
    titles: tuple[str, ...]
    scores: tuple[float, ...]
    evidence: tuple[EvidenceRecord, ...]
    answerability: float
    relevant_count: int


class ErrorRecord(_Record):
    """What went wrong: the class of the error and its message."""

    type: str
    message: str
    exit_code: int | None = None


class JudgementRecord(_Record):
    """The eval judge's word on one claim, and the faults found in it without the judge."""

    sentence: int
    claim: str
    premises: tuple[str, ...]
    verdict: str
    support: float
    reasons: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class OutputRecord(_Record):
    """What the pipeline gave for one turn: the part that is cached."""

    answer: AnswerRecord | None = None
    search: SearchRecord | None = None
    error: ErrorRecord | None = None
    timings: dict[str, float] = Field(default_factory=dict)


class RowRecord(_Record):
    """One scored question.

    `scores` holds the measures that apply; `unscored` those that apply and could not be computed,
    with the reason; a measure in neither does not apply. `facts` are the observations that pooled
    measures are made of.
    """

    turn: int
    question: str
    output: OutputRecord
    judgements: tuple[JudgementRecord, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    unscored: dict[str, str] = Field(default_factory=dict)
    facts: dict[str, bool | float | None] = Field(default_factory=dict)
    expected: dict[str, Any] = Field(default_factory=dict)
    verdict: RowVerdict
    faults: tuple[str, ...] = ()


class CaseResult(_Record):
    """One line of a run: a case with one row a turn."""

    type: Literal["case"] = "case"
    case_id: str
    tags: tuple[str, ...] = ()
    rows: tuple[RowRecord, ...]
    cached: bool = False
    seconds: float = 0.0

    @property
    def verdict(self) -> RowVerdict:
        """The worst of its turns."""
        verdicts = {row.verdict for row in self.rows}
        return "fail" if "fail" in verdicts else "unscored" if "unscored" in verdicts else "pass"


class SuiteHeader(_Record):
    """Which suite a run is of."""

    name: str
    version: str
    kind: str
    purpose: str
    digest: str
    corpus_digest: str
    licence: str
    metrics: tuple[str, ...] = ()
    thresholds: dict[str, float] = Field(default_factory=dict)
    cases: tuple[str, ...]


class RunHeader(_Record):
    """The first line of a run: all it takes to do it again."""

    type: Literal["header"] = "header"
    format: Literal[1] = 1
    run_id: str
    identity: str
    suite: SuiteHeader
    judge: str | None
    judge_card: dict[str, Any] = Field(default_factory=dict)
    manifest: dict[str, Any]
    manifest_digest: str
    seed: int
    depth: int
    limit: int | None
    tag: str | None
    created: str
    environment: dict[str, Any] = Field(default_factory=dict)


def record_evidence(evidence: Evidence, n: int = 0) -> EvidenceRecord:
    """The saved form of a piece of evidence."""
    return EvidenceRecord(
        n=n,
        paper_id=evidence.paper_id,
        start=evidence.start,
        end=evidence.end,
        quote=evidence.quote,
        score=evidence.score,
    )


def record_answer(answer: Answer) -> tuple[AnswerRecord, dict[str, float]]:
    """The saved form of an answer, and its clock times apart."""
    timings = {"retrieve_s": answer.timings.retrieve, "total_s": answer.timings.total}
    if answer.timings.first_token is not None:
        timings["first_token_s"] = answer.timings.first_token
    record = AnswerRecord(
        search_query=answer.search_query,
        status=answer.status,
        reason=answer.reason,
        text=answer.text,
        sentences=tuple(
            SentenceRecord(
                text=sentence.text,
                origin=sentence.origin,
                citations=sentence.citations,
                verdict=sentence.verdict,
                support=sentence.support,
                evidence=tuple(record_evidence(one.evidence, one.n) for one in sentence.evidence),
            )
            for sentence in answer.sentences
        ),
        sources=tuple(
            SourceRecord(
                n=source.n,
                paper_id=source.paper_id,
                title=source.title,
                cited=source.cited,
                read=source.read,
            )
            for source in answer.sources
        ),
        dropped=tuple((one.paper_id, one.why) for one in answer.dropped),
        nearest=tuple(paper.title for paper in answer.nearest),
        prompt_tokens=answer.usage.prompt_tokens,
        completion_tokens=answer.usage.completion_tokens,
        answerability=answer.answerability,
    )
    return record, timings


def record_search(result: SearchResult, depth: int) -> tuple[SearchRecord, dict[str, float]]:
    """The saved form of the first `depth` papers of a search, and its clock time apart."""
    hits = result.hits[:depth]
    # A searcher without an evidence order of its own shows its sentences paper by paper.
    shown = result.evidence or tuple(one for hit in hits for one in hit.evidence)
    record = SearchRecord(
        search_query=result.query.search_query,
        paper_ids=tuple(hit.paper.paper_id for hit in hits),
        titles=tuple(hit.paper.title for hit in hits),
        scores=tuple(hit.score for hit in hits),
        evidence=tuple(record_evidence(one) for one in shown[:20]),
        answerability=result.answerability,
        relevant_count=result.relevant_count,
    )
    return record, {"search_s": result.seconds}
