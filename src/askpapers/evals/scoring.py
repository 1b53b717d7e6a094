"""Scores one question: from what the pipeline gave to values of the measures that apply.

Nothing that the pipeline says of itself is believed. Quotations are looked up in the corpus,
citations are judged on the text that really stands there, and the judge is asked anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from askpapers.domain import Paper
from askpapers.errors import AskPapersError
from askpapers.evals.cases import Turn
from askpapers.evals.records import (
    AnswerRecord,
    JudgementRecord,
    OutputRecord,
    RowRecord,
    RowVerdict,
    SearchRecord,
)
from askpapers.evals.suites import SuiteKind
from askpapers.evals.verification import JUDGED, judge_claims
from askpapers.metrics import answers, citations, retrieval
from askpapers.metrics.answers import Embed
from askpapers.metrics.facts import is_stated, key_fact_recall
from askpapers.metrics.retrieval import Place
from askpapers.support import SupportJudge

RIGHT_FACT_SHARE = 0.5
"""An answer counts as right for the risk-coverage curve from this share of its key facts on."""

CUTOFFS = (1, 3, 5, 10, 100)


@dataclass(frozen=True, slots=True)
class Means:
    """What scoring needs besides the case: corpus, judge, embedder, and how deep is searched."""

    papers: Mapping[str, Paper]
    judge: SupportJudge | None = None
    embed: Embed | None = None
    depth: int = 10
    searches: bool = True


def _count_invalid(answer: AnswerRecord) -> int:
    """Cited numbers without a source, in the sentences and in the marks of the text."""
    cited: set[int] = set()
    left = answer.text
    for sentence in answer.sentences:
        cited.update(sentence.citations)
        left = left.replace(sentence.text, " ")
        # An abstract may say "[0, 1]"; only what was written can hold a forged mark.
        if sentence.origin == "written":
            cited.update(citations.find_marks(sentence.text))
    if answer.sentences:
        cited.update(citations.find_marks(left))
    return citations.count_invalid_citations(sorted(cited), [source.n for source in answer.sources])


def _count_nonverbatim(answer: AnswerRecord, papers: Mapping[str, Paper]) -> int:
    source_papers = {source.n: source.paper_id for source in answer.sources}
    wrong = 0
    for sentence in answer.sentences:
        for one in sentence.evidence:
            paper = papers.get(one.paper_id)
            abstract = paper.abstract if paper else None
            right = citations.is_verbatim(one.quote, abstract, one.start, one.end)
            wrong += not right or source_papers.get(one.n) != one.paper_id
        if sentence.origin == "quoted":
            cited = [papers.get(source_papers.get(number, "")) for number in sentence.citations]
            abstracts = [paper.abstract for paper in cited if paper]
            wrong += not citations.is_quotation_of(sentence.text, abstracts)
    return wrong


def _places(record: SearchRecord) -> list[Place]:
    return [Place(one.paper_id, one.start, one.end) for one in record.evidence]


def score_search(turn: Turn, record: SearchRecord, depth: int) -> dict[str, float]:
    """The retrieval measures of one ranking; cutoffs beyond `depth` do not apply."""
    ranked, grades = record.paper_ids[:depth], turn.grades
    shown = _places(record)
    values: dict[str, float | None] = {
        f"recall@{k}": retrieval.recall_at_k(ranked, grades, k) for k in CUTOFFS if k <= depth
    }
    values["mrr"] = retrieval.reciprocal_rank(ranked, grades)
    values["hit@1"] = retrieval.hit_at_k(ranked, grades, 1)
    values["hit@5"] = retrieval.hit_at_k(ranked, grades, 5)
    if depth >= 10:
        values["ndcg@10"] = retrieval.ndcg_at_k(ranked, grades, 10)
        values["required@10"] = retrieval.required_at_k(ranked, grades, 10)
    for k in (1, 3, 5):
        values[f"evidence@{k}"] = retrieval.evidence_at_k(shown, turn.evidence, k)
    values["context_precision"] = retrieval.context_precision(shown, turn.evidence)
    values["context_recall"] = retrieval.context_recall(shown, turn.evidence)
    return {name: value for name, value in values.items() if value is not None}


def _cited_measures(turn: Turn, answer: AnswerRecord) -> dict[str, float]:
    source_papers = {source.n: source.paper_id for source in answer.sources}
    values: dict[str, float] = {}
    if turn.evidence:
        shown = [
            Place(one.paper_id, one.start, one.end)
            for sentence in answer.sentences
            for one in sentence.evidence
        ]
        values["gold_evidence_cited"] = float(
            any(retrieval.is_match(one, gold) for one in shown for gold in turn.evidence)
        )
    if turn.grades:
        relevant = retrieval.find_relevant(turn.grades)
        cited = {source_papers.get(n) for one in answer.sentences for n in one.citations}
        values["gold_paper_cited"] = float(bool(relevant & cited))
    return values


def _shown_text(answer: AnswerRecord) -> str:
    return "\n".join([answer.text, *(sentence.text for sentence in answer.sentences)])


class _Row:
    """Collects the values of one row."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.scores: dict[str, float] = {}
        self.unscored: dict[str, str] = {}
        self.facts: dict[str, bool | float | None] = {}
        self.judgements: tuple[JudgementRecord, ...] = ()
        self.faults: list[str] = []


def _score_answer(row: _Row, answer: AnswerRecord, output: OutputRecord, means: Means) -> None:
    turn, scores = row.turn, row.scores
    answered, abstained = answer.status == "answered", answer.status == "abstained"
    # Where an abstract contradicts a false premise, saying so is as right as refusing.
    corrected = answered and turn.is_false_premise and _states_enough(turn, answer)
    if turn.is_false_premise:
        scores["corrected"] = float(corrected)
    row.facts |= {
        "should_abstain": turn.should_abstain,
        "abstained": abstained or corrected,
        "answerability": answer.answerability,
    }
    scores["forbidden"] = float(bool(answers.find_forbidden(_shown_text(answer), turn.forbidden)))
    if scores["forbidden"]:
        row.faults.append("shows forbidden text")
    if turn.should_abstain is False:
        scores["answered_rate"] = float(answered)
        recalled = key_fact_recall(answer.text if answered else "", turn.key_facts)
        if recalled is not None:
            scores["key_fact_recall"] = recalled
            missing = [one for one in turn.key_facts if not is_stated(one, answer.text)]
            if answered and missing:
                row.faults.append(f"key facts missing: {', '.join(missing)}")
    if answered:
        _score_shown(row, answer, means)
    _score_speed(scores, answer, output)
    wrong = turn.should_abstain is True and not corrected
    recall = scores.get("key_fact_recall")
    if answered and turn.should_abstain is not None and (wrong or corrected or recall is not None):
        row.facts["right"] = corrected or (not wrong and (recall or 0.0) >= RIGHT_FACT_SHARE)
    if abstained and turn.should_abstain is False:
        row.faults.append("abstains on an answerable question")
    if answered and wrong:
        row.faults.append("answers an unanswerable question")


def _score_shown(row: _Row, answer: AnswerRecord, means: Means) -> None:
    """Measures of an answer that was given."""
    turn, scores = row.turn, row.scores
    scores["invalid_citations"] = float(_count_invalid(answer))
    scores["nonverbatim_quotations"] = float(_count_nonverbatim(answer, means.papers))
    scores |= _cited_measures(turn, answer)
    share = answers.written_share([sentence.origin for sentence in answer.sentences])
    if share is not None:
        scores["written_share"] = share
    if scores["invalid_citations"]:
        row.faults.append("cites a number that no source has")
    if scores["nonverbatim_quotations"]:
        row.faults.append("quotes what does not stand there")
    if turn.reference and means.embed is not None:
        similarity = answers.similarity(means.embed, answer.text, turn.reference)
        if similarity is not None:
            scores["similarity"] = similarity
    if not answer.sentences:
        # An answer that shows no sentence has no proof for what it says.
        scores |= {"citation_recall": 0.0, "citation_precision": 0.0}
        scores |= {"faithfulness": 0.0, "strict_faithfulness": 0.0}
        row.faults.append("answers without a checked sentence")
    elif means.judge is None:
        row.unscored |= dict.fromkeys(JUDGED, "no judge was given")
    else:
        try:
            row.judgements, judged = judge_claims(turn.question, answer, means.papers, means.judge)
        except AskPapersError as exc:
            row.unscored |= dict.fromkeys(JUDGED, f"the judge failed: {exc.message}")
            return
        scores |= judged
        if judged.get("strict_faithfulness") == 0.0:
            row.faults.append("a claim is not supported by what it cites")


def _score_speed(scores: dict[str, float], answer: AnswerRecord, output: OutputRecord) -> None:
    timings = output.timings
    for name in ("retrieve_s", "first_token_s", "total_s"):
        if name in timings:
            scores[name] = timings[name]
    if answer.completion_tokens:
        scores["prompt_tokens"] = float(answer.prompt_tokens)
        scores["completion_tokens"] = float(answer.completion_tokens)
        speed = answers.tokens_per_second(
            answer.completion_tokens, timings.get("first_token_s"), timings.get("total_s", 0.0)
        )
        if speed is not None:
            scores["tokens_per_second"] = speed


def _states_enough(turn: Turn, answer: AnswerRecord) -> bool:
    return (key_fact_recall(answer.text, turn.key_facts) or 0.0) >= RIGHT_FACT_SHARE


def _score_expectation(row: _Row, output: OutputRecord) -> None:
    """Whether the turn was answered, abstained from or refused as the case demands."""
    status = "error" if output.error else output.answer.status if output.answer else None
    if status is None:
        return
    expect = row.turn.expect
    met = status == expect or (expect == "any" and status != "error")
    if row.scores.get("corrected") == 1.0:
        met = True
    # A refusal has to be one of the program's own errors, not a crash.
    if expect == "error" and output.error is not None:
        met = output.error.exit_code is not None
    row.scores["expectation"] = float(met)
    if not met:
        row.faults.append(f"expected {expect}, got {status}")


def _mark_unscored(row: _Row, kind: SuiteKind, means: Means, reason: str) -> None:
    """An error is no zero: whatever the case would have been judged by is unscored."""
    if row.turn.expect == "error":
        return
    names = []
    if kind == "answers":
        names += list(JUDGED) if row.turn.should_abstain is False else []
        names += ["answered_rate"] if row.turn.should_abstain is False else []
        names += ["key_fact_recall"] if row.turn.key_facts else []
        names += ["abstention_f1"] if row.turn.should_abstain is not None else []
    if means.searches:
        names += list(score_search(row.turn, _NOTHING_FOUND, means.depth))
    row.unscored |= {name: reason for name in names if name not in row.scores}


_NOTHING_FOUND = SearchRecord(
    search_query="", paper_ids=(), titles=(), scores=(), evidence=(), answerability=0.0,
    relevant_count=0,
)  # fmt: skip


def _choose_verdict(row: _Row, kind: SuiteKind, output: OutputRecord) -> RowVerdict:
    if output.error is not None and row.turn.expect != "error":
        return "unscored"
    if kind == "retrieval":
        hit = row.scores.get("hit@1")
        if hit is None:
            return "unscored"
        if hit == 0.0:
            row.faults.append("no relevant paper stands first")
        return "pass" if hit else "fail"
    if any(reason.startswith("the judge failed") for reason in row.unscored.values()):
        return "unscored"
    enough = row.scores.get("key_fact_recall", 1.0) >= RIGHT_FACT_SHARE
    hard = [fault for fault in row.faults if not fault.startswith("key facts missing")]
    return "pass" if enough and not hard else "fail"


def score_turn(
    turn: Turn, output: OutputRecord, means: Means, kind: SuiteKind, number: int
) -> RowRecord:
    """One row of a run.

    Args:
        turn: The question and its right answer.
        output: What the pipeline gave for it.
        means: Corpus, judge, embedder and search depth.
        kind: Kind of the suite.
        number: Place of the turn in its case, from 0.

    Returns:
        The values of all measures that apply; an error makes them unscored, never zero.
    """
    row = _Row(turn)
    if output.search is not None:
        row.scores |= score_search(turn, output.search, means.depth)
        if "search_s" in output.timings:
            row.scores["search_s"] = output.timings["search_s"]
    if kind == "answers":
        if output.answer is not None and output.answer.status != "error":
            _score_answer(row, output.answer, output, means)
        _score_expectation(row, output)
    if output.error is not None:
        _mark_unscored(row, kind, means, f"{output.error.type}: {output.error.message}")
    verdict = _choose_verdict(row, kind, output)
    return RowRecord(
        turn=number,
        question=turn.question,
        output=output,
        judgements=row.judgements,
        scores=row.scores,
        unscored=row.unscored,
        facts=row.facts,
        expected={
            "expect": turn.expect,
            "key_facts": list(turn.key_facts),
            "reference": turn.reference,
            "unanswerable": turn.unanswerable,
            "evidence": [
                {
                    "title": means.papers[one.paper_id].title,
                    "quote": means.papers[one.paper_id].abstract[one.start : one.end],
                }
                for one in turn.evidence
            ],
            "papers": {means.papers[one].title: grade for one, grade in turn.grades.items()},
            "forbidden": list(turn.forbidden),
        },
        verdict=verdict,
        faults=tuple(dict.fromkeys(row.faults)),
    )
