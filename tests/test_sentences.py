"""Sentence boundaries on the texts that trip splitters, and offsets on any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.sentences import split_sentences


def pieces(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["We reach 3.5\\% on ImageNet, i.e. better than Smith et al. (2020).", "See Fig. 3."],
        ["The rate is O(n^{-1.5}).", "Then e.g. Adam, as in Sec. 2 and Eq. (3), wins vs. SGD."],
        ["In contrast to Kingma et al., we win.", "Our code is at github.com/a/b.c, as usual."],
        ["Code is available at https://github.com/xuke225/EQ-Net.", "It works."],
        [
            "Does it work?",
            "Yes!",
            "We lose 0.07% accuracy.",
            "(See the appendix.)",
            "GPT-3.5 fails.",
        ],
        ["We study T[i, ., . , i+m-1] for every s.", "The U.S. data is good.", "J. Smith agrees."],
        ["Results hold w.r.t. the norm.", "We have approx. 5 models, etc.", "The last is new."],
        ["We write $x_1. Y$ for it.", "The loss is $L(x) = 0.5$."],
        ["There are two steps: (1) We invert. (2) We refine."],
        [
            '"Many methods recover a shape from a single image.',
            "Such methods often fail to be exact.",
            "In contrast, the other task is studied less.",
            'We study it."',
        ],
        [
            "Tests reveal several insights: (1). Refusal is common.",
            "(2). Safer models refuse more.",
            "The ratio is 3: 1.5 is less.",
        ],
        [
            "It has two aims: (1) Items map to themselves.",
            "(2) Others map to them.",
            "This is done by a term.",
            "(iii) It converges.",
            "We test it.",
        ],
        ["We show that: 1) If tasks are homogeneous, this works."],
        ["Given x1, ..., xT, when is it possible?", "We answer this."],
        ["The bound is \\frac{1}{2}.", "A minimizer of the L_2^2-loss is found by D. P. Kingma."],
        ["k-Clustering in R^d (e.g., k-median) is fundamental.", "While it is old, it is used."],
    ],
)
def test_known_boundaries(sentences: list[str]) -> None:
    got = pieces(" ".join(sentences))
    if sentences[0].startswith("There are two steps"):
        # A list item that is a whole sentence may stand alone; the lead-in may not.
        assert got[0].startswith("There are two steps: (1) We invert.")
    else:
        assert got == sentences


def test_a_lost_space_ends_a_sentence_too() -> None:
    text = "We bound the rate of convergence.We test it. See a.b.The or Fig.In or gradual.The."
    assert pieces(text) == [
        "We bound the rate of convergence.",
        "We test it.",
        "See a.b.The or Fig.In or gradual.The.",
    ]


def test_empty_and_blank_texts_have_no_sentences() -> None:
    assert split_sentences("") == []
    assert split_sentences(" \n\t ") == []


def test_text_longer_than_one_piece_is_covered() -> None:
    text = "This is one sentence of many. " * 3000
    assert len(pieces(text)) == pytest.approx(3000, abs=6)


def test_lone_surrogates_keep_their_offsets() -> None:
    text = "A \ud800 here. And there is more."
    assert pieces(text) == ["A \ud800 here.", "And there is more."]


@given(st.text(max_size=400) | st.text(alphabet=".!? ()$[]aB1\n,e\u00e9", max_size=400))
def test_spans_are_ordered_and_cover_everything_but_whitespace(text: str) -> None:
    spans = split_sentences(text)
    position = 0
    for span in spans:
        assert text[position : span.start].strip() == ""
        assert span.start < span.end
        assert not text[span.start].isspace()
        assert not text[span.end - 1].isspace()
        position = span.end
    assert text[position:].strip() == ""
