"""Every measure by name: what it means, which way is better, where it comes from.

Reports, gates and suites know measures only through this table. The functions that compute them
are in the other modules of this package; which case yields which value is decided where a case is
scored.
"""

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
Unit = Literal["share", "count", "seconds", "tokens", "per second"]
Pooling = Literal["mean", "median", "pooled"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure.

    Attributes:
        name: The name in suites, gates and records.
        family: retrieval, citations, answers, abstention or speed.
        better: Which direction is better.
        unit: What the number counts.
        pooling: "mean" and "median" of one value a row; "pooled" over all rows at once.
        definition: One sentence, complete.
        source: Paper or program that defines it; "here" for measures of this project.
    """

    name: str
    family: str
    better: Better
    unit: Unit
    pooling: Pooling
    definition: str
    source: str


def _metrics() -> tuple[Metric, ...]:
    trec = "trec_eval"
    alce = "ALCE (Gao et al., EMNLP 2023), section 4.2"
    ragas = "RAGAS (Es et al., 2024)"
    here = "here"
    made: list[Metric] = []

    def add(
        family: str,
        name: str,
        definition: str,
        source: str = here,
        better: Better = "higher",
        unit: Unit = "share",
        pooling: Pooling = "mean",
    ) -> None:
        made.append(Metric(name, family, better, unit, pooling, definition, source))

    for k in (1, 3, 5, 10, 100):
        text = f"share of the relevant papers among the first {k}"
        add("retrieval", f"recall@{k}", text, trec)
    add("retrieval", "ndcg@10", "graded gain of the first 10 over the best order's", trec)
    add("retrieval", "mrr", "one over the rank of the first relevant paper", trec)
    add("retrieval", "hit@1", "a relevant paper stands first", trec)
    add("retrieval", "hit@5", "a relevant paper is among the first 5", trec)
    for k in (1, 3, 5):
        text = f"an evidence sentence is among the first {k} sentences shown"
        add("retrieval", f"evidence@{k}", text)
    text = "share of the papers of a question that needs several among the first 10"
    add("retrieval", "required@10", text)
    text = "average precision of the sentences read, evidence sentences being right"
    add("retrieval", "context_precision", text, ragas)
    add("retrieval", "context_recall", "share of the evidence sentences that were read", ragas)

    text = "share of an answer's sentences that their citations together entail"
    add("citations", "citation_recall", text, alce)
    text = "share of an answer's citations that are needed in a sentence that is entailed"
    add("citations", "citation_precision", text, alce)
    text = "citations in an answer of numbers that no source has"
    add("citations", "invalid_citations", text, here, "lower", "count")
    text = "quotations in an answer that do not stand word for word at the place they name"
    add("citations", "nonverbatim_quotations", text, here, "lower", "count")
    text = "an answered question cites an evidence sentence that was marked by hand"
    add("citations", "gold_evidence_cited", text)
    add("citations", "gold_paper_cited", "an answered question cites a paper marked as relevant")

    text = "share of an answer's claims that are entailed by what they cite"
    add("answers", "faithfulness", text, ragas)
    text = "answers all of whose claims are entailed by what they cite"
    add("answers", "strict_faithfulness", text, ragas)
    for kind, what in (
        ("number", "with a number that the cited text does not hold"),
        ("entity", "with a name that neither the cited text nor its title holds"),
        ("negation", "that negate what the cited text affirms, or the reverse"),
        ("direction", "with the opposite direction of change"),
        ("unsupported", "that the judge does not call supported"),
        ("any", "with at least one of these faults"),
    ):
        text = f"share of an answer's claims {what}"
        add("answers", f"hallucination_{kind}", text, "FactCC, FRANK", "lower")
    text = "share of the key facts stated, numbers normalised; 0 for a wrong abstention"
    add("answers", "key_fact_recall", text, "TREC 2003 QA nuggets")
    add("answers", "similarity", "cosine of the answer and the reference answer", ragas)
    text = "share of an answer's sentences that the model wrote rather than quoted"
    add("answers", "written_share", text)
    add("answers", "forbidden", "shows a string that it must not", here, "lower")
    add("answers", "expectation", "answered, abstained or refused as the case demands")

    add("abstention", "answered_rate", "share of the answerable questions that were answered")
    text = "false premises that the answer corrects by what an abstract says"
    add("abstention", "corrected", text)
    selective = "El-Yaniv and Wiener (JMLR 2010)"
    pooled: tuple[tuple[str, str, str, Better], ...] = (
        ("abstention_precision", "share of the abstentions that were right", here, "higher"),
        ("abstention_recall", "share of the unanswerable refused or corrected", here, "higher"),
        ("abstention_f1", "2TP / (2TP + FP + FN), abstaining being positive", here, "higher"),
        ("aurc", "mean share of wrong answers over the coverages reached", selective, "lower"),
        ("ece", "distance of the stated from the true share of answerable", "Guo 2017", "lower"),
        ("brier", "squared error of the stated answerability", "Brier (1950)", "lower"),
        ("answerability_auroc", "an answerable question scores above another one", here, "higher"),
    )
    for name, text, source, better in pooled:
        add("abstention", name, text, source, better, pooling="pooled")

    for name, text in (
        ("retrieve_s", "seconds until the evidence was found"),
        ("first_token_s", "seconds until the first word was written"),
        ("total_s", "seconds until the answer was complete"),
        ("search_s", "seconds of a search"),
    ):
        add("speed", name, f"median {text}", here, "lower", "seconds", "median")
    add("speed", "prompt_tokens", "median tokens read", here, "lower", "tokens", "median")
    add("speed", "completion_tokens", "median tokens written", here, "lower", "tokens", "median")
    text = "median tokens written a second after the first"
    add("speed", "tokens_per_second", text, here, "higher", "per second", "median")
    return tuple(made)


METRICS: dict[str, Metric] = {metric.name: metric for metric in _metrics()}
"""Name -> measure, in the order in which reports show them."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(metric.family for metric in METRICS.values()))
