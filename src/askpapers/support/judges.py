"""Judges of support: does the evidence hold the claim?

Both judges put what they see into one calibrated logistic regression, whose coefficients are in
`models/judge.toml`; the stacked judge adds the logits of the trained network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from askpapers.domain import Verdict
from askpapers.errors import ResourceError
from askpapers.support.evidence_window import WordWeights, as_sentences, select_window
from askpapers.support.features import (
    LEXICAL_FEATURES,
    NETWORK_FEATURES,
    find_features,
    network_features,
)
from askpapers.support.guard import HARD_KINDS, check_guard
from askpapers.support.parsed import GuardFinding


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one claim, the calibrated probability of support, the guard's findings."""

    verdict: Verdict
    support: float
    findings: tuple[GuardFinding, ...]

    @property
    def is_guarded(self) -> bool:
        """Whether the guard found what no written sentence may have."""
        return any(finding.kind in HARD_KINDS for finding in self.findings)


class SupportJudge(Protocol):
    """Judges claims against evidence."""

    name: str

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """Return one judgement per (claim, evidence texts), in the order given."""
        ...


class PairEncoder(Protocol):
    """A network that reads a claim and its evidence together."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Float32 (n, 5): logits of supported, neither, contradicted, worst word; cosine."""
        ...


@dataclass(frozen=True, slots=True)
class Regression:
    """A logistic regression over named numbers and the thresholds of its verdicts.

    `supported_from` and `partial_from` are probabilities: from the first on a claim is
    supported, from the second on it is partly so.
    """

    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float
    supported_from: float
    partial_from: float

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Regression:
        """Read a table of `[parameters]`: `coefficients` by name, `intercept`, thresholds.

        Raises:
            ResourceError: a value is missing or a name is unknown.
        """
        try:
            coefficients = {str(k): float(v) for k, v in table["coefficients"].items()}
            made = cls(
                tuple(coefficients),
                tuple(coefficients.values()),
                float(table["intercept"]),
                float(table["supported_from"]),
                float(table["partial_from"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ResourceError("The judge's manifest lacks a valid regression.") from exc
        unknown = set(made.names) - {*LEXICAL_FEATURES, *NETWORK_FEATURES}
        if unknown:
            raise ResourceError(f"The judge's regression names unknown numbers: {sorted(unknown)}.")
        return made

    def apply(self, numbers: Mapping[str, float]) -> float:
        """The probability of support."""
        odds = self.intercept + sum(
            coefficient * numbers[name]
            for name, coefficient in zip(self.names, self.coefficients, strict=True)
        )
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))

    def decide(self, support: float) -> Verdict:
        """The verdict at a probability."""
        if support >= self.supported_from:
            return "supported"
        return "partial" if support >= self.partial_from else "unsupported"


GUARD_DISCOUNT = 0.25
"""What is left of the probability where the guard contradicts a claim that is otherwise covered."""


def is_refused(numbers: Mapping[str, float]) -> bool:
    """Whether the guard found something in a claim that short evidence covers otherwise.

    Over long evidence, or where claim and evidence share few words, a finding is a matter of
    wording more often than a fault; there it only counts in the regression.
    """
    found = numbers["hard"] > 0 or numbers["entity"] > 0
    return found and numbers["coverage"] >= 0.6 and numbers["evidence_sentences"] <= math.log(5.1)


class LexicalJudge:
    """Judges by words and the guard alone; needs no model."""

    name = "lexical"

    def __init__(self, regression: Regression, weights: WordWeights) -> None:
        self._regression = regression
        self._weights = weights

    @classmethod
    def load(cls, parameters: Mapping[str, Any], words: Path) -> LexicalJudge:
        """Make the judge from `[parameters]` of the manifest and the table of word weights."""
        return cls(Regression.parse(parameters.get("lexical", {})), WordWeights.load(words))

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """Return one judgement per (claim, evidence texts), in the order given."""
        made = []
        for claim, evidence in pairs:
            numbers, findings, _ = read_pair(claim, evidence, self._weights)
            support = self._regression.apply(numbers)
            if is_refused(numbers):
                support *= GUARD_DISCOUNT
            made.append(Judgement(self._regression.decide(support), support, findings))
        return made


class StackedJudge:
    """Judges by words, the guard and the trained network together."""

    name = "support"

    def __init__(self, regression: Regression, weights: WordWeights, encoder: PairEncoder) -> None:
        self._regression = regression
        self._weights = weights
        self._encoder = encoder

    @classmethod
    def load(cls, parameters: Mapping[str, Any], words: Path, encoder: PairEncoder) -> StackedJudge:
        """Make the judge from `[parameters]` of the manifest, word weights and the network."""
        regression = Regression.parse(parameters.get("stacked", {}))
        return cls(regression, WordWeights.load(words), encoder)

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """Return one judgement per (claim, evidence texts), in the order given."""
        read = [read_pair(claim, evidence, self._weights) for claim, evidence in pairs]
        logits = self._encoder.score(
            [(claim, window) for (claim, _), (_, _, window) in zip(pairs, read, strict=True)]
        )
        made = []
        for (numbers, findings, _), row in zip(read, logits, strict=True):
            seen = zip(NETWORK_FEATURES, network_features(row, numbers["copy"]), strict=True)
            support = self._regression.apply({**numbers, **dict(seen)})
            if is_refused(numbers):
                support *= GUARD_DISCOUNT
            made.append(Judgement(self._regression.decide(support), support, findings))
        return made


def read_pair(
    claim: str, evidence: Sequence[str], weights: WordWeights
) -> tuple[dict[str, float], tuple[GuardFinding, ...], str]:
    """Numbers by name, the guard's findings, and the text the network reads, of one pair.

    Long evidence is cut to the sentences that say most of what the claim says before the guard
    reads it: on a page of a thousand words almost every number stands somewhere.
    """
    sentences = as_sentences(evidence)
    window = select_window(claim, sentences, weights)
    findings = check_guard(claim, window)
    numbers = find_features(claim, window, weights, findings)
    return dict(zip(LEXICAL_FEATURES, numbers, strict=True)), findings, " ".join(window)
