"""Measures a judge against people: how often it errs, on which sets, on which kinds of error.

Beside every figure stand two untrained baselines: the share of the claim's words, weighted by their
rarity, that the evidence holds, and the cosine of the claim and its nearest evidence sentence. A
judge that does not beat them on several sets does not read entailment.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askpapers.evals.judge_sets import LabelledPair, load_judge_sets, read_pairs
from askpapers.metrics.answers import Embed
from askpapers.metrics.calibration import (
    ReliabilityBin,
    brier_score,
    expected_calibration_error,
    reliability_bins,
)
from askpapers.metrics.classification import Confusion, auroc, best_threshold, count_confusion
from askpapers.metrics.facts import normalise
from askpapers.metrics.statistics import Estimate, estimate_ratio, estimate_statistic
from askpapers.support import SupportJudge

_FOLDS = 5
_RESAMPLES = 500
_BATCH = 256
CORRUPTIONS = "corruptions"


@dataclass(frozen=True, slots=True)
class Separation:
    """How well scores part supported from unsupported claims.

    Attributes:
        auroc: Whether a supported claim scores above an unsupported one.
        balanced_accuracy: At a threshold that was not chosen on the same cases.
    """

    auroc: Estimate
    balanced_accuracy: Estimate


@dataclass(frozen=True, slots=True)
class SetFigures:
    """A judge on one set.

    Attributes:
        f1_unsupported: Unsupported being what is looked for.
        confusion: Supported being positive.
        baselines: "idf overlap" and, with an embedder, "cosine".
        kinds: The set's own kinds, where there are several: each against the supported claims.
    """

    name: str
    n: int
    supported: int
    clusters: int
    judge: Separation
    f1_unsupported: Estimate
    confusion: Confusion
    ece: float | None
    brier: float | None
    reliability: tuple[ReliabilityBin, ...]
    baselines: Mapping[str, Separation]
    kinds: Mapping[str, Separation]


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """A judge on several sets."""

    judge: str
    sets: tuple[SetFigures, ...]
    missing: tuple[str, ...]
    limit: int | None
    seed: int
    pairs: int
    seconds: float


def overlap_scores(pairs: Sequence[LabelledPair]) -> list[float]:
    """Share of each claim's words that its evidence holds, weighted by inverse document frequency.

    The frequencies are those of the evidence texts of the same set; no label is read.
    """
    read = [frozenset(normalise(" ".join(pair.evidence))) for pair in pairs]
    documents = set(read)
    counts = Counter(word for words in documents for word in words)

    def weight(word: str) -> float:
        return math.log((len(documents) + 1) / (counts[word] + 0.5))

    scores = []
    for pair, words in zip(pairs, read, strict=True):
        claim = set(normalise(pair.claim))
        total = sum(weight(word) for word in claim)
        shared = sum(weight(word) for word in claim & words)
        scores.append(shared / total if total else 0.0)
    return scores


def cosine_scores(pairs: Sequence[LabelledPair], embed: Embed) -> list[float]:
    """Cosine of each claim and the evidence text nearest to it."""
    texts = list(
        dict.fromkeys(text for pair in pairs for text in (pair.claim, *pair.evidence) if text)
    )
    vectors = np.concatenate(
        [embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    )
    rows = {text: row for row, text in enumerate(texts)}
    return [
        float(
            max(
                (vectors[rows[text]] @ vectors[rows[pair.claim]] for text in pair.evidence if text),
                default=0.0,
            )
        )
        for pair in pairs
    ]


def _estimate_auroc(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], clusters: Sequence[str], seed: int
) -> Estimate:
    return estimate_statistic(
        labels.size,
        lambda rows: auroc(labels[rows].tolist(), scores[rows].tolist()),
        clusters=clusters,
        seed=seed,
        resamples=_RESAMPLES,
    )


def _estimate_balanced(
    labels: NDArray[np.bool_], guesses: NDArray[np.bool_], clusters: Sequence[str], seed: int
) -> Estimate:
    def statistic(rows: NDArray[np.intp]) -> float | None:
        truth, said = labels[rows], guesses[rows]
        positives = int(truth.sum())
        if positives in (0, truth.size):
            return None
        found = float((truth & said).sum()) / positives
        left = float((~truth & ~said).sum()) / (truth.size - positives)
        return (found + left) / 2

    return estimate_statistic(
        labels.size, statistic, clusters=clusters, seed=seed, resamples=_RESAMPLES
    )


def _fold(cluster: str) -> int:
    return hashlib.sha256(cluster.encode()).digest()[0] % _FOLDS


def _guess_by_folds(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], clusters: Sequence[str]
) -> NDArray[np.bool_]:
    """Baselines have no threshold of their own: each fifth gets that of the other four."""
    folds = np.array([_fold(cluster) for cluster in clusters])
    guesses = np.zeros(labels.size, dtype=bool)
    for fold in range(_FOLDS):
        others, own = folds != fold, folds == fold
        threshold = best_threshold(labels[others].tolist(), scores[others].tolist())
        guesses[own] = scores[own] >= (threshold if threshold is not None else math.inf)
    return guesses


def _separate(
    labels: NDArray[np.bool_],
    scores: NDArray[np.float64],
    guesses: NDArray[np.bool_],
    clusters: Sequence[str],
    seed: int,
) -> Separation:
    return Separation(
        _estimate_auroc(labels, scores, clusters, seed),
        _estimate_balanced(labels, guesses, clusters, seed),
    )


def measure_set(
    name: str,
    pairs: Sequence[LabelledPair],
    judge: SupportJudge,
    *,
    embed: Embed | None = None,
    seed: int = 0,
) -> SetFigures:
    """A judge on one set of labelled pairs, at the judge's own threshold.

    Args:
        name: Of the set.
        pairs: With both labels among them, or the figures that need both are `None`.
        judge: Its verdict "supported" is its guess, its support its score.
        embed: For the cosine baseline.
        seed: Of the intervals.

    Returns:
        All figures, with intervals that resample clusters.
    """
    judgements = []
    for start in range(0, len(pairs), _BATCH):
        chunk = pairs[start : start + _BATCH]
        judgements += judge.judge([(pair.claim, pair.evidence) for pair in chunk])
    labels = np.array([pair.is_supported for pair in pairs])
    scores = np.array([one.support for one in judgements], dtype=np.float64)
    guesses = np.array([one.verdict == "supported" for one in judgements])
    clusters = [pair.cluster for pair in pairs]
    missed = (~labels & ~guesses).astype(float)
    either = ((~labels).astype(float) + (~guesses).astype(float)) / 2
    baselines = {"idf overlap": np.array(overlap_scores(pairs))}
    if embed is not None:
        baselines["cosine"] = np.array(cosine_scores(pairs, embed))
    kinds = sorted({pair.kind for pair in pairs if not pair.is_supported and pair.kind})
    of_kind = np.array([pair.kind for pair in pairs])
    by_domain = bool(set(kinds) & {pair.kind for pair in pairs if pair.is_supported})
    separations = {}
    for kind in kinds if len(kinds) > 1 else []:
        # Domains hold both labels; kinds of error are set against all supported claims.
        rows = np.flatnonzero(of_kind == kind if by_domain else labels | (of_kind == kind))
        separations[kind] = _separate(
            labels[rows], scores[rows], guesses[rows], [clusters[row] for row in rows], seed
        )
    return SetFigures(
        name=name,
        n=len(pairs),
        supported=int(labels.sum()),
        clusters=len(set(clusters)),
        judge=_separate(labels, scores, guesses, clusters, seed),
        f1_unsupported=estimate_ratio(
            missed.tolist(), either.tolist(), clusters=clusters, seed=seed
        ),
        confusion=count_confusion(labels.tolist(), guesses.tolist()),
        ece=expected_calibration_error(scores.tolist(), labels.tolist()),
        brier=brier_score(scores.tolist(), labels.tolist()),
        reliability=reliability_bins(scores.tolist(), labels.tolist()),
        baselines={
            baseline: _separate(
                labels, values, _guess_by_folds(labels, values, clusters), clusters, seed
            )
            for baseline, values in baselines.items()
        },
        kinds=separations,
    )


def _thin(pairs: Sequence[LabelledPair], limit: int | None, seed: int) -> Sequence[LabelledPair]:
    """At most `limit` pairs, drawn evenly at random and kept in order."""
    if limit is None or len(pairs) <= limit:
        return pairs
    chosen = np.random.default_rng(seed).choice(len(pairs), size=limit, replace=False)
    return [pairs[row] for row in sorted(chosen.tolist())]


def judge_report(
    judge: SupportJudge,
    data_dir: Path | None,
    *,
    embed: Embed | None = None,
    corruptions: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int], None] | None = None,
) -> JudgeReport:
    """A judge against human labels and against the corruption suite.

    Args:
        judge: The judge.
        data_dir: A folder of labelled sets; without, only the corruptions are measured.
        embed: For the cosine baseline.
        corruptions: The folder of the corruption suite.
        limit: Pairs of each set at most, drawn at random.
        seed: Of the drawing and the intervals.
        progress: Called with the name and size of each set before it is measured.

    Raises:
        NotFound: the folder holds no set.
        ResourceError: a set is malformed.
    """
    started = time.perf_counter()
    sets: dict[str, Sequence[LabelledPair]] = {}
    missing: tuple[str, ...] = ()
    if corruptions is not None:
        sets[CORRUPTIONS] = read_pairs(corruptions / "cases.jsonl")
    if data_dir is not None:
        found, missing = load_judge_sets(data_dir)
        sets |= found
    figures = []
    for name, pairs in sets.items():
        chosen = _thin(pairs, limit, seed)
        if progress is not None:
            progress(name, len(chosen))
        figures.append(measure_set(name, chosen, judge, embed=embed, seed=seed))
    return JudgeReport(
        judge=judge.name,
        sets=tuple(figures),
        missing=missing,
        limit=limit,
        seed=seed,
        pairs=sum(one.n for one in figures),
        seconds=time.perf_counter() - started,
    )
