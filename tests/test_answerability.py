"""The features of the answerability model, one by one, and the probability they make."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.answerability import (
    FEATURES,
    FOUND_FEATURES,
    LIKELY,
    NEAR,
    READ_FEATURES,
    UNLIKELY,
    WORD_FEATURES,
    Calibration,
    Page,
    bring_near,
    count_relevant,
    estimate,
    measure,
    measure_readings,
)
from askpapers.encoders.reader import Reading
from askpapers.errors import ResourceError
from askpapers.evidence import ReadPaper, log_odds
from askpapers.terms import find_terms

CALIBRATION = Calibration(-1.0, {"best_answerable": 1.0, "best_sentence": 0.5})
PLOVER = (
    "Plover: Bandits for New Users",
    ("New users are a problem.", "Plover has 12 heads and reads CIFAR-10.", "It wins."),
)
COSINES = (0.3, 0.6)


def rarity(text: str) -> dict[str, float]:
    """Every word is as rare as any other; a plural is its singular."""
    return {term.rstrip("s"): 1.0 for term in find_terms(text)}


def paper(name: str, relevance: float, sentences: list[float], answerable: float) -> ReadPaper:
    return ReadPaper(name, Reading(relevance, answerable, tuple(sentences)))


def features_of(question: str, *, shown: int = 1) -> dict[str, float]:
    """The features where sentence `shown` of the one paper is the best evidence by far."""
    marks = [0.9 if i == shown else 0.0001 for i in range(3)]
    return measure(question, [Page(paper("p", 0.9, marks, 0.5), *PLOVER, *COSINES)], rarity)


def test_every_feature_is_measured() -> None:
    assert set(features_of("How many heads has Plover?")) == set(FEATURES)
    nothing = measure("How many?", [], rarity)
    assert set(nothing) == set(FEATURES)
    assert all(nothing[name] < 0 for name in FEATURES)
    assert estimate(nothing, Calibration(0.0, {"best_answerable": 1.0})) < 1e-4


def test_how_near_the_search_came_counts_up_to_a_point() -> None:
    blank = ReadPaper("p", Reading(0.9, 0.9, (0.9,)))
    other = ReadPaper("o", Reading(0.1, 0.1, (0.1,)))
    pages = [Page(blank, "T", ("S.",), 0.2, 0.1), Page(other, "U", ("V.",), 0.9, 0.3)]
    features = measure("What about cats?", pages, rarity)
    assert (features["near_passage"], features["near_sentence"]) == (0.2, 0.3)
    nearer = [Page(blank, "T", ("S.",), 0.6, 0.1), Page(other, "U", ("V.",), 0.9, 0.7)]
    features = measure("What about cats?", nearer, rarity)
    assert (features["near_passage"], features["near_sentence"]) == (NEAR, NEAR)
    held = [Page(blank, "T", ("About cats.",), 0.2, 0.1), pages[1]]
    for question, near in (("About cats", NEAR), ("About cats, dogs", 2 * NEAR / 3)):
        features = measure(question, held, rarity)
        assert features["near_passage"] == pytest.approx(near)


@pytest.mark.parametrize(
    ("question", "is_title"),
    [
        ("Plover: Bandits for New Users", 1.0),
        ("What is bandits for new users about?", 0.0),  # a quarter of it and more is left out
        ("What is Plover: bandits for users?", 1.0),
        ("plover bandits new users latency", 0.0),
        ("Plover", 0.0),
    ],
)
def test_a_question_that_is_the_title_asks_for_the_paper(question: str, is_title: float) -> None:
    blank = Reading(0.01, 0.01, (0.01, 0.01, 0.01))
    features = measure(question, [Page(ReadPaper("p", blank), *PLOVER, *COSINES)], rarity)
    assert features["told"] == is_title


def test_a_question_that_a_sentence_holds_whole_is_likelier_answered() -> None:
    blank = Reading(0.001, 0.001, (0.001, 0.001, 0.001))
    calibration = Calibration(-1.0, {"told": 0.5})
    chances = []
    for told in (frozenset({1}), frozenset[int]()):
        page = Page(ReadPaper("p", blank, told=told), *PLOVER, *COSINES)
        features = measure("Plover heads", [page], rarity)
        assert features["told"] == float(bool(told))
        chances.append(estimate(features, calibration))
    assert chances == pytest.approx([1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(1.0))])


@pytest.mark.parametrize(
    ("question", "lacks"),
    [
        ("How many heads does Plover have?", False),
        ("How many layers does Plover have?", True),
        ("How many attention heads are in Plover?", False),
        ("How many users does Plover serve?", True),
        ("Why are new users a problem?", False),
    ],
)
def test_a_counted_thing_needs_a_figure_beside_it(question: str, lacks: bool) -> None:
    assert features_of(question)["no_counted"] == -float(lacks)


@pytest.mark.parametrize(
    ("question", "shown", "lacks"),
    [
        ("What accuracy does Plover reach?", 1, False),
        ("What accuracy does Plover reach?", 2, True),
        ("What is the error rate of Plover?", 2, True),
        ("How fast is Plover?", 2, True),
        ("How many of the 12 heads does Plover use?", 1, True),
        ("How does Plover win?", 2, False),
        ("What does the size of Plover depend on?", 2, False),
        ("Which users does Plover help?", 2, False),
    ],
)
def test_where_a_figure_is_asked_for_the_evidence_needs_a_new_one(
    question: str, shown: int, lacks: bool
) -> None:
    assert features_of(question, shown=shown)["no_figure"] == -float(lacks)


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("Which optimizer does Plover use?", 0.0),
        ("Which bandit does Plover use?", 1.0),
        ("What is the inter-annotator agreement of Plover?", 0.0),
        ("How does Plover work?", 1.0),
    ],
)
def test_what_is_asked_for_should_stand_in_the_paper(question: str, held: float) -> None:
    assert features_of(question)["asked_held"] == pytest.approx(held - 1.0)


def test_a_rare_word_that_no_paper_holds_speaks_against_an_answer() -> None:
    assert features_of("Do Plover heads sing?")["no_rare_word"] == -1.0


def test_names_are_looked_for_in_the_lead_and_in_all_that_is_shown() -> None:
    other = Page(paper("o", 0.8, [0.8], 0.5), "Other", ("ImageNet is large.",), *COSINES)
    lead = Page(paper("p", 0.9, [0.1, 0.9, 0.1], 0.5), *PLOVER, *COSINES)
    features = measure("Does Plover read ImageNet with BERT?", [lead, other], rarity)
    assert features["unheld"] == -2.0
    assert features["unmentioned"] == -1.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_answerability_rises_with_the_readings(low: float, high: float) -> None:
    low, high = sorted((low, high))
    weak = measure_readings([paper("a", 0.5, [0.5], low)])
    strong = measure_readings([paper("a", 0.5, [0.5], high)])
    assert 0.0 < estimate(weak, CALIBRATION) <= estimate(strong, CALIBRATION) < 1.0


def test_answerability_by_hand() -> None:
    ranked = [paper("a", 0.9, [0.5], 0.5), paper("b", 0.2, [0.8], 0.75)]
    total = -1.0 + math.log(3) + 0.5 * math.log(4)
    expected = 1 / (1 + math.exp(-total))
    assert estimate(measure_readings(ranked), CALIBRATION) == pytest.approx(expected)


def test_lead_is_the_most_relevant_paper() -> None:
    ranked = [paper("a", 0.2, [0.5], 0.9), paper("b", 0.9, [0.5], 0.1)]
    features = measure_readings(ranked)
    assert set(features) == set(READ_FEATURES)
    assert features["lead_answerable"] == pytest.approx(log_odds(0.1))
    assert features["best_answerable"] == pytest.approx(log_odds(0.9))
    assert not set(READ_FEATURES) & set(WORD_FEATURES)


def test_relevant_papers_are_counted() -> None:
    readings = [Reading(0.9, 0.5, ()), Reading(0.6, 0.5, ()), Reading(0.2, 0.5, ())]
    assert count_relevant(readings, CALIBRATION) == 2
    assert count_relevant(readings, Calibration(0.0, {}, relevance_floor=0.1)) == 3


def test_calibration_is_read_from_the_manifest() -> None:
    table = {"answerability": {"intercept": -0.5, "best_sentence": 0.4}, "relevance_floor": 0.3}
    assert Calibration.from_parameters(table) == Calibration(-0.5, {"best_sentence": 0.4}, 0.3)


@pytest.mark.parametrize(
    "table", [{}, {"answerability": {}}, {"answerability": {"intercept": 0.0, "mood": 1.0}}]
)
def test_malformed_calibration_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ResourceError):
        Calibration.from_parameters(table)


def test_a_figure_that_the_lead_does_not_give_is_a_mark() -> None:
    assert features_of("What accuracy does Plover reach?", shown=1)["no_measured"] == 0.0
    assert features_of("How long does training take?", shown=1)["no_measured"] == -1.0


def test_what_the_lead_makes_likely_is_near_and_nothing_else_changes() -> None:
    far = features_of("Which optimizer does Plover use?", shown=1) | dict.fromkeys(
        FOUND_FEATURES, 0.1
    )
    assert bring_near(far, UNLIKELY) == far
    assert bring_near(far, LIKELY + 1) == far | dict.fromkeys(FOUND_FEATURES, NEAR)
    between = bring_near(far, (UNLIKELY + LIKELY) / 2)["near_passage"]
    assert between == pytest.approx(NEAR / 2)
