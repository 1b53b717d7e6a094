"""Chooses the evidence of an answer from what the reader made of the ranked papers.

Pure: readings in, choices and probabilities out. A sentence is worth its own log-odds of being
evidence plus a share of its paper's log-odds of being relevant; every further sentence of the
same paper is worth less, so that a question about several papers isn't answered by five sentences
of one abstract. The first choice is always the best sentence of all.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from askpapers.encoders.reader import Reading
from askpapers.errors import ResourceError

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"\b(?:\w*[A-Z]\w*[A-Z]\w*|\w*[A-Z]\w*\d\w*|\w*\d\w*[A-Z]\w*)\b")
_LIMIT = 12.0
"""Log-odds beyond this are as good as certain; it keeps 0 and 1 finite."""

FEATURES = ("best_answerable", "lead_answerable", "best_sentence", "best_relevance")


@dataclass(frozen=True, slots=True)
class ReadPaper:
    """A ranked paper with its reading. `prior` is log-odds from the first stage, 0 for none."""

    paper_id: str
    reading: Reading
    prior: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """One sentence chosen as evidence: its paper, its place in the abstract and its worth.

    `score` is in log-odds, before any discount; larger is better.
    """

    paper_id: str
    sentence: int
    score: float


@dataclass(frozen=True, slots=True)
class Policy:
    """How evidence is chosen; numbers in log-odds were chosen on the development questions.

    `relevance_weight` is the share of the paper's log-odds in each sentence's worth, `repeat_cost`
    is taken off for every sentence of the same paper chosen before, and nothing worth less than
    the best by more than `reach` is taken.
    """

    max_sentences: int = 6
    max_papers: int = 4
    per_paper: int = 3
    relevance_weight: float = 0.5
    repeat_cost: float = 1.0
    reach: float = 6.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model over FEATURES, fitted on the development questions.

    `relevance_floor` is the relevance (0..1) from which a paper counts as relevant enough.
    """

    intercept: float
    weights: Mapping[str, float] = field(default_factory=dict)
    relevance_floor: float = 0.5

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Calibration:
        """Read the `parameters` table of the reader's manifest.

        Raises:
            ResourceError: a number is missing or names a feature that doesn't exist.
        """
        table = parameters.get("answerability")
        if not isinstance(table, Mapping) or "intercept" not in table:
            raise ResourceError("The reader's manifest holds no answerability calibration.")
        weights = {k: float(v) for k, v in table.items() if k != "intercept"}
        unknown = sorted(set(weights) - set(FEATURES))
        if unknown:
            raise ResourceError(f"The reader's manifest weighs unknown features {unknown!r}.")
        floor = float(parameters.get("relevance_floor", 0.5))
        return cls(float(table["intercept"]), weights, floor)


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p)), held within ±12."""
    if probability <= 0.0:
        return -_LIMIT
    if probability >= 1.0:
        return _LIMIT
    value = math.log(probability) - math.log1p(-probability)
    return max(-_LIMIT, min(_LIMIT, value))


def weigh_sentences(ranked: Sequence[ReadPaper], policy: Policy) -> list[Choice]:
    """Return every sentence of every paper, best first; ties keep rank, then reading order."""
    choices = [
        Choice(
            paper.paper_id,
            number,
            log_odds(probability)
            + policy.relevance_weight * log_odds(paper.reading.relevance)
            + paper.prior,
        )
        for paper in ranked
        for number, probability in enumerate(paper.reading.sentences)
    ]
    return sorted(choices, key=lambda choice: -choice.score)


def choose_evidence(
    ranked: Sequence[ReadPaper], policy: Policy | None = None
) -> tuple[Choice, ...]:
    """Return the evidence set, in order of choice.

    A larger `max_sentences` only appends: the shorter set is always its beginning.
    """
    policy = policy or Policy()
    left = weigh_sentences(ranked, policy)
    if not left:
        return ()
    floor = left[0].score - policy.reach
    chosen: list[Choice] = []
    taken: Counter[str] = Counter()
    while len(chosen) < policy.max_sentences:
        open_papers = len(taken) < policy.max_papers
        worth = [
            (choice.score - policy.repeat_cost * taken[choice.paper_id], -place)
            for place, choice in enumerate(left)
            if choice.score >= floor
            and taken[choice.paper_id] < policy.per_paper
            and (open_papers or choice.paper_id in taken)
        ]
        if not worth:
            break
        chosen.append(left.pop(-max(worth)[1]))
        taken[chosen[-1].paper_id] += 1
    return tuple(chosen)


def measure_readings(ranked: Sequence[ReadPaper]) -> dict[str, float]:
    """Return the features of the answerability model, by name, in log-odds.

    `lead_answerable` is that of the paper read as most relevant.
    """
    if not ranked:
        return dict.fromkeys(FEATURES, -_LIMIT)
    lead = max(ranked, key=lambda paper: paper.reading.relevance)
    sentences = [s for paper in ranked for s in paper.reading.sentences]
    return {
        "best_answerable": max(log_odds(paper.reading.answerable) for paper in ranked),
        "lead_answerable": log_odds(lead.reading.answerable),
        "best_sentence": max((log_odds(s) for s in sentences), default=-_LIMIT),
        "best_relevance": log_odds(lead.reading.relevance),
    }


def estimate_answerability(ranked: Sequence[ReadPaper], calibration: Calibration) -> float:
    """Return the probability (0..1) that these papers state what is asked."""
    if not ranked:
        return 0.0
    features = measure_readings(ranked)
    total = calibration.intercept + sum(
        weight * features[name] for name, weight in calibration.weights.items()
    )
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))


def count_relevant(ranked: Sequence[ReadPaper], calibration: Calibration) -> int:
    """Return how many papers were read as relevant enough."""
    return sum(paper.reading.relevance >= calibration.relevance_floor for paper in ranked)


def find_unmentioned(question: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a question that none of the texts mentions, in order.

    A name has two capitals, or a capital and a digit ("ImageNet", "QQP", "R1"). It is mentioned
    as a word, as part of a compound, or by the initials of consecutive words. Of the questions
    of abstractqa (train and dev), 28% of the unanswerable ones and 1.1% of the others name
    something that their abstract does not.
    """
    words = [word.lower() for text in texts for word in _WORD.findall(text)]
    known = {word.rstrip("s") for word in words}
    joined = "".join(words)
    initials = "".join(word[0] for word in words)

    def is_mentioned(name: str) -> bool:
        bare = name.lower().rstrip("s")
        return bare in known or bare in joined or bare in initials

    return tuple(name for name in _NAME.findall(question) if not is_mentioned(name))
