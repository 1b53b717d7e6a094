"""Retrieval measures against hand-computed tables, a slow textbook version and pytrec_eval."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askpapers.metrics import retrieval
from askpapers.metrics.retrieval import Place

GRADES = {"a": 2, "b": 1, "c": 0, "d": 1}

# ranking, recall@2, recall@5, hit@1, reciprocal rank, nDCG@3; ideal gain: 2/1 + 1/1.58496 + 1/2
TABLE = [
    (["a", "b", "d"], 2 / 3, 1.0, 1.0, 1.0, 1.0),
    (["c", "a", "x"], 1 / 3, 1 / 3, 0.0, 0.5, (2 / 1.5849625) / 3.1309298),
    (["x", "y", "b"], 0.0, 1 / 3, 0.0, 1 / 3, 0.5 / 3.1309298),
    (["b", "b", "a"], 1 / 3, 2 / 3, 1.0, 1.0, (1 + 1.0) / 3.1309298),
    (["c"], 0.0, 0.0, 0.0, 0.0, 0.0),
    ([], 0.0, 0.0, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("ranked", "recall2", "recall5", "hit1", "rr", "ndcg3"), TABLE)
def test_table(
    ranked: list[str], recall2: float, recall5: float, hit1: float, rr: float, ndcg3: float
) -> None:
    assert retrieval.recall_at_k(ranked, GRADES, 2) == pytest.approx(recall2)
    assert retrieval.recall_at_k(ranked, GRADES, 5) == pytest.approx(recall5)
    assert retrieval.hit_at_k(ranked, GRADES, 1) == hit1
    assert retrieval.reciprocal_rank(ranked, GRADES) == pytest.approx(rr)
    assert retrieval.ndcg_at_k(ranked, GRADES, 3) == pytest.approx(ndcg3)


def test_reciprocal_rank_stops_at_k() -> None:
    assert retrieval.reciprocal_rank(["x", "a"], GRADES, 1) == 0.0


def test_a_case_without_relevant_papers_cannot_be_scored() -> None:
    for grades in ({}, {"c": 0}):
        assert retrieval.recall_at_k(["c"], grades, 5) is None
        assert retrieval.ndcg_at_k(["c"], grades, 5) is None
        assert retrieval.reciprocal_rank(["c"], grades) is None
        assert retrieval.hit_at_k(["c"], grades, 1) is None


def test_only_questions_with_several_papers_require_them() -> None:
    assert retrieval.required_at_k(["a"], {"a": 1}, 10) is None
    assert retrieval.required_at_k(["a"], {"a": 1, "b": 1}, 10) == 0.5


def test_k_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        retrieval.recall_at_k(["a"], GRADES, 0)


GOLD = [Place("p", 100, 200), Place("q", 0, 50)]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (Place("p", 100, 200), True),
        (Place("p", 150, 260), True),  # 50 of the shorter 100 characters
        (Place("p", 151, 260), False),
        (Place("p", 0, 1000), True),  # holds the gold sentence
        (Place("p", 120, 140), True),  # a clause of it
        (Place("q", 100, 200), False),  # another paper
        (Place("p", 100, 100), False),  # nothing shown
    ],
)
def test_match_needs_half_of_the_shorter(shown: Place, expected: bool) -> None:
    assert retrieval.is_match(shown, GOLD[0]) is expected


def test_evidence_and_context_by_hand() -> None:
    shown = [Place("p", 0, 90), Place("p", 100, 200), Place("x", 0, 9), Place("q", 0, 50)]
    assert retrieval.evidence_at_k(shown, GOLD, 1) == 0.0
    assert retrieval.evidence_at_k(shown, GOLD, 2) == 1.0
    assert retrieval.context_precision(shown, GOLD) == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert retrieval.context_recall(shown, GOLD) == 1.0
    assert retrieval.context_recall(shown[:2], GOLD) == 0.5
    assert retrieval.context_precision([], GOLD) == 0.0
    assert retrieval.context_precision(shown, []) is None
    assert retrieval.evidence_at_k([], [], 1) is None


RANKINGS = st.lists(st.sampled_from("abcdefghijklmno"), unique=True, max_size=15)
JUDGEMENTS = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 3), min_size=1)


def slow_ndcg(ranked: list[str], grades: dict[str, int], k: int) -> float:
    def gain(order: list[str]) -> float:
        total = 0.0
        for index in range(k):
            if index < len(order):
                total += grades.get(order[index], 0) * math.log(2) / math.log(index + 2)
        return total

    return gain(ranked) / gain(sorted(grades, key=lambda item: grades[item], reverse=True))


@settings(max_examples=200)
@given(RANKINGS, JUDGEMENTS, st.integers(1, 12))
def test_equals_the_textbook(ranked: list[str], grades: dict[str, int], k: int) -> None:
    relevant = [item for item in grades if grades[item] > 0]
    if not relevant:
        assert retrieval.ndcg_at_k(ranked, grades, k) is None
        return
    found = [item for item in relevant if item in ranked and ranked.index(item) < k]
    ranks = [ranked.index(item) + 1 for item in relevant if item in ranked]
    assert retrieval.recall_at_k(ranked, grades, k) == len(found) / len(relevant)
    assert retrieval.hit_at_k(ranked, grades, k) == float(bool(found))
    assert retrieval.reciprocal_rank(ranked, grades) == (1 / min(ranks) if ranks else 0.0)
    assert retrieval.ndcg_at_k(ranked, grades, k) == pytest.approx(slow_ndcg(ranked, grades, k))


@settings(max_examples=100)
@given(RANKINGS.filter(bool), JUDGEMENTS.filter(lambda grades: max(grades.values()) > 0))
def test_equals_trec_eval(ranked: list[str], grades: dict[str, int]) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    measures = {"ndcg_cut.3,10", "recall.3,10", "recip_rank", "success.1,5"}
    run = {"q": {item: float(-rank) for rank, item in enumerate(ranked)}}
    theirs = pytrec_eval.RelevanceEvaluator({"q": grades}, measures).evaluate(run)["q"]
    for k in (3, 10):
        assert retrieval.ndcg_at_k(ranked, grades, k) == pytest.approx(theirs[f"ndcg_cut_{k}"])
        assert retrieval.recall_at_k(ranked, grades, k) == pytest.approx(theirs[f"recall_{k}"])
    for k in (1, 5):
        assert retrieval.hit_at_k(ranked, grades, k) == theirs[f"success_{k}"]
    assert retrieval.reciprocal_rank(ranked, grades) == pytest.approx(theirs["recip_rank"])
