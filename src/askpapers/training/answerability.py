"""Fits the answerability model on readings, and measures it by cross-validation.

Every question is used as asked. An answerable one is used twice more: with its own paper left
out, and with its own paper shown without the sentences that answer it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askpapers.answerability import (
    FEATURES,
    READ_FEATURES,
    TOLD,
    Calibration,
    Page,
    Rarity,
    estimate,
    measure,
)
from askpapers.encoders.reader import Reading
from askpapers.evidence import Policy, ReadPaper, find_told
from askpapers.metrics.classification import auroc
from askpapers.training.written import Abstract

SHARES = {
    "answerable": 0.5,
    "near miss": 0.2,
    "evidence removed": 0.05,
    "gold left out": 0.1,
    "off topic": 0.15,
}
"""Weight of each kind of question in the fit; no real mix is known."""
ANSWERED = 0.93
"""More than was asked for: down to here no further near miss or off-topic question is answered."""
_FOLDS = 5
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its readings.

    `kind` is abstractqa's, "off topic" or "claim". `own` is the reading of its own abstract,
    `removed` that of its own abstract without the evidence. `papers` are those shown by the
    first stage.
    """

    key: str
    question: str
    kind: str
    paper: str
    evidence: tuple[int, ...]
    own: Reading | None
    removed: Reading | None
    papers: tuple[ReadPaper, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One use of a question: its kind, its paper (what is resampled), and if it is answered."""

    kind: str
    group: str
    features: Mapping[str, float]
    stated: bool


def label_rows(
    rows: Sequence[Row], pool: Mapping[str, Abstract], rarity: Rarity, policy: Policy
) -> list[Labelled]:
    """Return every use of every question that was read with papers."""
    labelled: list[Labelled] = []

    def add(kind: str, row: Row, papers: Sequence[ReadPaper], *, gone: bool = False) -> None:
        pages = []
        for paper in papers:
            told = pool[paper.paper_id].sentences
            if gone and paper.paper_id == row.paper:
                told = tuple(s for i, s in enumerate(told) if i not in row.evidence)
            title = pool[paper.paper_id].title
            whole = find_told(row.question, title, told, rarity)
            pages.append(Page(replace(paper, told=whole), title, told))
        features = measure(row.question, pages, rarity, policy)
        labelled.append(Labelled(kind, row.paper or row.key, features, kind == "answerable"))

    for row in rows:
        if row.kind == "off topic":
            add("off topic", row, row.papers)
        elif row.kind == "unanswerable":
            add("near miss", row, row.papers)
        elif row.papers:
            rest = [p for p in row.papers if p.paper_id != row.paper]
            add("gold left out", row, rest)
            if len(rest) == len(row.papers):
                continue
            add("answerable", row, row.papers)
            if row.removed is not None:
                shown = [
                    replace(p, reading=row.removed) if p.paper_id == row.paper else p
                    for p in row.papers
                ]
                add("evidence removed", row, shown, gone=True)
    return labelled


def fit_calibration(
    labelled: Sequence[Labelled], *, names: Sequence[str] = FEATURES, ridge: float = 1e-2
) -> Calibration:
    """Fit the logistic model by Newton's method (Bishop, PRML, 4.3.3), kinds weighted by share.

    Features are standardised for the ridge. One whose weight comes out negative is dropped and
    the rest fitted again, so that better evidence never lowers the probability.
    """
    counts = Counter(use.kind for use in labelled)
    share = np.array([SHARES[use.kind] / counts[use.kind] for use in labelled])
    share *= len(labelled) / share.sum()
    truth = np.array([use.stated for use in labelled], dtype=float)
    left = list(names)
    while True:
        table = np.array([[use.features[n] for n in left] for use in labelled])
        spread = table.std(axis=0)
        spread[spread < 1e-9] = 1.0
        weights = _fit_logistic(table / spread, truth, share, ridge)
        weights[1:] /= spread
        worst = int(np.argmin(weights[1:]))
        if weights[1:][worst] >= 0:
            break
        left.pop(worst)
    fitted = {n: round(float(w), 4) for n, w in zip(left, weights[1:], strict=True)}
    told = np.array([use.features.get(TOLD, 0.0) for use in labelled])
    floor = float((share * told * truth).sum() / max((share * told).sum(), 1e-9))
    return Calibration(round(float(weights[0]), 4), fitted, told=round(floor, 4))


def _fit_logistic(
    table: NDArray[np.float64], truth: NDArray[np.float64], share: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Return intercept and weights; table (n, f), truth and share (n,)."""
    wide = np.column_stack([np.ones(len(table)), table])
    penalty = ridge * len(table) * np.eye(wide.shape[1])
    penalty[0, 0] = 0.0
    weights = np.zeros(wide.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-wide @ weights))
        slope = wide.T @ (share * (chance - truth)) + penalty @ weights
        curve = (wide * (share * chance * (1 - chance))[:, None]).T @ wide + penalty
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def find_threshold(chances: Sequence[float], labelled: Sequence[Labelled]) -> float:
    """Return the probability above which ANSWERED of the answerable questions lie."""
    answerable = [c for c, use in zip(chances, labelled, strict=True) if use.stated]
    return float(np.quantile(answerable, 1 - ANSWERED))


def cross_validate(
    labelled: Sequence[Labelled], *, names: Sequence[str] = FEATURES, ridge: float = 1e-2
) -> list[float]:
    """Return each use's probability from a model that saw no question about the same paper."""
    fold = [int(hashlib.sha1(use.group.encode()).hexdigest(), 16) % _FOLDS for use in labelled]
    chances = [0.0] * len(labelled)
    for number in range(_FOLDS):
        seen = [use for use, own in zip(labelled, fold, strict=True) if own != number]
        calibration = fit_calibration(seen, names=names, ridge=ridge)
        for place, own in enumerate(fold):
            if own == number:
                chances[place] = estimate(labelled[place].features, calibration)
    return chances


def compare(labelled: Sequence[Labelled], *, ridge: float = 1e-2, seed: int = 0) -> dict[str, Any]:
    """Compare all features with READ_FEATURES alone, both cross-validated, paired by paper.

    Returns, for each kind that must be refused, the share refused where ANSWERED of the
    answerable are answered, and the AUROC: with all, with readings alone, and the difference
    with its 95% bootstrap interval. Thresholds are found anew in every resample.
    """
    every = np.array(cross_validate(labelled, ridge=ridge))
    alone = np.array(cross_validate(labelled, names=READ_FEATURES, ridge=ridge))
    kinds = np.array([use.kind for use in labelled])
    places: dict[str, list[int]] = {}
    for place, use in enumerate(labelled):
        places.setdefault(use.group, []).append(place)
    groups = [np.array(own) for own in places.values()]
    rng = np.random.default_rng(seed)
    draws = [np.arange(len(labelled))]
    draws += [
        np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        for _ in range(_RESAMPLES)
    ]
    figures: dict[str, Any] = {}
    for kind in SHARES:
        if kind == "answerable" or not (kinds == kind).any():
            continue
        refused: list[Any] = []
        ranked: list[Any] = []
        for draw in draws:
            good, bad = draw[kinds[draw] == "answerable"], draw[kinds[draw] == kind]
            if not len(good) or not len(bad):
                continue
            refused.append(
                [(c[bad] < np.quantile(c[good], 1 - ANSWERED)).mean() for c in (every, alone)]
            )
            if len(ranked) < _RESAMPLES // 4:
                truth = [True] * len(good) + [False] * len(bad)
                ranked.append(
                    [auroc(truth, [*c[good].tolist(), *c[bad].tolist()]) for c in (every, alone)]
                )
        figures[f"refused: {kind}"] = _pair(np.array(refused), int((kinds == kind).sum()))
        figures[f"auroc: {kind}"] = _pair(np.array(ranked, dtype=float), int((kinds == kind).sum()))
    return figures


def _pair(values: NDArray[np.float64], n: int) -> dict[str, Any]:
    """The first row is measured, the others resampled; columns are with all and readings alone."""
    gain = values[1:, 0] - values[1:, 1]
    low, high = np.quantile(gain, [0.025, 0.975])
    own_low, own_high = np.quantile(values[1:, 0], [0.025, 0.975])
    return {
        "all": round(float(values[0, 0]), 3),
        "low": round(float(own_low), 3),
        "high": round(float(own_high), 3),
        "readings alone": round(float(values[0, 1]), 3),
        "gain": round(float(values[0, 0] - values[0, 1]), 3),
        "gain low": round(float(low), 3),
        "gain high": round(float(high), 3),
        "n": n,
    }
