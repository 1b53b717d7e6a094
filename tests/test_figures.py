"""What figure is asked for is told, and so is where no text gives one like it."""

import pytest

from askpapers.figures import find_uncounted, find_unmeasured, lacks_figure


@pytest.mark.parametrize(
    ("question", "uncounted"),
    [
        ("How many prompts are in the set?", "prompts"),
        ("how many GPU hours", None),
        ("On how many languages was it tried?", "languages"),
        ("Of its two stages, how many steps does each take?", "steps"),
        ("How many categories does it have?", None),
        ("How many times faster is it?", None),
        ("How many percent faster is it?", None),
        ("How many exist?", None),
        ("How many queries does it need?", None),
        ("I wonder how many prompts one needs. Is there a rule?", None),
        ("How much data does it need?", None),
    ],
)
def test_what_no_sentence_counts_is_named(question: str, uncounted: str | None) -> None:
    sentences = [
        "It took 77 GPU hours.",
        "Prompts of many kinds are then sorted into five categories.",
        "RF-8 languages.",
        "It needs O(n) queries.",
    ]
    assert find_uncounted(question, sentences) == uncounted


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("What accuracy does Plover reach?", "a share or a score"),
        ("What is the test error of Plover on MNIST?", "a share or a score"),
        ("By how many percent is Plover better?", "a share or a score"),
        ("How accurate is Plover?", "a share or a score"),
        ("How long does training take?", "a time"),
        ("How many hours does Plover need?", "a time"),
        ("How much memory does Plover need?", "an amount of memory"),
        ("What exponent does the law of Plover have?", "such a figure"),
        ("How does Plover work?", None),
        ("Which accuracy is meant?", "a share or a score"),
        ("Which score is used?", None),
        ("How long is the story?", "a time"),
    ],
)
def test_the_kind_of_figure_that_no_text_gives_is_named(question: str, missing: str | None) -> None:
    texts = ["Plover. We train 8 models, from 7B to 70B, on MNIST."]
    if missing == "such a figure":
        texts = ["Plover. We train models on MNIST."]
    assert find_unmeasured(question, texts) == missing


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What accuracy does Plover reach?", "It reaches 93.1 on MNIST."),
        ("What accuracy does Plover reach?", "It is right for 7 % of the birds."),
        ("What accuracy does Plover reach?", "It is at chance."),
        ("What accuracy does Plover reach?", "Its error is O(1/n)."),
        ("How long does training take?", "Training takes a day."),
        ("How much memory does Plover need?", "It fits in 8 GB."),
        ("How fast does Plover converge?", "It converges exponentially."),
        ("By what factor is Plover cheaper?", "It brings a 3-fold gain."),
    ],
)
def test_a_figure_of_the_kind_is_enough(question: str, text: str) -> None:
    assert find_unmeasured(question, [text]) is None
    assert find_unmeasured(question, ["Nothing is told.", text]) is None


def test_the_figures_of_the_question_are_no_news() -> None:
    assert lacks_figure("How many of the 12 heads does it use?", ["It has 12 heads."])
    assert not lacks_figure("How many of the 12 heads does it use?", ["It uses 3 of 12 heads."])
    assert not lacks_figure("Who made it?", ["It has heads."])
