"""The JSON that other programs depend on, as pydantic models, and its making from domain objects.

Names, shapes and meanings are a contract: fields may be added, never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askpapers.domain import Answer, Hit, Paper, SearchResult
from askpapers.errors import CorpusError
from askpapers.models import Manifest
from askpapers.support import Judgement


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EvidenceRecord(_Record):
    """The abstract sentence behind a sentence: `quote == abstract[start:end]`."""

    n: int
    paper_id: str
    quote: str
    start: int
    end: int


class SentenceRecord(_Record):
    """One sentence of an answer, without marks.

    `opening` stands before it in the answer: the name of the paper that a quotation is from, where
    another spoke before, or "… " where the abstract says more in between. `best` is true of the
    sentence that is likeliest to answer.
    """

    text: str
    origin: Literal["written", "quoted"]
    citations: list[int]
    verdict: Literal["supported", "partial", "unsupported"]
    support: float = Field(ge=0, le=1)
    opening: str = ""
    best: bool = False
    evidence: list[EvidenceRecord]


class SourceRecord(_Record):
    """A paper that was found; `read`: its text was in the model's prompt."""

    n: int
    paper_id: str
    title: str
    date: str | None
    cited: bool
    read: bool


class DroppedRecord(_Record):
    """What was left out, and why."""

    paper_id: str
    why: str


class NearestRecord(_Record):
    """A paper offered when the answer is none."""

    paper_id: str
    title: str


class UsageRecord(_Record):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    context_tokens: int


class AnswerTimings(_Record):
    """Seconds."""

    retrieve_s: float
    first_token_s: float | None
    total_s: float


class AnswerRecord(_Record):
    """`ask --json`."""

    id: str | None
    question: str
    search_query: str
    status: Literal["answered", "abstained", "error"]
    reason: str | None
    answer: str
    sentences: list[SentenceRecord]
    sources: list[SourceRecord]
    dropped: list[DroppedRecord]
    nearest: list[NearestRecord]
    usage: UsageRecord
    timings: AnswerTimings
    answerability: float | None
    manifest: dict[str, Any]


class ConversationRecord(_Record):
    """`ask --batch` for a line with `turns`."""

    id: str | None
    turns: list[AnswerRecord]


class ErrorRecord(_Record):
    """A batch line that could not be handled."""

    id: str | None
    status: Literal["error"] = "error"
    error: str


class HitEvidenceRecord(_Record):
    """A sentence of a hit."""

    quote: str
    start: int
    end: int
    score: float


class HitRecord(_Record):
    """One paper found; `variants` are other versions of it, not listed themselves."""

    rank: int
    paper_id: str
    title: str
    date: str | None
    score: float
    variants: list[str]
    evidence: list[HitEvidenceRecord]


class SearchTimings(_Record):
    """Seconds."""

    search_s: float


class SearchRecord(_Record):
    """`search --json`."""

    id: str | None
    question: str
    search_query: str
    notes: list[str]
    hits: list[HitRecord]
    answerability: float
    timings: SearchTimings


class PaperRecord(_Record):
    """`papers list|show --json`."""

    paper_id: str
    title: str
    abstract: str
    authors_count: int | None
    date: str | None
    date_text: str | None
    date_not_before: str | None
    comments: int | None
    listings: list[str]
    listed_at: list[str]
    authors: list[str]
    url: str | None
    variants: list[str]


class IndexManifestRecord(_Record):
    """What an index was built from and with.

    `patched`: papers put into or taken out of the vector index since it was last made whole;
    `files`: bytes and CRC-32 of each; `database`: pages, the page that changes, and CRC-32 of the
    rest of Chroma's SQLite file; `sum`: CRC-32 of all that stands here.
    """

    format: int
    corpus: str
    embedder: str
    dimension: int
    passage_rule: str
    fingerprint: str
    digest: str
    papers: int
    listings: int
    passages: int
    sentences: int
    patched: int = 0
    versions: dict[str, str]
    files: dict[str, tuple[int, int]] | None = None
    database: tuple[int, int, int] | None = None
    sum: int | None = None


class IndexRecord(_Record):
    """`index build|add --json`; `changed`: something was written."""

    changed: bool
    papers: int
    listings: int
    passages: int
    sentences: int
    embedded: int
    reused: int
    seconds: float
    report_lines: list[str]
    manifest: IndexManifestRecord


class VerificationRecord(_Record):
    """`index verify --json`."""

    ok: bool
    findings: list[str]


class ModelRecord(_Record):
    """One model of `models list --json`; `here`: its file is on this machine."""

    name: str
    kind: Literal["generator", "embedder", "reader", "judge", "fusion", "likelihood"]
    title: str
    licence: str
    here: bool


class ModelFileRecord(Manifest):
    """`models info --json`: the manifest, where the file lies, and its digest as read now."""

    path: str | None
    verified_sha256: str | None


class SettingRecord(_Record):
    """One setting of `settings --json`."""

    name: str
    value: Any
    default: Any
    environment: str
    description: str


class SuiteRecord(_Record):
    """One suite of `eval list --json`."""

    name: str
    version: str
    purpose: str
    kind: str
    cases: int


class CheckRecord(_Record):
    """One check of `doctor --json`; `mend` is the command that mends a failure."""

    name: str
    state: Literal["ok", "note", "fail"]
    detail: str
    mend: str
    exit_code: int


class SupportRecord(_Record):
    """`support --batch`."""

    id: str | None
    verdict: Literal["supported", "partial", "unsupported"]
    support: float = Field(ge=0, le=1)
    findings: list[dict[str, str]]


class _Line(BaseModel):
    """One line of a batch file; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str | None = None


LineT = TypeVar("LineT", bound=_Line)


class QuestionLine(_Line):
    """A question, or the turns of a conversation."""

    question: str | None = None
    turns: list[str] | None = Field(default=None, min_length=1)


class ClaimLine(_Line):
    """A claim with the sentences that should support it."""

    claim: str
    evidence: list[str]


def parse_line(model: type[LineT], line: str) -> LineT:
    """Read one line of a batch file.

    Raises:
        CorpusError: it is not a JSON object of that form.
    """
    try:
        return model.model_validate_json(line)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorpusError(f"The line is not valid: {where or 'line'}: {first['msg']}.") from exc


def find_id(line: str) -> str | None:
    """Return the id of a line that may be malformed otherwise, so that its error can name it."""
    try:
        value = json.loads(line)
        found = value.get("id") if isinstance(value, dict) else None
        name = None if found is None else str(found)
    except (ValueError, RecursionError):
        return None
    # half of a surrogate pair may stand in JSON, not in what is printed
    return None if name is None else name.encode("utf-8", "replace").decode("utf-8")


def make_answer(answer: Answer, *, id: str | None = None) -> AnswerRecord:
    """Turn an answer into its record."""
    return AnswerRecord(
        id=id,
        question=answer.question,
        search_query=answer.search_query,
        status=answer.status,
        reason=answer.reason,
        answer=answer.text,
        sentences=[
            SentenceRecord(
                text=s.text,
                origin=s.origin,
                citations=list(s.citations),
                verdict=s.verdict,
                support=round(min(max(s.support, 0.0), 1.0), 4),
                opening=s.opening,
                best=s.best,
                evidence=[
                    EvidenceRecord(
                        n=c.n,
                        paper_id=c.evidence.paper_id,
                        quote=c.evidence.quote,
                        start=c.evidence.start,
                        end=c.evidence.end,
                    )
                    for c in s.evidence
                ],
            )
            for s in answer.sentences
        ],
        sources=[
            SourceRecord(
                n=s.n, paper_id=s.paper_id, title=s.title, date=s.date, cited=s.cited, read=s.read
            )
            for s in answer.sources
        ],
        dropped=[DroppedRecord(paper_id=d.paper_id, why=d.why) for d in answer.dropped],
        nearest=[NearestRecord(paper_id=p.paper_id, title=p.title) for p in answer.nearest],
        usage=UsageRecord(
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            context_tokens=answer.usage.context_tokens,
        ),
        timings=AnswerTimings(
            retrieve_s=round(answer.timings.retrieve, 4),
            first_token_s=_round(answer.timings.first_token),
            total_s=round(answer.timings.total, 4),
        ),
        answerability=_round(answer.answerability),
        manifest=dict(answer.manifest),
    )


def make_search(result: SearchResult, *, id: str | None = None) -> SearchRecord:
    """Turn a search result into its record."""
    return SearchRecord(
        id=id,
        question=result.query.question,
        search_query=result.query.search_query,
        notes=list(result.query.notes),
        hits=[_make_hit(hit) for hit in result.hits],
        answerability=round(result.answerability, 4),
        timings=SearchTimings(search_s=round(result.seconds, 4)),
    )


def make_paper(paper: Paper) -> PaperRecord:
    """Turn a paper into its record; `listed_at` has `file:line` for every file in `listings`."""
    return PaperRecord(
        paper_id=paper.paper_id,
        title=paper.title,
        abstract=paper.abstract,
        authors_count=paper.authors_count,
        date=paper.date,
        date_text=paper.date_text,
        date_not_before=paper.date_not_before,
        comments=paper.comments,
        listings=[listing.file for listing in paper.listings],
        listed_at=[f"{listing.file}:{listing.line}" for listing in paper.listings],
        authors=list(paper.authors),
        url=paper.url,
        variants=list(paper.variants),
    )


def make_support(judgement: Judgement, *, id: str | None = None) -> SupportRecord:
    """Turn a judgement into its record."""
    return SupportRecord(
        id=id,
        verdict=judgement.verdict,
        support=round(min(max(judgement.support, 0.0), 1.0), 4),
        findings=[{"kind": f.kind, "text": f.text} for f in judgement.findings],
    )


def dump(record: BaseModel | Sequence[BaseModel]) -> str:
    """Return one line of JSON: an object, or an array of them."""
    if isinstance(record, BaseModel):
        return json.dumps(record.model_dump(mode="json"), ensure_ascii=False)
    return json.dumps([row.model_dump(mode="json") for row in record], ensure_ascii=False)


def _make_hit(hit: Hit) -> HitRecord:
    return HitRecord(
        rank=hit.rank,
        paper_id=hit.paper.paper_id,
        title=hit.paper.title,
        date=hit.paper.date,
        score=round(hit.score, 5),
        variants=list(hit.paper.variants),
        evidence=[
            HitEvidenceRecord(quote=e.quote, start=e.start, end=e.end, score=round(e.score, 5))
            for e in hit.evidence
        ],
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
