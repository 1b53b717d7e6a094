import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.terms import find_pairs, find_terms


@pytest.mark.parametrize("printed", [r"$\ell_1$", "ell_1", "L1", "ℓ1", "ℓ_1", "$L_{1}$", "l_1"])
def test_every_printing_of_an_l1_norm_is_one_term(printed):
    assert find_terms(f"the {printed} norm") == ["l1", "norm"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("GPT-4", ["gpt", "4", "gpt4"]),
        ("1,024 tokens", ["1024", "tokens"]),
        ("7 billion", ["7", "billion", "7b"]),
        ("3.5%", ["3.5", "percent", "3.5percent"]),
        ("100 ms", ["100", "ms", "100ms"]),
        ("α-divergence", ["alpha", "divergence"]),
        ("Müller’s work", ["muller", "work"]),
        ("$L_\\infty$", ["linf"]),
        ("fine‑tuning", ["fine", "tuning", "finetuning"]),
    ],
)
def test_terms_keep_numbers_units_and_names(text, wanted):
    assert find_terms(text) == wanted


def test_stop_words_are_left_out():
    assert find_terms("what is the cause of it?") == ["cause"]


def test_pairs_join_neighbouring_words_only():
    assert find_pairs(["fine", "tuning", "4", "models"]) == ["finetuning"]


@given(st.text(max_size=200))
def test_any_text_gives_clean_terms(text):
    for term in find_terms(text):
        assert term
        assert not any(c.isspace() for c in term)
