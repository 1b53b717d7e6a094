"""Key facts, normal form, claims, hallucinations and forbidden text, by hand-made tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.metrics import answers
from askpapers.metrics.facts import find_numbers, is_stated, key_fact_recall, normalise
from askpapers.metrics.hallucinations import find_entities, find_hallucinations

SAME = [
    ("1,000 hours", "1000 hours"),
    ("one thousand hours", "1000 hours"),
    ("98 %", "98%"),
    ("98 percent", "98 per cent"),
    ("2x", "2×"),
    ("two times", "twofold"),
    ("2-fold", "twice"),
    ("7B parameters", "7 billion parameters"),
    ("1.5M", "1,500,000"),
    ("77.0", "77"),
    (".5", "0.50"),
    ("twenty-five", "25"),
    ("three hundred thousand", "300,000"),
    ("$\\ell_1$-norm", "ell_1 norms"),
    ("10–20", "10-20"),
    ("Vision Transformers", "vision transformer"),
]
DIFFERENT = [
    ("21", "2.1"),
    ("7B", "7"),
    ("-0.5", "0.5"),
    ("98%", "98"),
    ("10m", "10M"),
    ("1,2", "12"),
    ("3D", "3"),
    ("loss", "los"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_same_facts(first: str, second: str) -> None:
    assert normalise(first) == normalise(second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_facts(first: str, second: str) -> None:
    assert normalise(first) != normalise(second)


@given(st.integers(0, 10**9))
def test_grouping_and_padding_do_not_change_a_number(value: int) -> None:
    assert find_numbers(f"about {value:,} h") == find_numbers(f"{value}.0") == {str(value)}


@given(st.text(max_size=60))
def test_normal_form_takes_any_text(text: str) -> None:
    assert normalise(text) == normalise(f" {text} ")
    assert all(token and token.strip() == token for token in normalise(text))


@pytest.mark.parametrize(
    ("fact", "text", "stated"),
    [
        ("77 GPU hours", "It takes about 77 GPU-hours [1].", True),
        ("77 GPU hours", "It takes 7.7 GPU hours.", False),
        ("21", "It takes 2.1 hours.", False),
        ("0.5|half", "Half of them.", True),
        ("96%", "96, 86 and 98 %", False),
        ("RITA", "britannica", False),
        ("group attention", "attention in a group", False),
        ("", "anything", False),
    ],
)
def test_facts_are_stated_or_not(fact: str, text: str, stated: bool) -> None:
    assert is_stated(fact, text) is stated


def test_key_fact_recall_by_hand() -> None:
    assert key_fact_recall("77 hours on two GPUs", ["77", "2|a pair", "A100"]) == pytest.approx(
        2 / 3
    )
    assert key_fact_recall("", ["77"]) == 0.0
    assert key_fact_recall("anything", []) is None


def test_marks_are_not_numbers() -> None:
    assert find_numbers("It takes 5 hours [12][3, 4].") == {"5"}


def test_claims() -> None:
    assert answers.split_claims("It is fast [1].") == ("It is fast.",)
    assert answers.split_claims("It runs in two hours, while others need a whole day [1].") == (
        "It runs in two hours",
        "while others need a whole day.",
    )
    assert answers.split_claims("It is good; very good.") == ("It is good; very good.",)


def test_faithfulness_by_hand() -> None:
    assert answers.faithfulness([True, False, True, True]) == 0.75
    assert answers.strict_faithfulness([True, False]) == 0.0
    assert answers.strict_faithfulness([True]) == 1.0
    assert answers.faithfulness([]) is None
    assert answers.strict_faithfulness([]) is None


def test_entities() -> None:
    assert find_entities("The Model beats GPT-4o. Then we use Adam on CIFAR-10 and LaTeX.") == (
        "Model", "GPT-4o", "Adam", "CIFAR-10", "LaTeX",
    )  # fmt: skip


EVIDENCE = "RITA trains on CIFAR-10 in 2.1 hours and improves accuracy; it does not need labels."


@pytest.mark.parametrize(
    ("claim", "kinds"),
    [
        ("RITA trains in 2.1 hours.", set()),
        ("RITA trains in 21 hours.", {"number"}),
        ("RITA trains on CIFAR10.", set()),
        ("RITA trains on MNIST.", {"entity"}),
        ("RITA needs labels.", {"negation"}),
        ("It does not need labels.", set()),
        ("RITA doesn't train.", {"negation"}),
        ("RITA reduces accuracy.", {"direction"}),
        ("RITA improves accuracy [7].", set()),
        ("One of them trains.", set()),
        ("On ImageNet it lowers accuracy by 3%.", {"entity", "direction", "number"}),
    ],
)
def test_hallucinations_by_kind(claim: str, kinds: set[str]) -> None:
    assert find_hallucinations(claim, [EVIDENCE]) == kinds


def test_hallucination_context_excuses_names_only() -> None:
    assert not find_hallucinations("BERT trains.", [EVIDENCE], ["BERT 12"])
    assert find_hallucinations("It takes 12 hours.", [EVIDENCE], ["BERT 12"]) == {"number"}
    assert find_hallucinations("It trains.", [EVIDENCE], supported=False) == {"unsupported"}


def test_similarity_is_cosine_and_not_negative() -> None:
    table = {"a": [1.0, 0.0], "b": [0.6, 0.8], "c": [-1.0, 0.0]}

    def embed(texts: list[str]) -> np.ndarray:
        return np.array([table[text] for text in texts], dtype=np.float32)

    assert answers.similarity(embed, "a [1]", "b") == pytest.approx(0.6)
    assert answers.similarity(embed, "a", "c") == 0.0
    assert answers.similarity(embed, "", "c") == 0.0
    assert answers.similarity(embed, "a", " ") is None


def test_forbidden_text_is_found_in_any_case_and_spacing() -> None:
    shown = "Sure!  I am\nPWNED <script>"
    assert answers.find_forbidden(shown, ["i am pwned", "<SCRIPT>", "secret", ""]) == (
        "i am pwned",
        "<SCRIPT>",
    )


def test_written_share_and_speed() -> None:
    assert answers.written_share(["written", "quoted", "written", "written"]) == 0.75
    assert answers.written_share([]) is None
    assert answers.tokens_per_second(21, 1.0, 3.0) == 10.0
    assert answers.tokens_per_second(1, 1.0, 3.0) is None
    assert answers.tokens_per_second(5, None, 3.0) is None
