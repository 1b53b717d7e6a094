"""Two-class measures on labels and scores. `True` is the positive class everywhere.

Where a denominator is empty the value is `None` (nothing to measure), never zero or one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of (label, prediction)."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float | None:
        """Share of the positive predictions that are right."""
        found = self.true_positive + self.false_positive
        return self.true_positive / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the positive labels that were found (true positive rate)."""
        wanted = self.true_positive + self.false_negative
        return self.true_positive / wanted if wanted else None

    @property
    def specificity(self) -> float | None:
        """Share of the negative labels that were left alone (true negative rate)."""
        wanted = self.true_negative + self.false_positive
        return self.true_negative / wanted if wanted else None

    @property
    def f1(self) -> float | None:
        """2TP / (2TP + FP + FN); `None` when there is neither a positive label nor prediction.

        Unlike the harmonic mean of precision and recall it is defined (as 0) when one of them is
        not. Source: van Rijsbergen, "Information Retrieval" (1979), chapter 7.
        """
        weight = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / weight if weight else None

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and specificity; `None` when a class has no label."""
        recall, specificity = self.recall, self.specificity
        if recall is None or specificity is None:
            return None
        return (recall + specificity) / 2


def count_confusion(labels: Sequence[bool], predictions: Sequence[bool]) -> Confusion:
    """The four counts of two equally long sequences."""
    truth = np.asarray(labels, dtype=bool)
    guess = np.asarray(predictions, dtype=bool)
    if truth.shape != guess.shape:
        raise ValueError(f"{truth.size} labels but {guess.size} predictions")
    return Confusion(
        true_positive=int(np.sum(truth & guess)),
        false_positive=int(np.sum(~truth & guess)),
        false_negative=int(np.sum(truth & ~guess)),
        true_negative=int(np.sum(~truth & ~guess)),
    )


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Chance that a random positive scores above a random negative, ties counting half.

    Computed from average ranks in O(n log n). Source: Hanley and McNeil, Radiology 143 (1982).
    """
    truth = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape:
        raise ValueError(f"{truth.size} labels but {values.size} scores")
    positives = int(truth.sum())
    negatives = truth.size - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    average_rank = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = float(average_rank[inverse][truth].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def macro_f1(labels: Sequence[bool], predictions: Sequence[bool]) -> float | None:
    """Mean of the F1 of the positive and of the negative class."""
    direct = count_confusion(labels, predictions).f1
    inverse = count_confusion(
        [not label for label in labels], [not guess for guess in predictions]
    ).f1
    if direct is None or inverse is None:
        return None
    return (direct + inverse) / 2


def best_threshold(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The score from which on to say yes so that balanced accuracy is greatest.

    Halfway between two neighbouring scores, the lowest of equally good ones. To be chosen on other
    cases than those it is then reported on. `None` when a class has no label.
    """
    truth = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    positives = int(truth.sum())
    negatives = truth.size - positives
    if not positives or not negatives:
        return None
    distinct, inverse = np.unique(values, return_inverse=True)
    positive_at = np.bincount(inverse, weights=truth, minlength=distinct.size)
    negative_at = np.bincount(inverse, weights=~truth, minlength=distinct.size)
    # Saying yes from distinct[i] on finds all positives at or above it.
    found = positives - np.concatenate(([0.0], np.cumsum(positive_at)[:-1]))
    left_alone = np.concatenate(([0.0], np.cumsum(negative_at)[:-1]))
    best = int(np.argmax(found / positives + left_alone / negatives))
    if best == 0:
        return float(distinct[0])
    return float((distinct[best - 1] + distinct[best]) / 2)
