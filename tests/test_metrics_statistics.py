"""Classification, calibration and intervals: by hand, and against slow textbook versions."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askpapers.metrics import calibration, classification, statistics

LABELLED = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])), min_size=1
)


def test_confusion_by_hand() -> None:
    made = classification.count_confusion(
        [True, True, True, False, False, False, False],
        [True, True, False, True, False, False, False],
    )
    assert made == classification.Confusion(2, 1, 1, 3)
    assert made.precision == pytest.approx(2 / 3)
    assert made.recall == pytest.approx(2 / 3)
    assert made.specificity == 0.75
    assert made.f1 == pytest.approx(2 / 3)
    assert made.balanced_accuracy == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_empty_classes_have_no_value() -> None:
    silent = classification.count_confusion([False, False], [False, False])
    assert (silent.precision, silent.recall, silent.f1, silent.balanced_accuracy) == (None,) * 4
    always = classification.count_confusion([False, True], [True, True])
    assert always.f1 == pytest.approx(2 / 3)
    never = classification.count_confusion([True], [False])
    assert (never.precision, never.recall, never.f1) == (None, 0.0, 0.0)


def test_macro_f1_by_hand() -> None:
    # positive class: TP 1 FP 1 FN 1 -> 0.5; negative class: TP 1 FP 1 FN 1 -> 0.5
    assert classification.macro_f1([True, True, False, False], [True, False, True, False]) == 0.5


def test_auroc_by_hand() -> None:
    assert classification.auroc([True, False], [0.9, 0.1]) == 1.0
    assert classification.auroc([True, False], [0.1, 0.9]) == 0.0
    assert classification.auroc([True, False, True], [0.5, 0.5, 0.9]) == 0.75
    assert classification.auroc([True, True], [0.5, 0.5]) is None


@given(LABELLED)
def test_auroc_counts_pairs(rows: list[tuple[bool, float]]) -> None:
    good = [score for label, score in rows if label]
    bad = [score for label, score in rows if not label]
    wins = sum((a > b) + 0.5 * (a == b) for a, b in product(good, bad))
    expected = wins / (len(good) * len(bad)) if good and bad else None
    ours = classification.auroc([label for label, _ in rows], [score for _, score in rows])
    assert ours == (expected if expected is None else pytest.approx(expected))


@given(LABELLED)
def test_best_threshold_is_best(rows: list[tuple[bool, float]]) -> None:
    labels = [label for label, _ in rows]
    scores = [score for _, score in rows]

    def reached(threshold: float) -> float:
        made = classification.count_confusion(labels, [score >= threshold for score in scores])
        return made.balanced_accuracy or 0.0

    chosen = classification.best_threshold(labels, scores)
    if chosen is None:
        assert len(set(labels)) < 2
    else:
        assert reached(chosen) == pytest.approx(max(map(reached, [*scores, -1.0, 2.0])))


def test_brier_and_ece_by_hand() -> None:
    chances, truth = [0.9, 0.8, 0.3, 0.25], [True, False, False, True]
    assert calibration.brier_score(chances, truth) == pytest.approx(
        (0.01 + 0.64 + 0.09 + 0.5625) / 4
    )
    # two bins: (0, .5] holds .3 and .25 (one true), (.5, 1] holds .9 and .8 (one true)
    expected = 0.5 * abs(0.5 - 0.275) + 0.5 * abs(0.5 - 0.85)
    assert calibration.expected_calibration_error(chances, truth, 2) == pytest.approx(expected)
    assert calibration.expected_calibration_error([], [], 2) is None
    assert calibration.brier_score([], []) is None
    with pytest.raises(ValueError, match="outside"):
        calibration.brier_score([1.2], [True])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 12))
def test_ece_equals_the_textbook(rows: list[tuple[float, bool]], bins: int) -> None:
    edges = np.linspace(0.0, 1.0, bins + 1)
    expected = 0.0
    for index in range(bins):
        inside = [
            (chance, outcome)
            for chance, outcome in rows
            if (edges[index] < chance <= edges[index + 1]) or (index == 0 and chance == 0.0)
        ]
        if inside:
            confidence = sum(chance for chance, _ in inside) / len(inside)
            accuracy = sum(outcome for _, outcome in inside) / len(inside)
            expected += len(inside) / len(rows) * abs(confidence - accuracy)
    chances, truth = [chance for chance, _ in rows], [outcome for _, outcome in rows]
    ours = calibration.expected_calibration_error(chances, truth, bins)
    assert ours == pytest.approx(expected)
    made = calibration.reliability_bins(chances, truth, bins)
    assert sum(one.count for one in made) == len(rows)


def test_risk_coverage_by_hand() -> None:
    confidences, correct = [0.9, 0.8, 0.8, 0.1], [True, False, True, False]
    points = calibration.risk_coverage(confidences, correct)
    assert [(point.coverage, point.risk) for point in points] == [
        (0.25, 0.0),
        (0.75, pytest.approx(1 / 3)),
        (1.0, 0.5),
    ]
    # risks at 1..4 answered: 0, (0.5)/2, 1/3, 2/4
    expected = (0 + 0.25 + 1 / 3 + 0.5) / 4
    assert calibration.area_under_risk_coverage(confidences, correct) == pytest.approx(expected)


@given(st.permutations(list(range(8))), st.lists(st.booleans(), min_size=8, max_size=8))
def test_aurc_equals_the_textbook(order: list[int], correct: list[bool]) -> None:
    ranked = sorted(range(8), key=lambda index: -order[index])
    risks = [sum(not correct[index] for index in ranked[:count]) / count for count in range(1, 9)]
    ours = calibration.area_under_risk_coverage([float(one) for one in order], correct)
    assert ours == pytest.approx(sum(risks) / 8)


def test_mean_and_its_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0] * 10
    made = statistics.estimate_mean(values, unscored=3, seed=1)
    assert (made.value, made.n, made.unscored, made.clusters) == (0.7, 100, 3, 100)
    # the normal approximation: 0.7 +- 1.96 * sqrt(.21 / 100)
    assert made.low == pytest.approx(0.7 - 1.96 * math.sqrt(0.0021), abs=0.02)
    assert made.high == pytest.approx(0.7 + 1.96 * math.sqrt(0.0021), abs=0.02)
    assert made == statistics.estimate_mean(values, unscored=3, seed=1)
    assert made != statistics.estimate_mean(values, unscored=3, seed=2)


def test_clusters_widen_the_interval() -> None:
    values = [float(index // 10 % 2) for index in range(200)]
    alone = statistics.estimate_mean(values)
    together = statistics.estimate_mean(values, clusters=[index // 10 for index in range(200)])
    assert together.clusters == 20
    assert alone.low is not None
    assert together.low is not None
    assert together.low < alone.low - 0.05


def test_nothing_judged_and_nothing_varies() -> None:
    assert statistics.estimate_mean([], unscored=2) == statistics.Estimate(None, None, None, 0, 2)
    flat = statistics.estimate_mean([0.1] * 7)
    assert (flat.low, flat.value, flat.high) == (0.1, 0.1, 0.1)
    assert flat.is_degenerate
    assert statistics.rule_of_three(100) == pytest.approx(0.0295, abs=1e-3)
    assert statistics.rule_of_three(0) == 1.0


def test_an_estimate_is_published_in_few_digits() -> None:
    found = statistics.Estimate(2 / 3, 0.61249, None, 3)
    assert found.rounded() == {"value": 0.667, "low": 0.612, "high": None, "n": 3}
    assert found.rounded(1)["value"] == 0.7


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(0, 5))
def test_mean_equals_the_general_form(values: list[float], seed: int) -> None:
    rows = np.array(values)
    mean = statistics.estimate_mean(values, seed=seed, resamples=50)
    general = statistics.estimate_statistic(
        len(values), lambda index: float(rows[index].mean()), seed=seed, resamples=50
    )
    assert mean.value == pytest.approx(general.value)
    assert mean.low is not None
    assert mean.value is not None
    assert mean.high is not None
    assert mean.low - 1e-9 <= mean.high
    assert min(values) - 1e-9 <= mean.low <= mean.high <= max(values) + 1e-9


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_f1_as_a_ratio_equals_the_confusion(rows: list[tuple[bool, bool]]) -> None:
    labels, guesses = np.array(rows, float).T
    ratio = statistics.estimate_ratio(
        (labels * guesses).tolist(), ((labels + guesses) / 2).tolist(), resamples=200
    )
    confusion = classification.count_confusion(labels.astype(bool), guesses.astype(bool))
    assert ratio.value == (None if confusion.f1 is None else pytest.approx(confusion.f1))
    if ratio.value is not None:
        assert ratio.low is not None
        assert ratio.high is not None
        assert 0.0 <= ratio.low <= ratio.value + 1e-9
        assert ratio.value - 1e-9 <= ratio.high <= 1.0


def test_ratio_equals_the_general_form_on_the_same_draws() -> None:
    above, below = np.array([1.0, 0, 2, 1]), np.array([1.0, 1, 2, 3])
    ratio = statistics.estimate_ratio(above.tolist(), below.tolist(), resamples=4000)
    general = statistics.estimate_statistic(
        4, lambda index: float(above[index].sum() / below[index].sum()), resamples=4000
    )
    assert (ratio.value, ratio.n) == (4 / 7, 4)
    assert ratio.low == pytest.approx(general.low, abs=0.03)
    assert ratio.high == pytest.approx(general.high, abs=0.03)
    with pytest.raises(ValueError, match="denominators"):
        statistics.estimate_ratio([1.0], [])
    assert statistics.estimate_ratio([0.0], [0.0]).value is None


def test_statistic_that_is_not_always_defined() -> None:
    labels, scores = [True, False, True], [0.9, 0.2, 0.4]

    def area(index: np.ndarray) -> float | None:
        return classification.auroc([labels[i] for i in index], [scores[i] for i in index])

    made = statistics.estimate_statistic(3, area)
    assert (made.value, made.low, made.high) == (1.0, 1.0, 1.0)
    assert statistics.estimate_statistic(0, area).value is None


def test_paired_difference() -> None:
    first = [0.0, 0.2, 0.4, 0.6] * 25
    second = [value + 0.1 for value in first]
    made = statistics.estimate_difference(first, second)
    assert made.value == pytest.approx(0.1)
    assert made.low == pytest.approx(0.1)
    assert made.high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="equal rows"):
        statistics.estimate_difference([1.0], [])


def test_bootstrap_covers_the_truth() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for round_ in range(200):
        made = statistics.estimate_mean(
            generator.binomial(1, 0.8, 60).astype(float).tolist(), seed=round_, resamples=400
        )
        assert made.low is not None
        assert made.high is not None
        covered += made.low <= 0.8 <= made.high
    assert covered >= 180
