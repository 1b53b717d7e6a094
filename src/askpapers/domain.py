"""The words of the field as frozen dataclasses: what every other module passes around.

Offsets are character positions into a paper's abstract: `abstract[start:end] == quote`.
A score is larger-is-better everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["supported", "partial", "unsupported"]
Origin = Literal["written", "quoted"]
Status = Literal["answered", "abstained", "error"]

ABSTENTION = "The papers here do not answer this question."
"""The one sentence of an answer that abstains, in prompts, grammars and output alike."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One place where a paper was listed: file name, 1-based line of its title."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper, however often it is listed.

    `date` is ISO (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`), or None when the source doesn't say the
    year; `date_text` is what was printed; `date_not_before` is a lower bound that was inferred.
    """

    paper_id: str
    title: str
    abstract: str
    authors_count: int | None = None
    date: str | None = None
    date_text: str | None = None
    date_not_before: str | None = None
    comments: int | None = None
    listings: tuple[Listing, ...] = ()
    authors: tuple[str, ...] = ()
    url: str | None = None
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of characters in an abstract."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences that fits the embedder together with its title."""

    paper_id: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """A passage or sentence found by its vector; `score` is the cosine."""

    item_id: str
    paper_id: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim sentence of an abstract, with the score that ranked it."""

    paper_id: str
    start: int
    end: int
    quote: str
    score: float = 0.0

    def overlaps(self, other: Evidence) -> bool:
        """Tell whether both share a character of one abstract."""
        return self.paper_id == other.paper_id and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved paper with its best sentences, best first."""

    rank: int
    paper: Paper
    score: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which papers may be considered; applied before ranking.

    `since` and `until` are ISO dates or prefixes, inclusive. A paper without a date passes `since`
    where its lower bound proves it, and `until` unless the bound disproves it; one with neither
    passes no date filter. Empty tuples mean no restriction.
    """

    since: str | None = None
    until: str | None = None
    paper_ids: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it was understood: what is searched, and why each part is there.

    `several` says that its words ask for several papers.
    """

    question: str
    search_query: str
    filters: Filters = field(default_factory=Filters)
    notes: tuple[str, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Ranked hits, best first, for one query.

    `answerability` is the calibrated probability (0..1) that the evidence shown states what
    is asked, and `signals` what it was estimated from, by name; `relevant_count` says how many
    papers were relevant enough; `left_out` are sentences of these papers that may not be
    evidence, and why.
    """

    query: Query
    hits: tuple[Hit, ...]
    evidence: tuple[Evidence, ...]
    answerability: float
    relevant_count: int
    seconds: float
    left_out: tuple[Dropped, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """Evidence under its source number `n` (1-based, stable through a conversation)."""

    n: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer with the proof for it; `text` carries no marks.

    `opening` stands before the text: the name of the paper that a quotation is from, where another
    spoke before, or "… " where the abstract says more in between. `best`: it shows the sentence
    that the search holds likeliest to answer.
    """

    text: str
    origin: Origin
    citations: tuple[int, ...]
    verdict: Verdict
    support: float
    evidence: tuple[Citation, ...]
    opening: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A paper that was found for an answer. `read`: its text was in the model's prompt."""

    n: int
    paper_id: str
    title: str
    date: str | None
    cited: bool
    read: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """A paper or a sentence that was left out of the answer, and why."""

    paper_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the prompt, of the text written, and the model's context size."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    context_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock seconds; `first_token` is None when nothing was generated."""

    retrieve: float = 0.0
    first_token: float | None = None
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """All that is known of one answer; an abstention is an Answer with status "abstained"."""

    question: str
    search_query: str
    status: Status
    reason: str | None
    text: str
    sentences: tuple[Sentence, ...]
    sources: tuple[Source, ...]
    dropped: tuple[Dropped, ...]
    nearest: tuple[Paper, ...]
    usage: Usage
    timings: Timings
    answerability: float | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
