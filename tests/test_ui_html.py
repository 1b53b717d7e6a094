"""HTML of the conversation and of the evidence: escaped, with anchors that exist."""

from dataclasses import replace

from askpapers.answering import Found
from askpapers.domain import Citation, Sentence, Source
from askpapers.errors import GenerationFailed
from askpapers.ui.answers import anchor_of, render_live, render_talk
from askpapers.ui.asking import Frame, Waiting
from askpapers.ui.proof import _Marked, mark_abstract, render_proofs
from askpapers.ui.talks import Ask, Turn
from fakes import evidence_of, made_paper, made_result
from page_parts import (
    FAST,
    OTHER,
    PAPER,
    SENTENCE,
    made_answer,
    made_turn,
)

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'


def test_every_text_is_escaped():
    paper = made_paper("p1", HOSTILE, f"{HOSTILE} stays. It is fast.")
    evidence = evidence_of(paper, f"{HOSTILE} stays.")
    proof = (Citation(1, evidence),)
    sentence = Sentence(HOSTILE, "quoted", (1,), "supported", 1.0, proof, opening=HOSTILE)
    answer = made_answer(
        HOSTILE,
        sentences=(sentence,),
        text=HOSTILE,
        sources=(Source(1, "p1", HOSTILE, HOSTILE, cited=True, read=True),),
        search_query=HOSTILE,
    )
    turn = Turn(Ask(HOSTILE), answer, (evidence,))
    frame = Frame(Ask(HOSTILE), draft=HOSTILE, error=GenerationFailed(HOSTILE, hint=HOSTILE))
    html = render_talk([turn]) + render_proofs([turn], {"p1": paper}) + render_live(frame, 2)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_the_best_sentence_is_strong_and_a_quotation_stands_behind_its_paper():
    named = replace(SENTENCE, origin="quoted", opening="“A & B”: ")
    best = replace(SENTENCE, text="It wins.", best=True)
    html = render_talk([Turn(Ask("Q?"), made_answer("Q?", sentences=(named, best)), ())])
    assert f"“A &amp; B”: <q>{SENTENCE.text}</q>" in html
    assert html.count("<strong>") == 1
    assert "<strong>It wins.</strong>" in html


def test_a_chip_names_a_mark_that_exists_and_ids_are_unique():
    turns = [made_turn(), made_turn("Again?")]
    html = render_talk(turns)
    proofs = render_proofs(turns, {"p1": PAPER, "p2": OTHER})
    for number in (1, 2):
        anchor = anchor_of(number, 1, FAST)
        assert f'data-goto="{anchor}"' in html
        assert proofs.count(f'id="{anchor}"') == 1
    assert proofs.count(" hidden") == 1


def test_marks_hold_exactly_their_sentence_even_when_they_overlap():
    whole = evidence_of(PAPER, "It clusters. It is fast.")
    html = mark_abstract(PAPER.abstract, [_Marked(whole, True), _Marked(FAST, False)], 1, 1)
    assert html == (
        '<mark id="t1-s1-c0-24" class="ap-cited" tabindex="-1" data-of="t1-s1-c0-24">'
        "It clusters. </mark>"
        '<mark id="t1-s1-c13-24" class="ap-cited" tabindex="-1" data-of="t1-s1-c0-24 t1-s1-c13-24">'
        "It is fast.</mark> It wins."
    )


def test_verdicts_are_words_and_an_abstention_offers_more():
    partial = Sentence("Maybe.", "written", (1,), "partial", 0.5, (Citation(1, FAST),))
    missing = Sentence("Never.", "written", (), "unsupported", 0.1, ())
    html = render_talk([made_turn(sentences=(SENTENCE, partial, missing))])
    assert "supported" in html
    assert "partly supported" in html
    assert "not found" in html
    html = render_talk([made_turn(status="abstained")])
    assert "do not answer" in html
    assert "The closest abstracts do not state what is asked." in html
    assert "Search wider" in html
    assert PAPER.title in html


def test_only_the_last_turn_can_be_asked_again():
    html = render_talk([made_turn(), made_turn("Again?")])
    assert html.count('data-action="retry"') == 1
    assert html.count('data-action="requery"') == 1


def test_a_waiting_frame_says_how_many_are_before():
    assert "2 questions before yours" in render_live(
        Frame(Ask("q"), found=Found(made_result([], []), ()), ahead=2), 1
    )
    assert Waiting(2).ahead == 2
