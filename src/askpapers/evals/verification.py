"""Judges an answer's claims on the text that stands in the corpus where the answer says it stands.

The pipeline's own verdicts are not read. A quotation that is not there, or that belongs to another
paper than its number does, proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from askpapers.domain import Paper
from askpapers.evals.records import AnswerRecord, JudgementRecord, SentenceRecord
from askpapers.metrics import answers, citations
from askpapers.metrics.citations import CitedSentence
from askpapers.metrics.hallucinations import KINDS, find_hallucinations
from askpapers.support import Judgement, SupportJudge

_Pair = tuple[str, tuple[str, ...]]

JUDGED = (
    "citation_recall",
    "citation_precision",
    "faithfulness",
    "strict_faithfulness",
    *(f"hallucination_{kind}" for kind in (*KINDS, "any")),
)
"""Measures that need the judge."""


class _Verdicts:
    """Asks the judge once for every pair, in one batch where the pairs are known ahead."""

    def __init__(self, judge: SupportJudge) -> None:
        self._judge = judge
        self._known: dict[_Pair, Judgement] = {}

    def ask(self, pairs: Sequence[_Pair]) -> None:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        if new:
            self._known.update(zip(new, self._judge.judge(new), strict=True))

    def get(self, claim: str, premises: Sequence[str]) -> Judgement:
        pair = (claim, tuple(premises))
        self.ask([pair])
        return self._known[pair]

    def entails(self, claim: str, premises: Sequence[str]) -> bool:
        return self.get(claim, premises).verdict == "supported"


def _find_premises(
    sentence: SentenceRecord, source_papers: Mapping[int, str], papers: Mapping[str, Paper]
) -> dict[int, str]:
    """Cited number -> the text that stands in the corpus where the answer says it stands.

    It stands behind the paper's title, as ALCE's passages do: the title says what "we" and "our
    method" are. A quotation that is not there, or that belongs to another paper than the number
    does, is worth nothing. A citation without any quotation is read as the whole abstract.
    """
    premises: dict[int, str] = {}
    for number in dict.fromkeys(sentence.citations):
        paper = papers.get(source_papers.get(number, ""))
        shown = [one for one in sentence.evidence if one.n == number]
        if paper is None:
            premises[number] = ""
        elif not shown:
            premises[number] = paper.abstract
        else:
            text = " ".join(
                one.quote
                for one in shown
                if one.paper_id == paper.paper_id
                and citations.is_verbatim(one.quote, paper.abstract, one.start, one.end)
            )
            premises[number] = f"{paper.title}. {text}" if text else ""
    return premises


def judge_claims(
    question: str, answer: AnswerRecord, papers: Mapping[str, Paper], judge: SupportJudge
) -> tuple[tuple[JudgementRecord, ...], dict[str, float]]:
    """Citation, faithfulness and hallucination measures of an answer that has sentences.

    Args:
        question: It may name things that the evidence calls "we" or "our method".
        answer: As the pipeline gave it.
        papers: The corpus by paper id.
        judge: Asked anew for every claim, in one batch.

    Returns:
        The judge's word on every claim, and the value of every measure in `JUDGED`.
    """
    verdicts = _Verdicts(judge)
    source_papers = {source.n: source.paper_id for source in answer.sources}
    cited = [
        CitedSentence(one.text, _find_premises(one, source_papers, papers))
        for one in answer.sentences
    ]
    claims = [
        (index, claim, tuple(text for text in sentence.premises.values() if text))
        for index, sentence in enumerate(cited)
        for claim in answers.split_claims(sentence.text)
    ]
    pairs = [(claim, premises) for _, claim, premises in claims if premises]
    pairs += [
        (sentence.text, premises)
        for sentence in cited
        if (premises := tuple(text for text in sentence.premises.values() if text))
    ]
    pairs += [
        (sentence.text, (text,))
        for sentence in cited
        if len(sentence.premises) > 1
        for text in sentence.premises.values()
        if text
    ]
    verdicts.ask(pairs)
    counts = citations.count_citations(cited, verdicts.entails)
    judged: list[JudgementRecord] = []
    for index, claim, premises in claims:
        titles = [
            papers[source_papers[number]].title
            for number in cited[index].premises
            if source_papers.get(number) in papers
        ]
        judgement = verdicts.get(claim, premises) if premises else None
        supported = judgement is not None and judgement.verdict == "supported"
        kinds = find_hallucinations(claim, premises, [*titles, question], supported=supported)
        judged.append(
            JudgementRecord(
                sentence=index,
                claim=claim,
                premises=premises,
                verdict=judgement.verdict if judgement else "unsupported",
                support=judgement.support if judgement else 0.0,
                reasons=tuple(f"{one.kind}: {one.text}" for one in judgement.findings)
                if judgement
                else ("nothing verifiable is cited",),
                faults=tuple(kind for kind in KINDS if kind in kinds),
            )
        )
    entailed = [one.verdict == "supported" for one in judged]
    values = {
        "citation_recall": counts.recall,
        "citation_precision": counts.precision,
        "faithfulness": answers.faithfulness(entailed),
        "strict_faithfulness": answers.strict_faithfulness(entailed),
    }
    for kind in KINDS:
        values[f"hallucination_{kind}"] = sum(kind in one.faults for one in judged) / len(judged)
    values["hallucination_any"] = sum(bool(one.faults) for one in judged) / len(judged)
    return tuple(judged), {name: value for name, value in values.items() if value is not None}
