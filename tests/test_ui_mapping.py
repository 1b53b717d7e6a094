"""The map of papers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from askpapers.ui.mapping import PaperMap, group, make_map, name_groups, project, render_map
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


def test_names_stand_among_their_papers_and_never_over_one_another():
    # Every cluster has its middle in the same place and most of its papers elsewhere.
    rng = np.random.default_rng(0)
    corners = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9]])
    points, clusters = [], []
    for cluster, corner in enumerate(corners):
        points += [corner + 0.02 * rng.normal(size=2) for _ in range(9)]
        points += [[0.5, 0.5] for _ in range(3)]
        clusters += [cluster] * 12
    count = len(points)
    labels = ("kernels, size", "networks, deep", "language, llms", "convergence, rate")
    chart = PaperMap(
        tuple(f"p{i}" for i in range(count)),
        ("Title",) * count,
        np.clip(np.array(points), 0, 1),
        np.array(clusters),
        labels,
    )
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">(\w+)</text>', render_map(chart))
    places = {word: (float(x) / 900, float(y) / 560) for x, y, word in found}
    assert set(places) == {label.split(",")[0] for label in labels}
    for label, corner in zip(labels, corners, strict=True):
        assert np.abs(np.array(places[label.split(",")[0]]) - corner).max() < 0.2
    at_one_place = replace(chart, points=np.full((count, 2), 0.5))
    assert render_map(at_one_place).count("<text") == 1
