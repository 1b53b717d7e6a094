"""What stands and what does not, with a judge that believes everything."""

import pytest

from askpapers.citations import Draft
from askpapers.domain import Citation, Sentence
from askpapers.support import Judgement
from askpapers.verification import make_quotation, prove, strays, verify_draft
from askpapers.writing import Compression
from fakes import evidence_of, made_paper

PAPER = made_paper(
    "p1", "FFJORD: Scalable Flows", "We use Hutchinson's estimator. It costs 3 GPUs. ResNets help."
)
SHOWN = [
    evidence_of(PAPER, "We use Hutchinson's estimator.", 2.0),
    evidence_of(PAPER, "It costs 3 GPUs.", -1.0),
]


class Believer:
    name = "believer"

    def judge(self, pairs):
        return [Judgement("supported", 0.9, ()) for _ in pairs]


def verified(text):
    return verify_draft(
        Draft(text, (1,)),
        cited_ids={"p1"},
        shown=SHOWN,
        papers={"p1": PAPER},
        numbers={"p1": 4},
        judge=Believer(),
    )


def test_a_sentence_carries_its_source_number_and_proof():
    sentence = verified("FFJORD uses an estimator.")
    assert sentence.citations == (4,)
    assert sentence.evidence == (Citation(4, SHOWN[0]),)


@pytest.mark.parametrize("text", ["FJORD uses an estimator.", "It uses GPT.", "It uses FFJ0RD."])
def test_a_name_that_is_nearly_right_is_wrong(text):
    assert verified(text) is None


@pytest.mark.parametrize("text", ["FFJORDs use it.", "It takes GPUs.", "It uses an estimator."])
def test_a_name_that_stands_in_a_source_is_right(text):
    assert verified(text) is not None


def test_a_stutter_does_not_stand():
    assert verified("It is a very fast method and it is a very fast method.") is None
    assert verified("It is a very fast method and a good one.") is not None


def written(text, evidence):
    return Sentence(text, "written", (4,), "supported", 0.9, (Citation(4, evidence),))


def test_a_sentence_on_far_weaker_evidence_strays():
    assert strays("What is used?", written("It costs 3.", SHOWN[1]), SHOWN[0])
    assert not strays("What is used?", written("An estimator.", SHOWN[0]), SHOWN[0])


def test_a_figure_that_is_asked_for_must_come():
    assert strays("How many GPUs?", written("It costs GPUs.", SHOWN[1]), SHOWN[1])
    assert not strays("How many GPUs?", written("It costs 3.", SHOWN[1]), SHOWN[1])
    assert not strays("What does it cost?", written("It costs GPUs.", SHOWN[1]), SHOWN[1])


def test_a_quotation_is_its_own_proof():
    quotation = make_quotation(SHOWN[0], {"p1": 4})
    assert (quotation.text, quotation.origin) == (SHOWN[0].quote, "quoted")
    assert quotation.evidence[0].evidence is SHOWN[0]


@pytest.mark.parametrize(
    ("quote", "written", "origin"),
    [
        ("We bound it by sqrt[3]{log n}.", "The authors bound it by sqrt(3){log n}.", "quoted"),
        ("We use values in [0, 1).", "The authors use values in (0, 1).", "quoted"),
        ("We use values in (0, 1).", "The authors use values in (0, 1).", "written"),
        ("We find that they win.", "“Bounds”: We find that they win.", "written"),
        ("We find that [they] win.", "“Bounds”: We find that (they) win.", "quoted"),
    ],
)
def test_square_brackets_are_never_rounded(quote, written, origin):
    paper = made_paper("p1", "Bounds", quote)
    made = Compression(written, written, evidence_of(paper, quote, 1.0))
    sentence = prove(made, paper, numbers={"p1": 1}, judge=Believer())
    assert (sentence.text, sentence.origin) == (quote if origin == "quoted" else written, origin)
