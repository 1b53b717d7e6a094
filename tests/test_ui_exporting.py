"""Exports of conversations, and ratings as eval cases."""

import json

import pytest

from askpapers.domain import Source
from askpapers.errors import UsageError
from askpapers.evals.cases import CaseRecord
from askpapers.ui.exporting import export_talk, write_plain
from askpapers.ui.feedback import Feedback
from page_parts import (
    OTHER,
    PAPER,
    made_answer,
    made_turn,
)


def test_exports():
    turns = [made_turn()]
    papers = {"p1": PAPER, "p2": OTHER}
    name, _, text = export_talk(turns, papers, "md")
    assert name == "conversation.md"
    assert "> It is fast." in text
    _, _, text = export_talk(turns, papers, "bib")
    assert "@misc{p1," in text
    assert "year = {2023}" in text
    assert "p2" not in text
    _, _, text = export_talk(turns, papers, "json")
    assert json.loads(text)["turns"][0]["sentences"][0]["evidence"][0]["quote"] == "It is fast."
    with pytest.raises(UsageError, match="nothing to export"):
        export_talk([], papers, "md")
    with pytest.raises(UsageError, match="no export format"):
        export_talk(turns, papers, "exe")


def test_markdown_and_bibtex_texts_stay_texts():
    sources = (Source(1, "p/1{x}", "A # {B} & [c](http://x) % \\d", None, cited=True, read=True),)
    turns = [made_turn(sources=sources)]
    _, _, text = export_talk(turns, {}, "md")
    assert "\\[c\\](http://x)" in text
    _, _, text = export_talk(turns, {}, "bib")
    assert "@misc{p1x," in text
    assert "title = {{A \\# (B) \\& [c](http://x) \\% /d}}" in text


def test_a_copy_has_its_references():
    assert write_plain(made_answer()) == (
        "It is quick [1].\n\nReferences\n[1] RITA: Group Attention (2023)"
    )


def test_ratings_become_eval_cases(tmp_path):
    feedback = Feedback(tmp_path)
    assert feedback.export_cases() == ""
    feedback.add(made_answer("good?"), thumb="up", reason="correct and complete", note="yes")
    feedback.add(made_answer("bad?"), thumb="down", reason="should have abstained", note="")
    feedback.add(made_answer("odd?"), thumb="down", reason="wrong", note="really")
    cases = [CaseRecord.model_validate_json(li) for li in feedback.export_cases().splitlines()]
    assert [case.expect for case in cases] == ["answered", "abstained", "any"]
    assert cases[0].evidence[0].quote == "It is fast."
    assert cases[2].note == "wrong · really"
    with pytest.raises(UsageError, match="up or down"):
        feedback.add(made_answer(), thumb="sideways", reason="", note="")
