"""A run in numbers: every measure with n, unscored count and interval, over all and by tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askpapers.evals.records import CaseResult, RowRecord
from askpapers.evals.runs import Run
from askpapers.metrics import calibration, classification
from askpapers.metrics.calibration import CoveragePoint, ReliabilityBin
from askpapers.metrics.registry import METRICS
from askpapers.metrics.statistics import (
    RESAMPLES,
    Estimate,
    Statistic,
    estimate_mean,
    estimate_ratio,
    estimate_statistic,
)

_TAG_RESAMPLES = 1000
_LOOPED_RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    Attributes:
        metrics: Name -> estimate, of every measure that applied to a row or could not be scored.
        by_tag: Tag -> name -> estimate.
        verdicts: How many cases passed, failed and went unscored.
        risk_coverage: Over the answered rows; coverage is a share of all labelled rows.
        reliability: Of the stated answerability.
    """

    metrics: dict[str, Estimate]
    by_tag: dict[str, dict[str, Estimate]]
    verdicts: dict[str, int]
    risk_coverage: tuple[CoveragePoint, ...]
    reliability: tuple[ReliabilityBin, ...]


Rows = Sequence[tuple[str, RowRecord]]
"""Cluster (the case id) and row."""


def list_rows(cases: Sequence[CaseResult]) -> list[tuple[str, RowRecord]]:
    """All turns of all cases, each with the id of its case."""
    return [(case.case_id, row) for case in cases for row in case.rows]


def _collect(rows: Rows, *names: str) -> tuple[list[str], list[list[float]]]:
    """Clusters and columns of the rows that have all of these facts."""
    clusters: list[str] = []
    columns: list[list[float]] = [[] for _ in names]
    for cluster, row in rows:
        values = [row.facts.get(name) for name in names]
        if all(value is not None for value in values):
            clusters.append(cluster)
            for column, value in zip(columns, values, strict=True):
                column.append(float(value or 0.0))
    return clusters, columns


def _abstention(rows: Rows, which: str, seed: int, resamples: int) -> Estimate | None:
    clusters, (should, did) = _collect(rows, "should_abstain", "abstained")
    if not clusters:
        return None
    wanted, given = np.asarray(should), np.asarray(did)
    below = {"precision": given, "recall": wanted, "f1": (wanted + given) / 2}[which]
    return estimate_ratio(
        (wanted * given).tolist(),
        below.tolist(),
        clusters=clusters,
        unscored=sum("abstention_f1" in row.unscored for _, row in rows),
        seed=seed,
        resamples=resamples,
    )


_POOLED: dict[str, Callable[[list[float], list[bool]], float | None]] = {
    "aurc": calibration.area_under_risk_coverage,
    "ece": calibration.expected_calibration_error,
    "answerability_auroc": lambda scores, labels: classification.auroc(labels, scores),
}


def _pooled(rows: Rows, name: str, seed: int, resamples: int) -> Estimate | None:
    """A measure over all rows at once, or `None` where it does not apply."""
    facts = ("answerability", "right") if name == "aurc" else ("answerability", "should_abstain")
    clusters, (confidence, outcome) = _collect(rows, *facts)
    if not clusters:
        return None
    chances = np.asarray(confidence)
    good = np.asarray(outcome, bool)
    if name != "aurc":
        good = ~good
    if name == "brier":
        errors = (chances - good) ** 2
        return estimate_mean(errors.tolist(), clusters=clusters, seed=seed, resamples=resamples)
    measure = _POOLED[name]

    def statistic(index: NDArray[np.intp]) -> float | None:
        return measure(chances[index].tolist(), good[index].tolist())

    return estimate_statistic(
        len(clusters), statistic, clusters=clusters, seed=seed, resamples=_LOOPED_RESAMPLES
    )


def _median(values: list[float], clusters: list[str], seed: int) -> Estimate:
    column = np.asarray(values)
    median: Statistic = lambda index: float(np.median(column[index]))  # noqa: E731
    return estimate_statistic(
        len(values), median, clusters=clusters, seed=seed, resamples=_LOOPED_RESAMPLES
    )


def summarise_rows(
    rows: Rows, *, seed: int, resamples: int = RESAMPLES, pooled: bool = True
) -> dict[str, Estimate]:
    """Every measure that applies to the rows.

    Means are over judged rows: rows on which the measure applied and could be computed. Those on
    which it could not are counted beside, and are neither zeros nor left unsaid. `pooled` adds
    medians, calibration and risk-coverage, slow to resample and too much for small groups.
    """
    made: dict[str, Estimate] = {}
    for name, metric in METRICS.items():
        estimate: Estimate | None
        if name.startswith("abstention_"):
            estimate = _abstention(rows, name.removeprefix("abstention_"), seed, resamples)
        elif metric.pooling == "pooled":
            estimate = _pooled(rows, name, seed, resamples) if pooled else None
        else:
            judged = [(cluster, row) for cluster, row in rows if name in row.scores]
            unscored = sum(name in row.unscored for _, row in rows)
            if not judged and not unscored:
                continue
            if metric.pooling == "median" and not pooled:
                continue
            values = [row.scores[name] for _, row in judged]
            clusters = [cluster for cluster, _ in judged]
            if metric.pooling == "median" and values:
                estimate = _median(values, clusters, seed)
            else:
                estimate = estimate_mean(
                    values, clusters=clusters, unscored=unscored, seed=seed, resamples=resamples
                )
        if estimate is not None:
            made[name] = estimate
    return made


def _curves(rows: Rows) -> tuple[tuple[CoveragePoint, ...], tuple[ReliabilityBin, ...]]:
    answered, (confidence, right) = _collect(rows, "answerability", "right")
    labelled = sum(row.facts.get("should_abstain") is not None for _, row in rows)
    points = calibration.risk_coverage(confidence, [bool(one) for one in right])
    share = len(answered) / labelled if labelled else 0.0
    scaled = tuple(
        CoveragePoint(point.coverage * share, point.risk, point.threshold) for point in points
    )
    _, (chances, should) = _collect(rows, "answerability", "should_abstain")
    return scaled, calibration.reliability_bins(chances, [not one for one in should])


def summarise(run: Run) -> Summary:
    """A run in numbers; the run's own seed draws the samples, so it is always the same."""
    rows = list_rows(run.cases)
    seed = run.header.seed
    tags = sorted({tag for case in run.cases for tag in case.tags})
    risk, reliability = _curves(rows)
    verdicts = {"pass": 0, "fail": 0, "unscored": 0}
    for case in run.cases:
        verdicts[case.verdict] += 1
    return Summary(
        metrics=summarise_rows(rows, seed=seed),
        by_tag={
            tag: summarise_rows(
                list_rows([case for case in run.cases if tag in case.tags]),
                seed=seed,
                resamples=_TAG_RESAMPLES,
                pooled=False,
            )
            for tag in tags
        },
        verdicts=verdicts,
        risk_coverage=risk,
        reliability=reliability,
    )
