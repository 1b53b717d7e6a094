"""How well a ranked list holds what was judged relevant.

A ranking is a sequence of ids, best first. Judgements map an id to a grade; a grade of 1 or more is
relevant, 0 or less is judged and not relevant. An id that is listed twice counts once, at its first
place, but still uses up its other places. All functions return values in [0, 1], and `None`
where nothing was judged relevant: such a case cannot be scored, whatever was returned. A judged
case for which nothing was returned scores 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2


@dataclass(frozen=True, slots=True)
class Place:
    """Characters `start` to `end` (exclusive) of the abstract of one paper."""

    paper_id: str
    start: int
    end: int


def find_relevant(grades: Mapping[str, int]) -> frozenset[str]:
    """Ids whose grade is 1 or more."""
    return frozenset(item for item, grade in grades.items() if grade >= 1)


def _check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")


def recall_at_k(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """Share of the relevant ids that are among the first `k`."""
    _check_k(k)
    relevant = find_relevant(grades)
    if not relevant:
        return None
    return len(relevant.intersection(ranked[:k])) / len(relevant)


def hit_at_k(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """1 when at least one relevant id is among the first `k`, else 0 (`success_k`)."""
    _check_k(k)
    relevant = find_relevant(grades)
    if not relevant:
        return None
    return float(any(item in relevant for item in ranked[:k]))


def reciprocal_rank(
    ranked: Sequence[str], grades: Mapping[str, int], k: int | None = None
) -> float | None:
    """One over the place of the first relevant id (within the first `k`), 0 when there is none.

    Source: Voorhees, "The TREC-8 Question Answering Track Report" (1999), section 2.
    """
    relevant = find_relevant(grades)
    if not relevant:
        return None
    for rank, item in enumerate(ranked if k is None else ranked[:k], start=1):
        if item in relevant:
            return 1.0 / rank
    return 0.0


def ndcg_at_k(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """Discounted gain of the first `k`, over that of the best possible order.

    The gain is the grade itself and the discount is log2(rank + 1), as trec_eval's `ndcg_cut`
    and BEIR have it. Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques", ACM TOIS 20 (2002), with the discount of Burges et al. (2005) and linear gains.
    """
    _check_k(k)
    if not find_relevant(grades):
        return None
    seen: set[str] = set()
    gained = 0.0
    for rank, item in enumerate(ranked[:k], start=1):
        if item not in seen:
            gained += max(grades.get(item, 0), 0) / log2(rank + 1)
        seen.add(item)
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    ideal = sum(grade / log2(rank + 1) for rank, grade in enumerate(best, start=1))
    return gained / ideal


def required_at_k(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """recall@k of the cases that need several papers; `None` where one paper is enough."""
    if len(find_relevant(grades)) < 2:
        return None
    return recall_at_k(ranked, grades, k)


def is_match(shown: Place, gold: Place) -> bool:
    """Whether a shown place is the gold one: same paper, and at least half of the shorter shared.

    Half of the shorter, because sentence splitters differ: a shown sentence that holds the gold
    clause and a shown clause of the gold sentence are both the right place.
    """
    if shown.paper_id != gold.paper_id:
        return False
    shared = min(shown.end, gold.end) - max(shown.start, gold.start)
    shorter = min(shown.end - shown.start, gold.end - gold.start)
    return shorter > 0 and 2 * shared >= shorter


def evidence_at_k(shown: Sequence[Place], gold: Sequence[Place], k: int) -> float | None:
    """1 when one of the first `k` sentences shown is an evidence sentence, else 0."""
    _check_k(k)
    if not gold:
        return None
    return float(any(is_match(place, right) for place in shown[:k] for right in gold))


def context_precision(shown: Sequence[Place], gold: Sequence[Place]) -> float | None:
    """How early the evidence stands among the sentences that were read: average precision.

    The mean of precision@i over those ranks i that hold evidence, 0 when none does.
    Source: RAGAS, "Context Precision" (non-LLM form with reference contexts).
    """
    if not gold:
        return None
    right = 0
    total = 0.0
    for rank, place in enumerate(shown, start=1):
        if any(is_match(place, one) for one in gold):
            right += 1
            total += right / rank
    return total / right if right else 0.0


def context_recall(shown: Sequence[Place], gold: Sequence[Place]) -> float | None:
    """Share of the evidence sentences that were read.

    Source: RAGAS, "Context Recall" (non-LLM form with reference contexts).
    """
    if not gold:
        return None
    return sum(any(is_match(place, right) for place in shown) for right in gold) / len(gold)
