"""Chooses the evidence of an answer from what the reader made of the ranked papers.

Pure: readings in, choices and probabilities out. A sentence is worth its own log-odds of being
evidence plus a share of its paper's log-odds of being relevant; every further sentence of the
same paper is worth less, so that a question about several papers isn't answered by five sentences
of one abstract. The first choice is always the best sentence of all. A sentence that holds every
word of the question, its title's helping, is nearly always evidence, whatever the reader makes of
a bare term.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from askpapers.encoders.reader import Reading

LIMIT = 12.0
"""Log-odds beyond this are as good as certain; it keeps 0 and 1 finite."""


@dataclass(frozen=True, slots=True)
class ReadPaper:
    """A ranked paper with its reading. `prior` is log-odds from the first stage, 0 for none.

    `told` are the sentences that hold the whole question (`find_told`).
    """

    paper_id: str
    reading: Reading
    prior: float = 0.0
    told: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """One sentence chosen as evidence: its paper, its place in the abstract and its worth.

    `score` is in log-odds, before any discount; larger is better. What holds the whole question
    goes first by its `rank`, which adds the bonus for that; others are not worth less for it.
    """

    paper_id: str
    sentence: int
    score: float
    rank: float


@dataclass(frozen=True, slots=True)
class Policy:
    """How evidence is chosen; numbers in log-odds were chosen on the development questions.

    `relevance_weight` is the share of the paper's log-odds in each sentence's worth, `repeat_cost`
    is taken off for every sentence of the same paper chosen before, and nothing worth less than
    the best by more than `reach` is taken. `told_bonus` is what holding the whole question adds;
    `prior_weight` is the share of the first stage's log-odds that counts.
    """

    max_sentences: int = 6
    max_papers: int = 4
    per_paper: int = 4
    relevance_weight: float = 0.25
    repeat_cost: float = 1.0
    reach: float = 6.0
    told_bonus: float = 3.0
    prior_weight: float = 1.0

    def widen(self) -> Policy:
        """Return the policy for a question that asks for several papers: more sentences of more of
        them, less of each, and less of a lead for the first."""
        return replace(
            self,
            max_sentences=self.max_sentences + 2,
            max_papers=self.max_papers + 1,
            per_paper=2,
            repeat_cost=3.0,
            prior_weight=0.6,
        )


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p)), held within ±12."""
    if probability <= 0.0:
        return -LIMIT
    if probability >= 1.0:
        return LIMIT
    value = math.log(probability) - math.log1p(-probability)
    return max(-LIMIT, min(LIMIT, value))


def find_told(
    question: str, title: str, sentences: Sequence[str], stems: Callable[[str], Collection[str]]
) -> frozenset[int]:
    """Return the places of the sentences that, behind their title, hold every word asked for.

    The title alone is no answer: the sentence must hold one of the words that the title lacks,
    or all of them. Of abstractqa's and this project's training questions one in eight has such a
    sentence in its own abstract, and it is marked evidence for 96 in 100 of those; of the 841
    that the abstract doesn't answer, one has.
    """
    asked = set(stems(question))
    if not asked:
        return frozenset()
    named = set(stems(title))
    told = []
    for place, sentence in enumerate(sentences):
        held = asked & set(stems(sentence))
        if asked <= held | named and (held - named or held == asked):
            told.append(place)
    return frozenset(told)


def weigh_sentences(ranked: Sequence[ReadPaper], policy: Policy) -> list[Choice]:
    """Return every sentence of every paper, best first; ties keep rank, then reading order."""
    choices = []
    for paper in ranked:
        share = policy.relevance_weight * log_odds(paper.reading.relevance)
        share += policy.prior_weight * paper.prior
        for number, probability in enumerate(paper.reading.sentences):
            score = log_odds(probability) + share
            rank = score + policy.told_bonus * (number in paper.told)
            choices.append(Choice(paper.paper_id, number, score, rank))
    return sorted(choices, key=lambda choice: -choice.rank)


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
            (choice.rank - policy.repeat_cost * taken[choice.paper_id], -place)
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
