"""Sentences that only say where code can be had are told from those that say more."""

import pytest

from askpapers.availability import asks_where, only_says_where


@pytest.mark.parametrize(
    "sentence",
    [
        "Code is available at https://github.com/cmu/Pooling.",
        "The dataset and evaluation script will be made publicly available.",
        "We release our code at https://github.com/x/y.",
        "Videos can be found at roahmlab.github.io/mapping/.",
        "Our model has been open sourced at https://github.com/x/y.",
    ],
)
def test_only_a_place(sentence):
    assert only_says_where(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "We test on publicly available data.",
        "It works even when the original training data is not available.",
        "We release a data set of 4,600 prompts in nine categories, written by experts who were "
        "paid by the hour, at https://example.org/data, with a benchmark of 1,785 harmful ones.",
        "Source code helps models to reason.",
    ],
)
def test_more_than_a_place(sentence):
    assert not only_says_where(sentence)


def test_what_asks_for_a_place():
    assert asks_where("Where can I get the weights?")
    assert asks_where("Is the code of Glow released?")
    assert not asks_where("What is UMBC?")
