import numpy as np
import pytest

from askpapers.domain import Paper
from askpapers.errors import IndexDamaged, IndexMissing
from askpapers.lexical import LexicalIndex, edit_distance, edits

PAPERS = [
    Paper("a", "Adaptive batch sizes", "We grow the batch while training transformers on text."),
    Paper("b", "Sparse regression", "The $\\ell_1$ penalty selects features in regression."),
    Paper("c", "Finetuning language models", "Transformers are tuned on 1,024 instructions."),
    Paper("d", "Robots", "Legged robots walk over rubble with reinforcement learning."),
]


@pytest.fixture(scope="module")
def index():
    return LexicalIndex.build(PAPERS)


def first(index, question, **options):
    scores = index.score(question, **options)
    ranked = index.rank(scores.whole, 4)
    return index.paper_ids[ranked[0]] if ranked else None


@pytest.mark.parametrize(
    ("question", "paper"),
    [
        ("Which penalty is L1?", "b"),
        ("fine-tuning with instructions", "c"),
        ("fine tuning", "c"),
        ("1024 instructions", "c"),
        ("walking robot", "d"),
        ("reinforcment lerning", "d"),
        ("quantum chromodynamics", None),
        ("", None),
    ],
)
def test_the_paper_that_holds_the_words_is_first(index, question, paper):
    assert first(index, question) == paper


def test_a_misspelt_word_is_reported_with_its_reading(index):
    assert index.score("tranformers and roobts").corrections == (
        ("tranformers", "transformers"),
        ("roobts", "robots"),
    )


def test_a_slip_in_an_ending_is_read_as_the_word_it_is_in():
    index = LexicalIndex.build([Paper("m", "T", "Multiplication is multiple additions.")])
    (reading,) = index.score("multiplicatons").corrections
    assert reading[0] == "multiplicatons"
    assert index.score("multiplicatons").whole[0] > 0


def test_edits_are_one_step_away():
    made = edits("ab")
    assert {"b", "a", "ba", "cb", "ac", "cab", "acb", "abc"} <= made
    assert "ab" not in made
    assert all(edit_distance("ab", word, 2) == 1 for word in made)


def test_known_and_short_words_are_never_corrected(index):
    assert index.score("batch robots wlk").corrections == ()


def test_coverage_is_the_share_of_term_weight(index):
    scores = index.score("sparse regression")
    assert scores.coverage[1] == pytest.approx(1.0)
    assert scores.coverage[3] == 0.0


def test_added_terms_count_half(index):
    alone = index.score("robots").whole
    added = index.score("batch", added=["robots"]).whole
    assert added[3] == pytest.approx(0.5 * alone[3])


def test_a_title_is_scored_apart(index):
    scores = index.score("robots")
    assert scores.title[3] > 0
    assert np.count_nonzero(scores.title) == 1


def test_a_mask_hides_papers(index):
    scores = index.score("transformers")
    ranked = index.rank(scores.whole, 4, index.mask(["c"]))
    assert [index.paper_ids[i] for i in ranked] == ["c"]


def test_a_saved_index_scores_the_same(index, tmp_path):
    index.save(tmp_path / "lexical")
    again = LexicalIndex.load(tmp_path / "lexical")
    for question in ("transformers on text", "ell_1 penalty", "roobts"):
        np.testing.assert_array_equal(again.score(question).whole, index.score(question).whole)
        np.testing.assert_array_equal(again.score(question).title, index.score(question).title)
    assert again.paper_ids == index.paper_ids


def test_no_index_and_a_broken_one_are_told_apart(index, tmp_path):
    with pytest.raises(IndexMissing):
        LexicalIndex.load(tmp_path)
    index.save(tmp_path)
    (tmp_path / "surfaces.json").write_text("{", "utf-8")
    with pytest.raises(IndexDamaged):
        LexicalIndex.load(tmp_path)


def test_an_index_of_nothing_finds_nothing():
    index = LexicalIndex.build([])
    assert index.rank(index.score("anything").whole, 5) == []


@pytest.mark.parametrize(
    ("a", "b", "most", "distance"),
    [
        ("abc", "abc", 2, 0),
        ("abc", "acb", 2, 1),
        ("kitten", "sitting", 3, 3),
        ("abc", "xyz", 2, 3),
        ("ab", "abcde", 2, 3),
        ("", "ab", 2, 2),
    ],
)
def test_edit_distance_by_hand(a, b, most, distance):
    assert edit_distance(a, b, most) == distance
