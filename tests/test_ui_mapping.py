"""The map of papers."""

import numpy as np
import pytest

from askpapers.ui.mapping import group, make_map, name_groups, project, render_map
from fakes import made_paper


def test_the_map_is_deterministic_and_groups_what_lies_together():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 16))
    vectors = np.repeat(centres, 20, axis=0) + 0.05 * rng.normal(size=(60, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    owners = group(vectors, 3)
    assert [len(set(owners[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(owners)) == 3
    first, second = project(vectors), project(vectors)
    assert np.array_equal(first, second)
    middles = np.array([first[i : i + 20].mean(axis=0) for i in (0, 20, 40)])
    spread = max(first[i : i + 20].std(axis=0).max() for i in (0, 20, 40))
    gaps = [np.linalg.norm(middles[a] - middles[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > spread


def test_groups_are_named_by_words_of_their_own():
    texts = ["graph nodes edges graph", "graph nodes walks", "speech audio voice", "speech audio"]
    names = name_groups(texts, np.array([0, 0, 1, 1]), 2)
    assert "graph" in names[0]
    assert "speech" in names[1]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_small_corpora_have_a_map_too(count):
    papers = [made_paper(f"p{i}", f"Title <{i}>", "Some words here.") for i in range(count)]
    vectors = np.eye(8, dtype=np.float32)[:count]
    html = render_map(make_map(papers, vectors), highlighted={"p1"})
    assert html.count("<circle") == count
    assert "Title <" not in html


def test_the_map_is_one_stop_for_the_keyboard_at_the_answers_paper():
    papers = [made_paper(f"p{i}", f"Title {i}", "Some words here.") for i in range(5)]
    chart = make_map(papers, np.eye(8, dtype=np.float32)[:5])
    html = render_map(chart, highlighted={"p3"})
    assert html.count('tabindex="0"') == 1
    assert html.count('tabindex="-1"') == 4
    assert 'tabindex="0" aria-label="Title 3 (in the answer)"' in html
