"""A tiny world to measure in: four papers, a dozen cases, a sound pipeline, a judge by words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from askpapers.domain import (
    ABSTENTION,
    Answer,
    Citation,
    Evidence,
    Hit,
    Paper,
    Query,
    SearchResult,
    Sentence,
    Source,
    Timings,
    Usage,
)
from askpapers.evals.cases import CaseRecord, resolve_cases
from askpapers.evals.suites import Suite, digest_corpus, digest_of
from askpapers.metrics.facts import normalise

PAPERS = (
    Paper(
        "rita",
        "RITA: Group Attention for Timeseries",
        "Timeseries are long. RITA groups the windows of a series by similarity. It is up to 63 "
        "times faster than the state of the art. It does not lose accuracy on MNIST.",
    ),
    Paper(
        "dkm",
        "Convolutional Deep Kernel Machines",
        "Kernels learn little. The model trains in roughly 77 GPU hours. It reaches 92.7% on "
        "CIFAR-10.",
    ),
    Paper(
        "prune",
        "Pruning at Initialization",
        "Networks are large. Pruning at initialization reduces memory by 2.1 times. Accuracy "
        "improves slightly when 12 layers are kept.",
    ),
    Paper(
        "sketch",
        "Randomized Sketching for Newton",
        "Newton is slow. A randomized solver reduces the cost of an iteration. The method "
        "converges superlinearly on 9 problems.",
    ),
)

CASES = (
    (
        "a1",
        "How many GPU hours does the kernel machine need?",
        "dkm",
        "The model trains in roughly 77 GPU hours.",
        ["77"],
    ),
    (
        "a2",
        "How much faster is RITA?",
        "rita",
        "It is up to 63 times faster than the state of the art.",
        ["63"],
    ),
    (
        "a3",
        "What does pruning save?",
        "prune",
        "Pruning at initialization reduces memory by 2.1 times.",
        ["2.1", "memory"],
    ),
    ("a4", "Which accuracy on CIFAR-10?", "dkm", "It reaches 92.7% on CIFAR-10.", ["92.7%"]),
    (
        "a5",
        "On how many problems was the solver tried?",
        "sketch",
        "The method converges superlinearly on 9 problems.",
        ["9"],
    ),
    ("a6", "Does RITA lose accuracy?", "rita", "It does not lose accuracy on MNIST.", ["not lose"]),
    (
        "a7",
        "How does RITA group?",
        "rita",
        "RITA groups the windows of a series by similarity.",
        ["similarity"],
    ),
    (
        "a8",
        "What gets cheaper by sketching?",
        "sketch",
        "A randomized solver reduces the cost of an iteration.",
        ["cost"],
    ),
)

OFF_TOPIC = (
    "Who won the cup?",
    "What is the capital?",
    "How long to boil an egg?",
    "Will it rain?",
)

_TITLES = {paper.paper_id: paper.title for paper in PAPERS}
_ABSTRACTS = {paper.paper_id: paper.abstract for paper in PAPERS}


def make_records() -> list[CaseRecord]:
    records = [
        CaseRecord.model_validate(
            {
                "id": name,
                "question": question,
                "papers": [{"title": _TITLES[paper]}],
                "evidence": [{"title": _TITLES[paper], "quote": quote}],
                "key_facts": facts,
                "reference": quote,
                "tags": ["answerable", paper],
                "forbidden": ["PWNED"],
            }
        )
        for name, question, paper, quote, facts in CASES
    ]
    records += [
        CaseRecord.model_validate(
            {"id": f"u{index}", "question": question, "unanswerable": "no paper is about it",
             "tags": ["off-topic"]}
        )
        for index, question in enumerate(OFF_TOPIC, start=1)
    ]  # fmt: skip
    first, second = CASES[0], CASES[3]
    turns = [
        {
            "question": question,
            "papers": [{"title": _TITLES[paper]}],
            "evidence": [{"title": _TITLES[paper], "quote": quote}],
            "key_facts": facts,
        }
        for _, question, paper, quote, facts in (first, second)
    ]
    records.append(CaseRecord.model_validate({"id": "c1", "turns": turns, "tags": ["talk"]}))
    return records


def make_suite(records: Sequence[CaseRecord] | None = None, **changes: object) -> Suite:
    records = make_records() if records is None else records
    suite = Suite(
        name="tiny",
        version="1",
        purpose="tests",
        kind="answers",
        licence="Apache-2.0",
        metrics=("faithfulness",),
        thresholds={},
        cases=resolve_cases(records, PAPERS, where="tiny"),
        papers={paper.paper_id: paper for paper in PAPERS},
        corpus_paths=(),
        corpus_digest=digest_corpus(PAPERS),
        digest=digest_of([record.model_dump(mode="json") for record in records]),
    )
    return replace(suite, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Finding:
    kind: str
    text: str


@dataclass(frozen=True)
class Word:
    verdict: str
    support: float
    findings: tuple[Finding, ...] = ()


class WordJudge:
    """Supported when every word and number of the claim stands in the evidence."""

    name = "words"

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Word]:
        made = []
        for claim, evidence in pairs:
            words = set(normalise(claim))
            share = len(words & set(normalise(" ".join(evidence)))) / len(words)
            made.append(
                Word("supported", share)
                if share == 1.0
                else Word("unsupported", share, (Finding("words", f"{share:.2f} found"),))
            )
        return made


def find_evidence(paper_id: str, quote: str) -> Evidence:
    start = _ABSTRACTS[paper_id].index(quote)
    return Evidence(paper_id, start, start + len(quote), quote, 1.0)


def make_sentence(text: str, n: int, evidence: Evidence, origin: str = "written") -> Sentence:
    return Sentence(text, origin, (n,), "supported", 0.9, (Citation(n, evidence),))  # type: ignore[arg-type]


def make_answer(
    question: str, sentences: Sequence[Sentence], papers: Sequence[str], **changes: object
) -> Answer:
    cited = {n for sentence in sentences for n in sentence.citations}
    answer = Answer(
        question=question,
        search_query=question,
        status="answered",
        reason=None,
        text=" ".join(
            one.text.rstrip(".") + " " + "".join(f"[{n}]" for n in one.citations) + "."
            for one in sentences
        ),
        sentences=tuple(sentences),
        sources=tuple(
            Source(n, paper, _TITLES[paper], None, n in cited, True)
            for n, paper in enumerate(papers, start=1)
        ),
        dropped=(),
        nearest=(),
        usage=Usage(200, 20, 2048),
        timings=Timings(0.05, 0.2, 1.0),
        answerability=0.9,
    )
    return replace(answer, **changes)  # type: ignore[arg-type]


def make_abstention(question: str) -> Answer:
    return Answer(
        question, question, "abstained", "nothing fits", ABSTENTION, (), (), (), (), Usage(),
        Timings(0.05, None, 0.1), answerability=0.1,
    )  # fmt: skip


_KNOWN: Mapping[str, tuple[str, str]] = {
    question: (paper, quote) for _, question, paper, quote, _ in CASES
}


def answer_soundly(questions: Sequence[str]) -> list[Answer]:
    """Says the evidence sentence with its citation, abstains from everything else."""
    return [_answer_one(question) for question in questions]


def _answer_one(question: str) -> Answer:
    if question not in _KNOWN:
        return make_abstention(question)
    paper, quote = _KNOWN[question]
    others = [one for one in _TITLES if one != paper]
    sentence = make_sentence(quote, 1, find_evidence(paper, quote))
    return make_answer(question, [sentence], [paper, *others])


def broken(change: Callable[[Answer], Answer]) -> Callable[[Sequence[str]], list[Answer]]:
    """The sound pipeline with every answer changed."""
    return lambda questions: [change(answer) for answer in answer_soundly(questions)]


def search_soundly(question: str) -> SearchResult:
    paper, quote = _KNOWN.get(question, ("rita", "Timeseries are long."))
    order = [paper, *(one for one in _TITLES if one != paper)]
    by_id = {one.paper_id: one for one in PAPERS}
    evidence = find_evidence(paper, quote)
    return SearchResult(
        query=Query(question, question),
        hits=tuple(
            Hit(rank, by_id[one], 1.0 / rank, (evidence,) if rank == 1 else ())
            for rank, one in enumerate(order, start=1)
        ),
        evidence=(evidence,),
        answerability=0.9,
        relevant_count=1,
        seconds=0.01,
    )
