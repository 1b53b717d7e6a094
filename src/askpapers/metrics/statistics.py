"""Means with intervals: seeded percentile bootstrap, resampled by case, clustered where asked.

Cases that belong together (the turns of a conversation, the claims about one abstract) are not
independent: they share a cluster, and whole clusters are drawn. Source: Efron and Tibshirani, "An
Introduction to the Bootstrap" (1993), chapters 8 and 13; Field and Welsh, JRSS B 69 (2007) for
clusters.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
CONFIDENCE = 0.95

Statistic = Callable[[NDArray[np.intp]], float | None]
"""Row numbers (with repeats) -> the value on those rows, `None` where it is not defined."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, what it rests on, and where it would fall on other cases of the same kind.

    Attributes:
        value: The value on all judged rows; `None` when there is none.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Judged rows.
        unscored: Rows that should have been judged and could not be; they are not in the value.
        clusters: Independent groups of rows that were resampled.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int = 0
    clusters: int = 0

    def rounded(self, digits: int = 3) -> dict[str, float | int | None]:
        """Return value, ends and judged rows by name, as they are published."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        shown = {k: None if v is None else round(v, digits) for k, v in parts.items()}
        return {**shown, "n": self.n}

    @property
    def is_degenerate(self) -> bool:
        """Whether every row has the same value, so that the bootstrap sees no spread at all."""
        return self.value is not None and self.low == self.high


def rule_of_three(n: int) -> float:
    """Upper 95% limit of a rate of which `n` independent trials saw nothing: about 3/n.

    Source: Hanley and Lippman-Hand, JAMA 249 (1983); here in its exact form 1 - 0.05^(1/n).
    """
    if n < 1:
        return 1.0
    return float(1.0 - 0.05 ** (1.0 / n))


def _group(clusters: Sequence[Hashable] | None, n: int) -> NDArray[np.intp]:
    """Cluster number of every row: (n,), 0 to c-1, in order of first appearance."""
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"{n} values but {len(clusters)} clusters")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in clusters], dtype=np.intp)


def _percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1.0 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def estimate_mean(
    values: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    unscored: int = 0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean of the judged rows with its interval.

    Args:
        values: One value a judged row.
        clusters: The cluster of every row; without, every row is its own.
        unscored: Rows that could not be judged, carried along to be shown.
        seed: Seed of the resampling.
        resamples: How many samples to draw.

    Returns:
        The estimate; its value is `None` when there are no rows.
    """
    rows = np.asarray(values, dtype=np.float64)
    if not rows.size:
        return Estimate(None, None, None, 0, unscored)
    group = _group(clusters, rows.size)
    sums = np.bincount(group, weights=rows)
    sizes = np.bincount(group)
    chosen = np.random.default_rng(seed).integers(0, sums.size, size=(resamples, sums.size))
    low, high = _percentiles(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))
    # Summation order may push the ends past the value by one unit in the last place.
    mean = float(rows.mean())
    if np.all(rows == rows[0]):
        low = high = mean = float(rows[0])
    return Estimate(mean, low, high, int(rows.size), unscored, int(sums.size))


def estimate_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    unscored: int = 0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Sum over sum (precision, recall, F1 as 2TP / (2TP + FP + FN)), with its interval.

    Samples whose denominator is zero are left out of the interval.

    Args:
        numerators: One value a row.
        denominators: One value a row, not negative.
        clusters: The cluster of every row; without, every row is its own.
        unscored: Rows that could not be judged, carried along to be shown.
        seed: Seed of the resampling.
        resamples: How many samples to draw.

    Returns:
        The estimate; its value is `None` when the denominators are all zero.
    """
    above = np.asarray(numerators, dtype=np.float64)
    below = np.asarray(denominators, dtype=np.float64)
    if above.shape != below.shape:
        raise ValueError(f"{above.size} numerators but {below.size} denominators")
    if not below.sum():
        return Estimate(None, None, None, int(above.size), unscored)
    group = _group(clusters, above.size)
    tops, bottoms = np.bincount(group, weights=above), np.bincount(group, weights=below)
    chosen = np.random.default_rng(seed).integers(0, tops.size, size=(resamples, tops.size))
    top, bottom = tops[chosen].sum(axis=1), bottoms[chosen].sum(axis=1)
    value = float(above.sum() / below.sum())
    low, high = _percentiles(top[bottom > 0] / bottom[bottom > 0])
    return Estimate(value, low, high, int(above.size), unscored, int(tops.size))


def estimate_statistic(
    n: int,
    statistic: Statistic,
    *,
    clusters: Sequence[Hashable] | None = None,
    unscored: int = 0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """A value that is not a mean of rows (F1, AUROC, ECE), with its interval.

    Samples on which the value is not defined (a class missing) are left out of the interval.

    Args:
        n: Number of rows.
        statistic: Computes the value from row numbers.
        clusters: The cluster of every row; without, every row is its own.
        unscored: Rows that could not be judged, carried along to be shown.
        seed: Seed of the resampling.
        resamples: How many samples to draw.

    Returns:
        The estimate; its value is `None` when it is not defined on all rows.
    """
    value = statistic(np.arange(n)) if n else None
    if value is None:
        return Estimate(None, None, None, n, unscored)
    group = _group(clusters, n)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])
    generator = np.random.default_rng(seed)
    is_single = len(members) == n
    drawn = []
    for _ in range(resamples):
        chosen = generator.integers(0, len(members), size=len(members))
        rows = chosen if is_single else np.concatenate([members[index] for index in chosen])
        again = statistic(rows)
        if again is not None:
            drawn.append(again)
    low, high = _percentiles(np.asarray(drawn)) if drawn else (value, value)
    return Estimate(value, low, high, n, unscored, len(members))


def estimate_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Mean of `second - first` over the same rows in the same order, with its interval.

    Pairing takes out what makes a case hard for both runs, so the interval is far narrower than
    the two intervals side by side suggest.
    """
    if len(first) != len(second):
        raise ValueError(f"a paired difference needs equal rows, not {len(first)}/{len(second)}")
    gaps = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    return estimate_mean(gaps.tolist(), clusters=clusters, seed=seed, resamples=resamples)
