"""The evidence set of a question, from readings alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askpapers.encoders.reader import Reading
from askpapers.evidence import (
    Policy,
    ReadPaper,
    choose_evidence,
    find_told,
    log_odds,
    weigh_sentences,
)


def paper(
    name: str, relevance: float, sentences: list[float], answerable: float = 0.5
) -> ReadPaper:
    return ReadPaper(name, Reading(relevance, answerable, tuple(sentences)))


probability = st.floats(0.0, 1.0)
rankings = st.lists(
    st.tuples(probability, probability, st.lists(probability, max_size=8)), max_size=7
).map(lambda rows: [paper(f"p{i}", r, s, a) for i, (r, a, s) in enumerate(rows)])


def test_best_sentence_of_all_comes_first() -> None:
    ranked = [paper("a", 0.9, [0.2, 0.6]), paper("b", 0.9, [0.1, 0.8])]
    first = choose_evidence(ranked)[0]
    assert (first.paper_id, first.sentence) == ("b", 1)


def test_relevance_of_the_paper_counts() -> None:
    ranked = [paper("off", 0.05, [0.7]), paper("on", 0.95, [0.6])]
    assert choose_evidence(ranked)[0].paper_id == "on"
    unweighted = choose_evidence(ranked, Policy(relevance_weight=0.0))
    assert unweighted[0].paper_id == "off"


def test_a_question_about_several_papers_gets_more_of_them_and_less_of_each() -> None:
    ranked = [paper("a", 0.9, [0.90, 0.89, 0.88])] + [paper(n, 0.9, [0.5]) for n in "bcde"]
    one = choose_evidence(ranked, Policy())
    assert [c.paper_id for c in one] == ["a", "a", "b", "c", "d", "a"]
    many = choose_evidence(ranked, Policy().widen())
    assert [c.paper_id for c in many] == ["a", "b", "c", "d", "e", "a"]


def test_several_papers_before_a_third_sentence_of_one() -> None:
    ranked = [
        paper("a", 0.9, [0.80, 0.79, 0.78, 0.77]),
        paper("b", 0.9, [0.7]),
        paper("c", 0.9, [0.6]),
    ]
    chosen = choose_evidence(ranked, Policy(max_sentences=3, repeat_cost=2.0))
    assert [c.paper_id for c in chosen] == ["a", "b", "c"]
    without = choose_evidence(ranked, Policy(max_sentences=3, repeat_cost=0.0))
    assert [c.paper_id for c in without] == ["a", "a", "a"]


def test_far_weaker_sentences_are_left_out() -> None:
    ranked = [paper("a", 0.5, [0.99, 0.001])]
    assert [c.sentence for c in choose_evidence(ranked, Policy(reach=3.0))] == [0]


def test_score_is_log_odds_plus_share_of_relevance_and_prior() -> None:
    ranked = [ReadPaper("a", Reading(0.75, 0.5, (0.2,)), prior=0.3)]
    score = weigh_sentences(ranked, Policy(relevance_weight=0.5))[0].score
    assert score == pytest.approx(math.log(0.25) + 0.5 * math.log(3) + 0.3)


def test_ties_keep_rank_then_reading_order() -> None:
    ranked = [paper("b", 0.5, [0.5, 0.5]), paper("a", 0.5, [0.5])]
    weighed = weigh_sentences(ranked, Policy())
    assert [(c.paper_id, c.sentence) for c in weighed] == [("b", 0), ("b", 1), ("a", 0)]


def test_no_papers_or_no_sentences_give_no_evidence() -> None:
    assert choose_evidence([]) == ()
    assert choose_evidence([paper("a", 0.9, [])]) == ()


@settings(max_examples=80)
@given(rankings, st.integers(1, 8), st.integers(1, 4), st.integers(1, 4))
def test_limits_hold_and_longer_sets_only_append(
    ranked: list[ReadPaper], sentences: int, papers: int, per_paper: int
) -> None:
    policy = Policy(max_sentences=sentences, max_papers=papers, per_paper=per_paper)
    chosen = choose_evidence(ranked, policy)
    places = [(c.paper_id, c.sentence) for c in chosen]
    names = [name for name, _ in places]
    assert len(set(places)) == len(places) <= sentences
    assert len(set(names)) <= papers
    assert all(names.count(name) <= per_paper for name in names)
    longer = choose_evidence(
        ranked, Policy(max_sentences=sentences + 1, max_papers=papers, per_paper=per_paper)
    )
    assert longer[: len(chosen)] == chosen


@settings(max_examples=80)
@given(rankings.filter(lambda ranked: any(p.reading.sentences for p in ranked)), st.data())
def test_a_better_sentence_never_falls(ranked: list[ReadPaper], data: st.DataObject) -> None:
    policy = Policy()
    before = weigh_sentences(ranked, policy)
    place = data.draw(st.integers(0, len(before) - 1))
    target = before[place]
    raised = []
    for read in ranked:
        told = list(read.reading.sentences)
        if read.paper_id == target.paper_id:
            told[target.sentence] = data.draw(st.floats(told[target.sentence], 1.0))
        raised.append(paper(read.paper_id, read.reading.relevance, told, read.reading.answerable))
    after = [(c.paper_id, c.sentence) for c in weigh_sentences(raised, policy)]
    assert after.index((target.paper_id, target.sentence)) <= place


def test_certainty_stays_finite() -> None:
    assert log_odds(0.0) == -log_odds(1.0) == -12.0
    assert log_odds(0.5) == 0.0


def words(text: str) -> list[str]:
    return [word.strip(".?") for word in text.lower().split()]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("RF8 format", {1}),
        ("RF8 in deep nets", {1}),  # the title knows the nets
        ("deep nets", set()),  # the title says no more than the question
        ("deep format", {1}),
        ("learn slowly", set()),
        ("", set()),
    ],
)
def test_a_sentence_tells_a_question_whole_when_it_holds_every_word(question, told) -> None:
    sentences = ["Deep models learn.", "RF8 is a format in floating point."]
    assert find_told(question, "Formats for deep nets", sentences, words) == told


def test_what_tells_the_question_whole_comes_first() -> None:
    ranked = [paper("a", 0.5, [0.01, 0.001])]
    assert choose_evidence(ranked)[0].sentence == 0
    (read,) = ranked
    told = ReadPaper("a", read.reading, told=frozenset({1}))
    first, *others = choose_evidence([told])
    assert first.sentence == 1
    # What it holds puts it first; the others are not worth less for it.
    assert others[0].score > first.score
    assert choose_evidence([told], Policy(told_bonus=0.0))[0].sentence == 0
