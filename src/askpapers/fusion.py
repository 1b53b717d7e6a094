"""Weighs what the searches say about a paper into one score, with weights that were fitted.

First stage: a linear score over FEATURES, standardised over the question's candidates.
Second stage, for the few papers the reader has read: first-stage score and the reader's log-odds.
Third, for those of them that it leaves close together: how likely each makes the question.
All weights are in `models/fusion.toml`, fitted by `askpapers.training.fusion`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from askpapers.encoders.reader import Reading
from askpapers.errors import ResourceError
from askpapers.evidence import log_odds

FEATURES = ("passage", "sentence", "title", "whole", "coverage", "named")
"""Columns of a candidate: the best cosine of a passage and of a sentence, BM25 of the title and
of the whole, the share of the question's terms it holds, and whether the question names it."""
READER_FEATURES = ("first", "relevance", "answerable", "sentence")
CONFIDENCE_FEATURES = ("passage", "sentence", "coverage", "margin")

REACH = 4.0
"""Log-odds under the best paper within which another may still be the one that is asked about."""
MOST = 6
_STANDARDISED = (True, True, True, True, False, False)


@dataclass(frozen=True, slots=True)
class Fusion:
    """Fitted weights, by feature name.

    `confidence` is a logistic model that stands in for the reader's answerability where no
    reader is used; `cosine_floor` is the passage cosine from which a paper then counts as
    relevant. `likelihood` is what a nat of the question's log-likelihood counts.
    """

    first: Mapping[str, float]
    reader: Mapping[str, float]
    confidence: Mapping[str, float]
    cosine_floor: float
    likelihood: float = 0.0

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Fusion:
        """Read the `parameters` table of `models/fusion.toml`.

        Raises:
            ResourceError: a weight is missing, unknown or no number.
        """
        wanted = {
            "first": FEATURES,
            "reader": READER_FEATURES,
            "confidence": ("intercept", *CONFIDENCE_FEATURES),
        }
        tables: dict[str, dict[str, float]] = {}
        for name, fields in wanted.items():
            table = parameters.get(name)
            if not isinstance(table, Mapping) or set(table) != set(fields):
                raise ResourceError(
                    f"The table [parameters.{name}] of the fusion must hold {', '.join(fields)}."
                )
            try:
                tables[name] = {field: float(table[field]) for field in fields}
            except (TypeError, ValueError) as exc:
                raise ResourceError(f"A weight of [parameters.{name}] is no number.") from exc
        return cls(
            cosine_floor=float(parameters.get("cosine_floor", 0.4)),
            likelihood=float(parameters.get("likelihood", 0.0)),
            **tables,
        )

    def score(self, features: np.ndarray) -> np.ndarray:
        """First-stage scores, float64 (n,), of candidates (n, len(FEATURES)) in raw features."""
        return standardise(features) @ np.array([self.first[name] for name in FEATURES])

    def score_read(self, first: Sequence[float], readings: Sequence[Reading]) -> np.ndarray:
        """Second-stage scores, float64 (n,), of papers that the reader has read."""
        if not readings:
            return np.empty(0)
        rows = np.array([read_features(a, b) for a, b in zip(first, readings, strict=True)])
        return rows @ np.array([self.reader[name] for name in READER_FEATURES])

    def weigh_likelihood(
        self, scores: np.ndarray, places: Sequence[int], likelihoods: Sequence[float]
    ) -> np.ndarray:
        """Return second-stage scores (n,) with log-likelihoods (nats) of some papers weighed in.

        The likeliest keeps its score; those that were not measured count as the unlikeliest.
        """
        found = np.full(len(scores), min(likelihoods))
        found[list(places)] = likelihoods
        return scores + self.likelihood * (found - max(likelihoods))

    def estimate_confidence(self, features: np.ndarray, scores: np.ndarray) -> float:
        """Probability (0..1) that the best candidate answers, judged without a reader."""
        if not len(scores):
            return 0.0
        values = confidence_features(features, scores)
        total = self.confidence["intercept"] + sum(
            self.confidence[name] * value
            for name, value in zip(CONFIDENCE_FEATURES, values, strict=True)
        )
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))


def find_close(scores: np.ndarray) -> list[int]:
    """Return the places of the best second-stage scores within REACH, best first, MOST at most."""
    order = np.argsort(-scores, kind="stable")[:MOST]
    return [int(place) for place in order if scores[place] >= scores[order[0]] - REACH]


def standardise(features: np.ndarray) -> np.ndarray:
    """Subtract each column's mean and divide by its deviation over the candidates.

    Coverage and being named are left as they are: they say the same in any company, while a
    spread of 0.2 to 0.3 in coverage says nothing, however far apart the standardised values.
    """
    out = np.asarray(features, dtype=np.float64).copy()
    columns = np.array(_STANDARDISED)
    if len(out):
        spread = out.std(axis=0)
        centred = (out - out.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
        out[:, columns] = centred[:, columns]
    return out


def read_features(first: float, reading: Reading) -> tuple[float, ...]:
    """The row of READER_FEATURES of one paper; probabilities as log-odds."""
    return (
        first,
        log_odds(reading.relevance),
        log_odds(reading.answerable),
        log_odds(max(reading.sentences, default=0.0)),
    )


def confidence_features(features: np.ndarray, scores: np.ndarray) -> tuple[float, ...]:
    """The CONFIDENCE_FEATURES of a ranking: of its best paper, and its lead over the second."""
    order = np.argsort(-scores, kind="stable")
    best = features[order[0]]
    margin = float(scores[order[0]] - scores[order[1]]) if len(order) > 1 else 0.0
    at = {name: i for i, name in enumerate(FEATURES)}
    return (
        float(best[at["passage"]]),
        float(best[at["sentence"]]),
        float(best[at["coverage"]]),
        margin,
    )
