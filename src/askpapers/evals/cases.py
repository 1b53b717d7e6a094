"""Cases: a question or the turns of a conversation, with all that is known of the right answer.

A case names its papers by title (or id) and its evidence by verbatim quotation. Both are resolved
against the corpus when a suite is loaded, so a case that drifted from it fails loudly there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from askpapers.corpus.repair import repair_text
from askpapers.domain import Paper
from askpapers.errors import AskPapersError, ResourceError
from askpapers.metrics.retrieval import Place

Expectation = Literal["answered", "abstained", "error", "any"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RelevantPaper(_Strict):
    """A paper that answers the question: its title, or its id where titles may repeat."""

    title: str | None = None
    paper_id: str | None = None
    grade: int = Field(default=1, ge=0, le=10)


class MarkedEvidence(_Strict):
    """A sentence of a paper that holds the answer, copied verbatim."""

    title: str | None = None
    paper_id: str | None = None
    quote: str = Field(min_length=1)


class Repeat(_Strict):
    """A question made of one text many times over, so that no file has to hold it."""

    text: str
    times: int = Field(ge=1, le=1_000_000)


class TurnRecord(_Strict):
    """One question with all that is known of its right answer."""

    question: str | None = None
    question_repeat: Repeat | None = None
    papers: tuple[RelevantPaper, ...] = ()
    evidence: tuple[MarkedEvidence, ...] = ()
    key_facts: tuple[str, ...] = ()
    reference: str = ""
    unanswerable: str | None = None
    expect: Expectation | None = None
    forbidden: tuple[str, ...] = ()
    note: str = ""


class CaseRecord(TurnRecord):
    """One line of a cases file: a question, or the turns of a conversation."""

    id: str = Field(min_length=1)
    turns: tuple[TurnRecord, ...] = ()
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_one_form(self) -> CaseRecord:
        for record in self.turns or (self,):
            if (record.question is None) == (record.question_repeat is None):
                raise ValueError("a case or turn has either a question or a question_repeat")
        if self.turns and (self.question is not None or self.question_repeat is not None):
            raise ValueError("a case has either a question or turns")
        return self


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, resolved: papers by id with grades, evidence by place."""

    question: str
    grades: Mapping[str, int] = field(default_factory=dict)
    evidence: tuple[Place, ...] = ()
    key_facts: tuple[str, ...] = ()
    reference: str = ""
    unanswerable: str | None = None
    expect: Expectation = "answered"
    forbidden: tuple[str, ...] = ()

    @property
    def should_abstain(self) -> bool | None:
        """Whether abstaining is right; `None` where the case leaves it open."""
        if self.expect in ("any", "error"):
            return None
        return self.expect == "abstained"

    @property
    def is_false_premise(self) -> bool:
        """Whether an abstract contradicts the question: then its key facts are the correction."""
        return self.unanswerable is not None and bool(self.key_facts)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a single question or the turns of a conversation."""

    case_id: str
    turns: tuple[Turn, ...]
    tags: tuple[str, ...] = ()


def _fold(title: str) -> str:
    return " ".join(repair_text(title).split()).casefold()


class _Resolver:
    """Finds papers by title or id and quotations in their abstracts."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.papers = {paper.paper_id: paper for paper in papers}
        self._by_title: dict[str, list[str]] = {}
        for paper in papers:
            self._by_title.setdefault(_fold(paper.title), []).append(paper.paper_id)

    def resolve_paper(self, title: str | None, paper_id: str | None) -> str:
        if paper_id is not None:
            if paper_id not in self.papers:
                raise ResourceError(f"no paper of the corpus has the id {paper_id!r}")
            return paper_id
        if title is None:
            raise ResourceError("a paper has neither a title nor a paper_id")
        found = self._by_title.get(_fold(title), [])
        if len(found) != 1:
            count = f"{len(found)} papers" if found else "no paper"
            raise ResourceError(f"{count} of the corpus has the title {title!r}")
        return found[0]

    def resolve_place(self, record: MarkedEvidence) -> Place:
        paper_id = self.resolve_paper(record.title, record.paper_id)
        abstract = self.papers[paper_id].abstract
        # What was copied from a page may hold debris that is mended when the page is read.
        for quote in (record.quote, repair_text(record.quote)):
            start = abstract.find(quote)
            if start >= 0:
                return Place(paper_id, start, start + len(quote))
        raise ResourceError(
            f"the abstract of {self.papers[paper_id].title!r} does not hold {record.quote!r}"
        )

    def resolve_turn(self, record: TurnRecord) -> Turn:
        question = record.question
        if record.question_repeat is not None:
            question = record.question_repeat.text * record.question_repeat.times
        expect = record.expect or ("answered" if record.unanswerable is None else "abstained")
        return Turn(
            question=question or "",
            grades={
                self.resolve_paper(paper.title, paper.paper_id): paper.grade
                for paper in record.papers
            },
            evidence=tuple(self.resolve_place(one) for one in record.evidence),
            key_facts=record.key_facts,
            reference=record.reference,
            unanswerable=record.unanswerable,
            expect=expect,
            forbidden=record.forbidden,
        )


def resolve_cases(
    records: Sequence[CaseRecord], papers: Sequence[Paper], *, where: str
) -> tuple[Case, ...]:
    """Cases with papers by id and evidence by place.

    Raises:
        ResourceError: a title is unknown or ambiguous, or a quotation is not verbatim.
    """
    resolver = _Resolver(papers)
    cases = []
    for record in records:
        try:
            turns = tuple(resolver.resolve_turn(turn) for turn in record.turns or (record,))
        except AskPapersError as exc:
            raise ResourceError(f"{where}, case {record.id!r}: {exc.message}.") from exc
        cases.append(Case(record.id, turns, record.tags))
    return tuple(cases)
