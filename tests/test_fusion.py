import numpy as np
import pytest

from askpapers.encoders.reader import Reading
from askpapers.errors import ResourceError
from askpapers.fusion import (
    FEATURES,
    MOST,
    REACH,
    READER_FEATURES,
    Fusion,
    find_close,
    standardise,
)
from askpapers.models import get_manifest


def parameters(**changes):
    return {
        "cosine_floor": 0.4,
        "first": dict.fromkeys(FEATURES, 1.0),
        "reader": dict.fromkeys(READER_FEATURES, 1.0),
        "confidence": {
            "intercept": -1.0,
            "passage": 1.0,
            "sentence": 0.0,
            "coverage": 0.0,
            "margin": 1.0,
        },
        **changes,
    }


def test_standardised_columns_have_mean_zero_and_deviation_one():
    raw = np.array([[1.0, 4, 0, 0, 0.5, 1], [3.0, 4, 0, 2, 0.5, 0]])
    out = standardise(raw)
    np.testing.assert_allclose(out[:, 0], [-1, 1])
    np.testing.assert_allclose(out[:, 1], [0, 0])
    np.testing.assert_allclose(out[:, 3], [-1, 1])
    np.testing.assert_allclose(out[:, 5], [1, 0])  # being named is not standardised
    assert raw[0, 0] == 1.0


def test_nothing_is_standardised_to_nothing():
    assert standardise(np.zeros((0, len(FEATURES)))).shape == (0, len(FEATURES))


def test_first_stage_is_the_weighted_sum():
    weights = {**dict.fromkeys(FEATURES, 0.0), "passage": 2.0, "named": 0.5}
    fusion = Fusion.from_parameters(parameters(first=weights))
    raw = np.zeros((2, len(FEATURES)))
    raw[0, 0], raw[1, 5] = 1.0, 1.0
    np.testing.assert_allclose(fusion.score(raw), [2.0, -2.0 + 0.5])


def test_second_stage_adds_log_odds():
    fusion = Fusion.from_parameters(parameters())
    readings = [Reading(0.5, 0.5, (0.5, 0.5)), Reading(0.5, 0.5, (0.1, 0.9))]
    np.testing.assert_allclose(fusion.score_read([1.0, 0.0], readings), [1.0, np.log(9)])
    assert fusion.score_read([], []).shape == (0,)


def test_likelihoods_are_weighed_in_below_the_likeliest():
    fusion = Fusion.from_parameters(parameters(likelihood=0.5))
    scores = np.array([3.0, 1.0, 2.5, -4.0])
    np.testing.assert_allclose(
        fusion.weigh_likelihood(scores, [0, 2], [-30.0, -20.0]), [-2.0, -4.0, 2.5, -9.0]
    )
    assert Fusion.from_parameters(parameters()).likelihood == 0.0


def test_close_are_the_few_within_reach_of_the_best():
    assert find_close(np.array([0.0, 5.0, 5.0 - REACH, 4.9 - REACH])) == [1, 2]
    assert find_close(np.zeros(MOST + 2)) == list(range(MOST))


def test_confidence_is_a_logistic_model_of_the_best_and_its_lead():
    fusion = Fusion.from_parameters(parameters())
    raw = np.zeros((2, len(FEATURES)))
    raw[1, 0] = 0.5
    value = fusion.estimate_confidence(raw, np.array([0.0, 2.0]))
    assert value == pytest.approx(1 / (1 + np.exp(-(-1.0 + 0.5 + 2.0))))
    assert fusion.estimate_confidence(raw[:0], np.empty(0)) == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"first": {"passage": 1.0}},
        {"reader": {**dict.fromkeys(READER_FEATURES, 1.0), "extra": 1.0}},
        {"confidence": "high"},
        {"first": dict.fromkeys(FEATURES, "much")},
    ],
)
def test_a_malformed_table_is_refused(changes):
    with pytest.raises(ResourceError):
        Fusion.from_parameters(parameters(**changes))


def test_the_shipped_weights_open():
    fusion = Fusion.from_parameters(get_manifest("fusion").parameters)
    assert fusion.first["passage"] > 0
    assert fusion.first["whole"] > 0
