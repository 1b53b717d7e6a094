"""The best evidence is told with what is worth nearly as much and what they stand on, no more."""

from dataclasses import replace

from askpapers.telling import LONGEST_WAY, REACH, choose_told
from fakes import evidence_of, made_paper, made_result

SKILLS = made_paper(
    "p1",
    "Skills",
    "We derive an update rule. Trees are green. Grass is tall. "
    "The update rule favours short skills. Water is wet. Long skills win. "
    "We derive a step size. We derive an inner loss. Sky is blue. It rains. "
    "The step size and the inner loss are small.",
)
OTHER = made_paper("p2", "Another Paper", "Training needs 9 days. Why is that?")
FAVOURS = evidence_of(SKILLS, "The update rule favours short skills.", 0.9)
WINS = evidence_of(SKILLS, "Long skills win.", 0.8)
SMALL = evidence_of(SKILLS, "The step size and the inner loss are small.", 0.7)
DAYS = evidence_of(OTHER, "Training needs 9 days.", 0.6)
RULE = "We derive an update rule."


def tell(*evidence, count=4, papers=(SKILLS, OTHER), **query):
    found = made_result(papers, evidence)
    return [
        e.quote for e in choose_told(replace(found, query=replace(found.query, **query)), count)
    ]


def test_what_a_sentence_takes_as_known_is_told_before_it():
    assert tell(FAVOURS) == [RULE, FAVOURS.quote]
    assert tell(FAVOURS, question="What does the update rule favour?") == [FAVOURS.quote]


def test_what_stands_alone_between_two_is_told_unless_it_needs_more():
    assert tell(WINS, FAVOURS) == [RULE, FAVOURS.quote, "Water is wet.", WINS.quote]
    paper = made_paper(
        "p3",
        "Nets",
        "We build a gate. We build a valve. Nets are old. They rust. "
        "We test nets. The gate and the valve leak. We sell nets.",
    )
    first, last = (evidence_of(paper, quote) for quote in ("We test nets.", "We sell nets."))
    assert tell(first, last, papers=[paper]) == ["We test nets.", "We sell nets."]


def test_what_takes_more_than_a_sentence_to_be_understood_is_only_told_as_the_best():
    assert tell(WINS, SMALL) == [WINS.quote]
    assert tell(SMALL) == ["We derive a step size.", "We derive an inner loss.", SMALL.quote]


def test_no_more_than_the_longest_way_is_told_before_the_best():
    chain = " ".join(f"It is number {n}." for n in range(20))
    paper = made_paper("p4", "T", f"Nets are old. {chain}")
    told = tell(evidence_of(paper, "It is number 19."), papers=[paper])
    assert told == [f"It is number {n}." for n in range(19 - LONGEST_WAY, 20)]


def test_what_is_worth_far_less_than_the_best_is_not_told():
    def worth(evidence, less):
        return replace(evidence, score=WINS.score - less)

    for further in (FAVOURS, DAYS):
        assert further.quote in tell(WINS, worth(further, REACH - 0.1))
        assert tell(WINS, worth(further, REACH + 0.1)) == [WINS.quote]


def test_a_question_of_an_abstract_says_nothing():
    assert tell(DAYS, evidence_of(OTHER, "Why is that?")) == [DAYS.quote]


def test_a_question_about_several_papers_is_answered_from_more_of_them():
    papers = [made_paper(f"p{n}", f"Paper {n}", f"Method {n} is studied here.") for n in range(7)]
    shown = [evidence_of(p, p.abstract, -0.8 * n) for n, p in enumerate(papers)]
    assert len(tell(*shown, papers=papers)) == 4
    assert len(tell(*shown, papers=papers, several=True)) == 6


def test_each_paper_is_told_in_its_own_order_that_of_the_best_first():
    assert tell(DAYS, WINS, FAVOURS) == [
        DAYS.quote,
        RULE,
        FAVOURS.quote,
        "Water is wet.",
        WINS.quote,
    ]
