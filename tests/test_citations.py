import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.citations import (
    Draft,
    build_grammar,
    escape_brackets,
    find_figures,
    name_speaker,
    read_drafts,
    render_sentence,
)
from askpapers.domain import Sentence
from askpapers.errors import UsageError


def made_sentence(text, numbers, origin="written"):
    return Sentence(text, origin, tuple(numbers), "supported", 1.0, ())


def test_drafts_are_read_with_their_numbers():
    text = "It needs 2.1 GPU hours, e.g. on one card [1]. Wu et al. agree [2][1]."
    drafts = read_drafts(text)
    assert [(d.text, d.numbers) for d in drafts] == [
        ("It needs 2.1 GPU hours, e.g. on one card.", (1,)),
        ("Wu et al. agree.", (2, 1)),
    ]


@pytest.mark.parametrize("tail", ["", " And then", " And then [1", " And then [1]"])
def test_an_unfinished_sentence_is_left_out(tail):
    assert [d.text for d in read_drafts("It works [1]." + tail)] == ["It works."]


@pytest.mark.parametrize(
    "text",
    ["It lies in [0,1].", "For $x \\in [1, 2]$ it holds.", "On the interval [2, 3] it holds."],
)
def test_a_closed_interval_stays_closed(text):
    assert render_sentence(made_sentence(text, [4], "quoted")) == f"“{text}” [4]"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Yes: the bound is tight [1].", "The bound is tight."),
        ("No, k-means fails [1].", "k-means fails."),
        ("No method works [1].", "No method works."),
        ("Yes [1].", "Yes."),
    ],
)
def test_a_verdict_that_nothing_proves_is_left_out(written, read):
    assert [d.text for d in read_drafts(written)] == [read]


def test_a_number_counts_once():
    assert read_drafts("It works [1][1].")[0].numbers == (1,)


def test_a_number_that_no_source_can_have_is_no_mark():
    assert read_drafts(f"It fails [{'1' * 5000}].\nIt works [2].") == [Draft("It works.", (2,))]


def test_an_endless_output_is_read_in_one_pass():
    text = f"{' ' * 200_000}It works{' ' * 200_000}[1]. {'a' * 200_000}"
    assert read_drafts(text) == [Draft("It works.", (1,))]


def test_marks_without_text_are_no_sentence():
    assert read_drafts("[1].") == []


@pytest.mark.parametrize(("numbers", "sentences"), [([], 1), ([0], 1), ([1], 0)])
def test_a_grammar_needs_sources(numbers, sentences):
    with pytest.raises(UsageError):
        build_grammar(numbers, max_sentences=sentences)


def test_the_grammar_names_only_the_shown_sources():
    grammar = build_grammar([2, 5, 2], max_sentences=3)
    assert set(re.findall(r'"(\d+)"', grammar)) == {"2", "5"}
    assert "{0,2}" in grammar


def test_figures_are_read_with_their_decimals_and_separators():
    assert find_figures(["It takes 2.1 hours, 3D.", "1,000 of 40."]) == {"2.1", "3", "1,000", "40"}


def test_only_the_figures_shown_can_be_written():
    grammar = build_grammar([1], max_sentences=1, figures=["2.1", "40"])
    assert 'figure ::= "2.1" | "40"' in grammar
    assert "[^0-9" in grammar
    assert "figure" not in build_grammar([1], max_sentences=1, figures=[])


@given(st.text())
def test_an_escaped_text_cannot_look_like_a_mark(text):
    escaped = escape_brackets(text)
    assert "[" not in escaped
    assert "]" not in escaped
    assert "\n" not in escaped


@given(
    st.from_regex(r"[A-Z][a-z0-9 ]{1,40}[a-z]", fullmatch=True),
    st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True),
)
def test_what_is_rendered_reads_back(text, numbers):
    rendered = render_sentence(made_sentence(f"{text}.", numbers))
    draft = read_drafts(rendered)[0]
    assert draft.numbers == tuple(numbers)
    assert draft.text == " ".join([text]) + "."


def test_a_quotation_keeps_its_text_behind_the_name_of_its_paper():
    quotation = made_sentence("We use 3 GPUs.", [4], "quoted")
    assert render_sentence(quotation) == "“We use 3 GPUs.” [4]"
    named = replace(quotation, opening=name_speaker("Cards [2]"))
    assert render_sentence(named) == "“Cards (2)”: “We use 3 GPUs.” [4]"


def test_a_bracketed_number_of_the_text_is_no_mark():
    text = "Tests [1, 2-4] of Rivest [1] lie in [0, inf) and A[i]."
    plain = "Tests (1, 2-4) of Rivest (1) lie in [0, inf) and A[i]."
    assert render_sentence(made_sentence(text, [4], "quoted")) == f"“{plain}” [4]"
    assert render_sentence(made_sentence(text, [4])) == f"{plain[:-1]} [4]."


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a proof is given [1].", "A proof is given."),
        ("the method works [1].", "The method works."),
        ("k-means is fast [1].", "k-means is fast."),
        ("pH is low [1].", "pH is low."),
        ("n samples are drawn [1].", "n samples are drawn."),
        ("however, it wins [1].", "However, it wins."),
        ("users' aims grow [1].", "Users' aims grow."),
    ],
)
def test_a_sentence_begins_with_a_capital(written, read):
    assert read_drafts(written)[0].text == read
