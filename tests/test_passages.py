"""Passages: whole sentences, exact offsets, never longer than the embedder reads."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askpapers.corpus import load_papers
from askpapers.domain import Paper
from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.models import get_manifest
from askpapers.passages import embedding_text, make_passages, make_sentences, passage_title


def count_words(text: str) -> int:
    """Two special tokens, and one token for every three characters of a word."""
    return 2 + sum(-(-len(word) // 3) for word in text.split())


def paper(abstract: str, title: str = "A Title") -> Paper:
    return Paper(paper_id="p1", title=title, abstract=abstract)


def test_windows_overlap_by_one_sentence_and_cover_the_abstract() -> None:
    abstract = " ".join(f"Sentence number {i} is here." for i in range(20))
    passages = make_passages(paper(abstract), count_tokens=count_words, max_tokens=60)
    assert len(passages) > 1
    assert passages[0].start == 0
    assert passages[-1].end == len(abstract)
    for left, right in itertools.pairwise(passages):
        assert left.start < right.start <= left.end < right.end
        assert abstract[right.start : left.end].count(".") == 1


def test_short_abstract_is_one_passage() -> None:
    passages = make_passages(paper("One. Two is it."), count_tokens=count_words, max_tokens=60)
    assert [p.text for p in passages] == ["One. Two is it."]


def test_overlong_sentence_is_cut_at_whitespace() -> None:
    abstract = "word " * 300 + "end."
    spans = make_sentences(paper(abstract), count_tokens=count_words, max_tokens=50)
    assert len(spans) > 5
    assert all(not abstract[s.start].isspace() for s in spans)
    assert {abstract[s.start : s.end].split()[0] for s in spans} <= {"word", "end."}


def test_overlong_title_leaves_room_for_the_abstract() -> None:
    title = "long " * 200
    cut = passage_title(title, count_tokens=count_words, max_tokens=60)
    assert 0 < count_words(cut) <= 30
    passages = make_passages(paper("Short.", title), count_tokens=count_words, max_tokens=60)
    assert [p.text for p in passages] == ["Short."]


def test_a_title_that_fits_is_kept_as_it_is() -> None:
    assert passage_title("A  Title", count_tokens=count_words, max_tokens=60) == "A  Title"


texts = st.lists(st.text(alphabet="abcdeXYZ.,;()$ \\", min_size=1, max_size=60), max_size=30).map(
    " ".join
)


@given(texts, st.integers(min_value=12, max_value=80), st.integers(min_value=0, max_value=2))
def test_every_passage_fits_and_nothing_is_lost(abstract: str, limit: int, overlap: int) -> None:
    one = paper(abstract)
    passages = make_passages(
        one, count_tokens=count_words, max_tokens=limit, target_tokens=limit - 2, overlap=overlap
    )
    title = passage_title(one.title, count_tokens=count_words, max_tokens=limit)
    covered: set[int] = set()
    for passage in passages:
        assert abstract[passage.start : passage.end] == passage.text
        assert count_words(embedding_text(title, passage.text)) <= limit
        covered |= set(range(passage.start, passage.end))
    assert all(abstract[i].isspace() for i in set(range(len(abstract))) - covered)
    spans = make_sentences(one, count_tokens=count_words, max_tokens=limit)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize("character", ["x", "\u4e2d"])
def test_a_text_without_whitespace_is_cut_in_linear_pieces(character: str) -> None:
    abstract = character * 50_000
    passages = make_passages(paper(abstract), count_tokens=count_words, max_tokens=100)
    assert passages[0].start == 0
    assert passages[-1].end == len(abstract)


@pytest.mark.real
def test_no_piece_of_the_seeds_exceeds_what_the_embedder_reads(tmp_path: Path) -> None:
    embedder = SentenceTransformerEmbedder.load(get_manifest("all-minilm-l6-v2"), home=tmp_path)
    limits = {"count_tokens": embedder.count_tokens, "max_tokens": embedder.max_tokens}
    papers, _ = load_papers([Path(__file__).parents[1] / "seeds"])
    longest = 0
    whole = 0
    for one in papers:
        title = passage_title(one.title, **limits)
        passages = make_passages(one, **limits)
        for piece in [*passages, *make_sentences(one, **limits)]:
            text = one.abstract[piece.start : piece.end]
            longest = max(longest, embedder.count_tokens(embedding_text(title, text)))
        assert passages[0].start == 0
        assert passages[-1].end == len(one.abstract)
        whole += embedder.count_tokens(embedding_text(one.title, one.abstract)) > 256
    assert 180 < longest <= 256
    assert whole > 50  # so many would have been cut in silence
