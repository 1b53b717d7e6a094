"""Citation measures: ALCE's definitions by hand and against a slow version of its code."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.metrics.citations import (
    CitationCounts,
    CitedSentence,
    count_citations,
    count_invalid_citations,
    find_marks,
    is_quotation_of,
    is_verbatim,
)


def holds_all_words(claim: str, premises: Sequence[str]) -> bool:
    """A judge that can be worked out by hand: every word of the claim is in the premises."""
    return set(claim.split()) <= set(" ".join(premises).split())


@pytest.mark.parametrize(
    ("premises", "recalled", "precise"),
    [
        ({1: "a b c"}, 1, 1),
        ({1: "a b"}, 0, 0),
        ({1: "a b", 2: "c d"}, 1, 2),  # each alone is too little: both are needed
        ({1: "a b c", 2: "x"}, 1, 1),  # 2 adds nothing
        ({1: "a b c", 2: "c b a"}, 1, 2),  # each is enough alone: ALCE calls both precise
        ({1: "a b", 2: "c", 3: "x"}, 1, 2),
        ({1: "x", 2: "y"}, 0, 0),
        ({1: ""}, 0, 0),  # a citation whose text could not be verified
        ({1: "a b c", 2: ""}, 1, 1),
        ({}, 0, 0),
    ],
)
def test_one_sentence_by_hand(premises: dict[int, str], recalled: int, precise: int) -> None:
    counts = count_citations([CitedSentence("a b c", premises)], holds_all_words)
    assert counts == CitationCounts(1, recalled, len(premises), precise)


def test_an_answer_by_hand() -> None:
    counts = count_citations(
        [
            CitedSentence("a", {1: "a"}),
            CitedSentence("b", {}),
            CitedSentence("c", {1: "a", 2: "c"}),
        ],
        holds_all_words,
    )
    assert counts.recall == pytest.approx(2 / 3)
    assert counts.precision == pytest.approx(2 / 3)


def test_empty_answer_has_no_share_and_an_uncited_one_has_zero() -> None:
    assert count_citations([], holds_all_words).recall is None
    assert count_citations([], holds_all_words).precision is None
    uncited = count_citations([CitedSentence("a", {})], holds_all_words)
    assert (uncited.recall, uncited.precision) == (0.0, 0.0)


def alce(sentences: list[tuple[str, list[str]]]) -> tuple[float, float]:
    """compute_autoais of the ALCE repository, spelt out, with the judge above."""
    entail = entail_precise = citations = 0
    for claim, refs in sentences:
        joint = -1
        if len(refs) == 0:
            joint = 0
        else:
            citations += len(refs)
        if joint == -1:
            joint = int(holds_all_words(claim, refs))
        entail += joint
        if joint and len(refs) > 1:
            for index, ref in enumerate(refs):
                if not holds_all_words(claim, [ref]):
                    others = [one for place, one in enumerate(refs) if place != index]
                    if not holds_all_words(claim, others):
                        entail_precise += 1
                else:
                    entail_precise += 1
        else:
            entail_precise += joint
    return entail / len(sentences), entail_precise / citations if citations else 0.0


WORDS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=4)), min_size=1, max_size=5))
def test_equals_the_code_of_alce(sentences: list[tuple[str, list[str]]]) -> None:
    counts = count_citations(
        [CitedSentence(claim, dict(enumerate(refs, start=1))) for claim, refs in sentences],
        holds_all_words,
    )
    recall, precision = alce(sentences)
    assert counts.recall == pytest.approx(recall)
    assert counts.precision == pytest.approx(precision)


def test_marks() -> None:
    assert find_marks("One [1]. Two [2][3]; three [4, 5] and x[0] but not [a] or (6).") == (
        1, 2, 3, 4, 5, 0,
    )  # fmt: skip
    assert count_invalid_citations([1, 7, 2, 7], [1, 2, 3]) == 2


def test_verbatim_is_exact() -> None:
    abstract = "It takes 2.1 hours. It does not fail."
    assert is_verbatim("It takes 2.1 hours.", abstract, 0, 19)
    assert not is_verbatim("It takes 21 hours.", abstract, 0, 19)
    assert not is_verbatim("It takes 2.1 hours.", abstract, 1, 20)
    assert not is_verbatim("", abstract, 0, 0)
    assert not is_verbatim("x", None, 0, 1)


def test_quotation_forgives_white_space_only() -> None:
    abstract = "It takes\n2.1 hours. It does not fail."
    assert is_quotation_of("It takes 2.1 hours.", [abstract])
    assert not is_quotation_of("It does fail.", [abstract])
    assert not is_quotation_of("  ", [abstract])
