"""Whether a probability means what it says, and what abstaining by it would buy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes:
        low: Lower edge of the bin.
        high: Upper edge of the bin.
        count: Cases in it.
        confidence: Their mean probability.
        accuracy: The share of them that came true.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """Answering the `coverage` most confident share gives this share of wrong answers."""

    coverage: float
    risk: float
    threshold: float


def _check(
    probabilities: Sequence[float], outcomes: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chances = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(outcomes, dtype=np.float64)
    if chances.shape != truth.shape:
        raise ValueError(f"{chances.size} probabilities but {truth.size} outcomes")
    if chances.size and (chances.min() < 0.0 or chances.max() > 1.0):
        raise ValueError("a probability lies outside [0, 1]")
    return chances, truth


def brier_score(probabilities: Sequence[float], outcomes: Sequence[bool]) -> float | None:
    """Mean squared distance of the probability from what happened; 0 is best.

    Source: Brier, Monthly Weather Review 78 (1950), in its two-class form (range 0 to 1).
    """
    chances, truth = _check(probabilities, outcomes)
    return float(np.mean((chances - truth) ** 2)) if chances.size else None


def reliability_bins(
    probabilities: Sequence[float], outcomes: Sequence[bool], bins: int = RELIABILITY_BINS
) -> tuple[ReliabilityBin, ...]:
    """Equally wide bins (low, high], the first closed at 0; empty bins are left out."""
    chances, truth = _check(probabilities, outcomes)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, chances, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    stated = np.bincount(place, weights=chances, minlength=bins)
    came_true = np.bincount(place, weights=truth, minlength=bins)
    return tuple(
        ReliabilityBin(
            low=float(edges[index]),
            high=float(edges[index + 1]),
            count=int(counts[index]),
            confidence=float(stated[index] / counts[index]),
            accuracy=float(came_true[index] / counts[index]),
        )
        for index in np.flatnonzero(counts)
    )


def expected_calibration_error(
    probabilities: Sequence[float], outcomes: Sequence[bool], bins: int = RELIABILITY_BINS
) -> float | None:
    """Mean distance of confidence from accuracy over the bins, weighted by their cases.

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML
    2017), equation 3.
    """
    made = reliability_bins(probabilities, outcomes, bins)
    total = sum(one.count for one in made)
    if not total:
        return None
    return sum(one.count / total * abs(one.accuracy - one.confidence) for one in made)


def risk_coverage(
    confidences: Sequence[float], correct: Sequence[bool]
) -> tuple[CoveragePoint, ...]:
    """Risk at every coverage that a threshold on the confidence can reach, most confident first.

    Cases of equal confidence can only be answered together, so they make one point.
    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification",
    JMLR 11 (2010).
    """
    values = np.asarray(confidences, dtype=np.float64)
    wrong = 1.0 - np.asarray(correct, dtype=np.float64)
    if values.shape != wrong.shape:
        raise ValueError(f"{values.size} confidences but {wrong.size} outcomes")
    points = []
    for threshold in np.unique(values)[::-1]:
        answered = values >= threshold
        points.append(
            CoveragePoint(
                coverage=float(answered.mean()),
                risk=float(wrong[answered].mean()),
                threshold=float(threshold),
            )
        )
    return tuple(points)


def area_under_risk_coverage(confidences: Sequence[float], correct: Sequence[bool]) -> float | None:
    """AURC: the mean risk over the n coverages 1/n, 2/n, ..., 1; 0 is best.

    Within a group of equal confidence the errors are spread evenly, which is the expectation over
    the orders of the group. Source: Geifman, Uziel and El-Yaniv, "Bias-Reduced Uncertainty
    Estimation for Deep Neural Classifiers" (ICLR 2019), section 3.
    """
    values = np.asarray(confidences, dtype=np.float64)
    wrong = 1.0 - np.asarray(correct, dtype=np.float64)
    if values.shape != wrong.shape:
        raise ValueError(f"{values.size} confidences but {wrong.size} outcomes")
    if not values.size:
        return None
    distinct, inverse, counts = np.unique(-values, return_inverse=True, return_counts=True)
    group_risk = np.bincount(inverse, weights=wrong, minlength=distinct.size) / counts
    spread = np.repeat(group_risk, counts)
    places = np.arange(1, values.size + 1)
    return float(np.mean(np.cumsum(spread) / places))
