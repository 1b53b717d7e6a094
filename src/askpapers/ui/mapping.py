"""The map of papers: points by meaning, clusters with words for them, drawn as SVG.

Everything is numpy and deterministic: principal components, then t-SNE where the corpus is small
enough for its quadratic cost; k-means over the vectors themselves, not over the drawing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from askpapers.domain import Paper

MAX_POINTS = 2000
"""Papers drawn at most: more points than this are a cloud, not a map."""
_TSNE_POINTS = 1000
_TSNE_STEPS = 500
_EXAGGERATED_STEPS = 150
_PERPLEXITY = 20.0
_LABEL_WORDS = 3
_UNNAMED = "other"
_WIDTH, _HEIGHT, _MARGIN = 900, 560, 24
_LETTER_WIDTH, _LETTER_HEIGHT = 18, 36
"""Room for a name, as large as it is on a phone."""
# Okabe and Ito's palette, told apart by colour-blind eyes; shapes of labels tell the rest.
_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#8c6d1f", "#7f5fc0", "#6b7280", "#b3261e",
)  # fmt: skip
_WORD = re.compile(r"[a-z][a-z\-]{2,}")
_STOPWORDS = frozenset(
    """
    and are approach based been between both but can data demonstrate different each existing
    experiments first for framework from have however improve introduce into large learning may
    method methods model models more most multiple new novel often one only other our over paper
    performance propose proposed results show such task tasks than that the their them these they
    this through trained training two use used using various via was were when where which while
    with work across achieve also all any both code compared current due during existing given has
    high how its many not several state-of-the-art their there towards under well without
    """.split()  # noqa: SIM905 a list of 100 strings is harder to read
)


@dataclass(frozen=True, slots=True)
class PaperMap:
    """Where papers lie. `points` is float (n, 2) in 0..1; `clusters` int (n,)."""

    paper_ids: tuple[str, ...]
    titles: tuple[str, ...]
    points: np.ndarray
    clusters: np.ndarray
    labels: tuple[str, ...]


def make_map(papers: Sequence[Paper], vectors: np.ndarray) -> PaperMap:
    """Lay papers out by their vectors, float32 (n, d), unit length, rows in the papers' order."""
    count = len(papers)
    k = max(1, min(len(_COLOURS), round(math.sqrt(count / 4))))
    # What all texts share says nothing about any: without it, neighbours stand out.
    own = vectors - vectors.mean(axis=0) if count > k else vectors
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    clusters = group(own, k)
    return PaperMap(
        tuple(paper.paper_id for paper in papers),
        tuple(paper.title for paper in papers),
        _to_unit_square(project(own)),
        clusters,
        tuple(name_groups([f"{p.title} {p.title} {p.abstract}" for p in papers], clusters, k)),
    )


def project(vectors: np.ndarray) -> np.ndarray:
    """Return positions in the plane, float (n, 2): t-SNE from principal components, or those."""
    if len(vectors) < 3:
        return np.array([[float(i), 0.0] for i in range(len(vectors))]).reshape(-1, 2)
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    # The sign of a component is arbitrary; fixed here, so that a map stays as it is.
    signs = np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    plane = centred @ (axes[:2] * signs[:, None]).T
    if 10 <= len(vectors) <= _TSNE_POINTS:
        return _tsne(vectors, plane)
    return np.asarray(plane, dtype=np.float64)


def group(vectors: np.ndarray, k: int, *, rounds: int = 50) -> np.ndarray:
    """Return a cluster 0..k-1 for every vector: k-means by cosine from far-apart seeds."""
    if not len(vectors):
        return np.zeros(0, dtype=int)
    centres = [vectors[np.argmax(vectors @ vectors.mean(axis=0))]]
    while len(centres) < k:
        nearest = np.max(vectors @ np.array(centres).T, axis=1)
        centres.append(vectors[np.argmin(nearest)])
    middle = np.array(centres)
    owners = np.full(len(vectors), -1)
    for _ in range(rounds):
        chosen = np.argmax(vectors @ middle.T, axis=1)
        if np.array_equal(chosen, owners):
            break
        owners = chosen
        for cluster in range(k):
            own = vectors[owners == cluster]
            if len(own):
                mean = own.mean(axis=0)
                middle[cluster] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return owners


def name_groups(texts: Sequence[str], clusters: np.ndarray, k: int) -> list[str]:
    """Return a few words for each cluster: those in many of its texts and in few of the others."""
    words = [set(_WORD.findall(text.lower())) - _STOPWORDS for text in texts]
    everywhere = Counter(word for own in words for word in own)
    names = []
    taken: set[str] = set()
    for cluster in range(k):
        own = [words[i] for i in np.flatnonzero(clusters == cluster)]
        inside = Counter(word for one in own for word in one)
        # tf-idf with the cluster as one document: share inside times rarity outside.
        scored = {
            word: count / len(own) * math.log(len(texts) / everywhere[word] + 1e-9)
            for word, count in inside.items()
            if count > 1 or len(own) == 1
        }
        best: list[str] = []
        for word in sorted(scored, key=lambda w: (-scored[w], w)):
            stem = word.rstrip("s")
            if stem not in taken and all(stem not in b and b.rstrip("s") not in stem for b in best):
                best.append(word)
                taken.add(stem)
            if len(best) == _LABEL_WORDS:
                break
        names.append(", ".join(best) or _UNNAMED)
    return names


def render_map(chart: PaperMap, *, highlighted: Collection[str] = ()) -> str:
    """Return the map as inline SVG with a legend; points carry their paper for a click."""
    if not chart.paper_ids:
        return '<p class="ap-empty">There are no papers to draw.</p>'
    dots = []
    # One stop of the Tab key for the whole map: the arrow keys lead from there.
    first = next((i for i in chart.paper_ids if i in highlighted), chart.paper_ids[0])
    for paper_id, title, (x, y), cluster in zip(
        chart.paper_ids, chart.titles, chart.points, chart.clusters, strict=True
    ):
        left, top = _to_drawing(x, y)
        is_high = paper_id in highlighted
        dots.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{8 if is_high else 5}" '
            f'class="ap-dot{" ap-high" if is_high else ""}" fill="{_COLOURS[int(cluster)]}" '
            f'data-action="about" data-event="select" data-paper="{escape(paper_id)}" '
            f'role="button" tabindex="{0 if paper_id == first else -1}" '
            f'aria-label="{escape(title)}{" (in the answer)" if is_high else ""}"></circle>'
        )
    names = [
        f'<text x="{left:.1f}" y="{top:.1f}">{escape(word)}</text>'
        for word, left, top in _place_names(chart)
    ]
    legend = [
        f'<li><span class="ap-swatch" style="background:{_COLOURS[cluster]}"></span>'
        f"{escape(label)} ({members})</li>"
        for cluster, label in enumerate(chart.labels)
        if (members := int((chart.clusters == cluster).sum()))
    ]
    return (
        '<p class="ap-facts">Near means alike. Point at a paper to see its title and click it to '
        "ask about it; by keyboard, the arrow keys and Enter.</p>"
        f'<svg class="ap-map" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="group" '
        f'aria-label="Map of {len(chart.paper_ids)} papers by meaning; the table lists them all">'
        f"{''.join(dots)}<g class='ap-names' aria-hidden='true'>{''.join(names)}</g></svg>"
        f'<ul class="ap-legend">{"".join(legend)}</ul>'
    )


def _place_names(chart: PaperMap) -> list[tuple[str, float, float]]:
    """Return (word, left, top) for each named cluster: where it is densest, none over another.

    Large clusters choose first; a name that finds no free place is left to the legend.
    """
    placed: list[tuple[str, float, float]] = []
    sizes = [int((chart.clusters == cluster).sum()) for cluster in range(len(chart.labels))]
    for cluster in sorted(range(len(sizes)), key=lambda c: -sizes[c]):
        word = chart.labels[cluster].split(", ")[0]
        if not sizes[cluster] or word == _UNNAMED:
            continue
        members = chart.points[chart.clusters == cluster]
        # How near the others of the cluster are, by a kernel a tenth of the drawing wide.
        density = np.exp(-_squared_distances(members) / 0.01).sum(axis=1)
        half = _LETTER_WIDTH * len(word) / 2
        for member in np.argsort(-density, kind="stable"):
            left, top = _to_drawing(*members[member])
            left = min(max(left, half), _WIDTH - half)
            top = max(top, _LETTER_HEIGHT)
            if all(
                abs(left - x) > half + _LETTER_WIDTH * len(other) / 2
                or abs(top - y) > _LETTER_HEIGHT
                for other, x, y in placed
            ):
                placed.append((word, left, top))
                break
    return placed


def _to_drawing(x: float, y: float) -> tuple[float, float]:
    """Return where a point of the unit square lies in the drawing."""
    return _MARGIN + x * (_WIDTH - 2 * _MARGIN), _MARGIN + y * (_HEIGHT - 2 * _MARGIN)


def _tsne(vectors: np.ndarray, start: np.ndarray) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton, JMLR 2008) by plain gradient descent from `start`."""
    wanted = _affinities(vectors)
    points = start / max(float(start[:, 0].std()), 1e-12) * 1e-2
    step = np.zeros_like(points)
    rate = max(50.0, len(vectors) / 12.0)
    for turn in range(_TSNE_STEPS):
        squared = _squared_distances(points)
        kernel = 1.0 / (1.0 + squared)
        np.fill_diagonal(kernel, 0.0)
        shares = np.maximum(kernel / kernel.sum(), 1e-12)
        # "Early exaggeration" of the paper, section 3.4: clusters form before they spread.
        pull = (wanted * (12.0 if turn < _EXAGGERATED_STEPS else 1.0) - shares) * kernel
        gradient = 4.0 * (pull.sum(axis=1)[:, None] * points - pull @ points)
        step = (0.5 if turn < _EXAGGERATED_STEPS else 0.8) * step - rate * gradient
        points = points + step
        points -= points.mean(axis=0)
    return np.asarray(points, dtype=np.float64)


def _affinities(vectors: np.ndarray) -> np.ndarray:
    """Return symmetric neighbour probabilities, float (n, n), each row of the wanted perplexity."""
    squared = _squared_distances(vectors.astype(np.float64))
    count = len(vectors)
    target = math.log(min(_PERPLEXITY, (count - 1) / 3))
    rows = np.zeros((count, count))
    for i in range(count):
        others = np.delete(squared[i], i)
        others = others - others.min()
        low, high, beta = 0.0, math.inf, 1.0
        weights = np.exp(-others)
        for _ in range(40):
            weights = np.exp(-others * beta)
            total = weights.sum()
            entropy = math.log(total) + beta * float((others * weights).sum()) / total
            if abs(entropy - target) < 1e-3:
                break
            if entropy > target:
                low, beta = beta, beta * 2 if high == math.inf else (beta + high) / 2
            else:
                high, beta = beta, (beta + low) / 2
        rows[i] = np.insert(weights / weights.sum(), i, 0.0)
    both = (rows + rows.T) / (2 * count)
    return np.maximum(both, 1e-12)


def _squared_distances(points: np.ndarray) -> np.ndarray:
    norms = (points**2).sum(axis=1)
    return np.maximum(norms[:, None] + norms[None, :] - 2 * points @ points.T, 0.0)


def _to_unit_square(points: np.ndarray) -> np.ndarray:
    """Scale both axes to 0..1; outliers beyond the 1st and 99th percentile stay at the edge."""
    if not len(points):
        return points
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    return np.asarray(np.clip((points - low) / np.maximum(high - low, 1e-12), 0.0, 1.0))
