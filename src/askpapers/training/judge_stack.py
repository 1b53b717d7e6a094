"""Fits the regressions that lie on the judge's network, and measures them.

They see the human sets and corruptions of the dev split. Figures are
cross-fitted (no example of the same group was seen), or come from fits that never saw the set in
question, or from corruptions of the test split.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askpapers.encoders.judge import PairScorer
from askpapers.metrics.calibration import expected_calibration_error
from askpapers.metrics.classification import auroc, count_confusion
from askpapers.metrics.statistics import estimate_statistic
from askpapers.support.evidence_window import WordWeights
from askpapers.support.features import LEXICAL_FEATURES, NETWORK_FEATURES, network_features
from askpapers.support.judges import GUARD_DISCOUNT, is_refused, read_pair
from askpapers.training.judge_data import (
    MEASURED_ONLY,
    Example,
    load_abstractqa,
    load_human,
)
from askpapers.training.judge_examples import make_examples

CORRUPTED = "corruptions"
_FOLDS = 5
_CORRUPTION_WEIGHT = 2.0
# Nothing that this judge sees tells these from the truth well; at full weight they would make it
# doubt true sentences.
_KIND_WEIGHTS = {"role": 0.3, "quantifier": 0.3, "addition": 0.5, "same-paper": 0.5}
_COPY = LEXICAL_FEATURES.index("copy")


@dataclass(frozen=True, slots=True)
class Table:
    """Examples with their numbers.

    `lexical` (n, f); `logits` (n, 5) as `PairScorer.score` gives them, None without a network.
    `folds` (n,) are those of the networks that gave the logits; None where one network gave all.
    """

    examples: Sequence[Example]
    lexical: np.ndarray
    logits: np.ndarray | None = None
    folds: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """Bool (n,): supported."""
        return np.array([example.label == "supported" for example in self.examples])

    @property
    def names(self) -> np.ndarray:
        """Set of every example; all made ones are one set."""
        return np.array(
            [CORRUPTED if e.source.startswith(CORRUPTED) else e.source for e in self.examples]
        )

    def numbers(self, *, stacked: bool) -> np.ndarray:
        """Float64 (n, f) for the lexical or the stacked regression."""
        if not stacked or self.logits is None:
            return self.lexical
        seen = [
            network_features(row, numbers[_COPY])
            for row, numbers in zip(self.logits, self.lexical, strict=True)
        ]
        return np.hstack((self.lexical, np.array(seen)))


@dataclass(frozen=True, slots=True)
class Fit:
    """A logistic regression over standardised numbers, folded back to raw ones."""

    coefficients: np.ndarray
    intercept: float

    def odds(self, numbers: np.ndarray | None) -> np.ndarray:
        """Logits (n,)."""
        return np.asarray(numbers, dtype=np.float64) @ self.coefficients + self.intercept

    def predict(self, numbers: np.ndarray) -> np.ndarray:
        """Probabilities (n,)."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.odds(numbers), -30, 30)))


def fit_logistic(
    numbers: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, penalty: float
) -> Fit:
    """Weighted logistic regression with an L2 penalty, by Newton's method.

    Source: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 4.4.1.
    """
    mean, spread = numbers.mean(0), numbers.std(0)
    spread[spread < 1e-9] = 1.0
    design = np.hstack(((numbers - mean) / spread, np.ones((len(numbers), 1))))
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(30):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30, 30)))
        slope = design.T @ (weights * (labels - chance)) - ridge * beta
        curve = (design * (weights * chance * (1 - chance) + 1e-9)[:, None]).T @ design
        step = np.linalg.solve(curve + np.diag(ridge), slope)
        beta += step
        if np.abs(step).max() < 1e-7:
            break
    raw = beta[:-1] / spread
    return Fit(raw, float(beta[-1] - mean @ raw))


def balance(table: Table) -> np.ndarray:
    """Weights (n,): all sets count alike, both labels of a set too, and kinds of corruption."""
    names, labels = table.names, table.labels
    kinds = np.array(
        [e.kind if n == CORRUPTED else "" for e, n in zip(table.examples, names, strict=True)]
    )
    weights = np.zeros(len(names))
    for name in np.unique(names):
        share = _CORRUPTION_WEIGHT if name == CORRUPTED else 1.0
        for label in (True, False):
            rows = (names == name) & (labels == label)
            groups = np.unique(kinds[rows])
            for kind in groups:
                chosen = rows & (kinds == kind)
                weights[chosen] = share * _KIND_WEIGHTS.get(str(kind), 1.0) / chosen.sum()
            weights[rows] *= share / weights[rows].sum()
    return weights * len(names) / weights.sum()


def fit_table(table: Table, rows: np.ndarray, *, stacked: bool, penalty: float = 50.0) -> Fit:
    """Fit on some rows of a table."""
    chosen = Table([table.examples[int(row)] for row in np.flatnonzero(rows)], table.lexical[rows])
    return fit_logistic(
        table.numbers(stacked=stacked)[rows], chosen.labels, balance(chosen), penalty=penalty
    )


def _fold(example: Example) -> int:
    return int(hashlib.sha256(("stack" + example.group).encode()).hexdigest(), 16) % _FOLDS


def cross_fit(table: Table, *, stacked: bool) -> np.ndarray:
    """Probabilities (n,) from regressions that saw no example of the same group."""
    folds = table.folds
    if folds is None:
        folds = np.array([_fold(example) for example in table.examples])
    learned = ~np.isin(table.names, list(MEASURED_ONLY))
    numbers = table.numbers(stacked=stacked)
    found = np.zeros(len(folds))
    for fold in np.unique(folds):
        fit = fit_table(table, learned & (folds != fold), stacked=stacked)
        found[folds == fold] = fit.predict(numbers[folds == fold])
    return found


def leave_out(table: Table, *, stacked: bool) -> np.ndarray:
    """Probabilities (n,) from fits that saw nothing of the same set."""
    learned = ~np.isin(table.names, list(MEASURED_ONLY))
    numbers = table.numbers(stacked=stacked)
    found = np.zeros(len(learned))
    for name in np.unique(table.names):
        own = table.names == name
        found[own] = fit_table(table, learned & ~own, stacked=stacked).predict(numbers[own])
    return found


def discount(table: Table, chances: np.ndarray) -> np.ndarray:
    """Probabilities as the judges give them, the guard's refusals put in."""
    refused = [is_refused(dict(zip(LEXICAL_FEATURES, row, strict=True))) for row in table.lexical]
    return np.where(refused, chances * GUARD_DISCOUNT, chances)


def choose_threshold(table: Table, chances: np.ndarray) -> float:
    """The threshold with the best mean balanced accuracy over the learned sets."""
    names, labels = table.names, table.labels
    sets = [name for name in np.unique(names) if name not in MEASURED_ONLY]
    grid = np.linspace(0.3, 0.7, 41)
    means = [
        np.mean([_balanced(labels[names == s], chances[names == s] >= level) for s in sets])
        for level in grid
    ]
    return float(grid[int(np.argmax(means))])


def _balanced(labels: np.ndarray, guesses: np.ndarray) -> float:
    value = count_confusion(labels.tolist(), guesses.tolist()).balanced_accuracy
    return float("nan") if value is None else value


def measure(examples: Sequence[Example], chances: np.ndarray, threshold: float) -> dict[str, Any]:
    """AUROC, balanced accuracy with clustered intervals, and calibration of one set."""
    labels = np.array([example.label == "supported" for example in examples])
    groups = [example.group for example in examples]

    def area(rows: Any) -> float | None:
        return auroc(labels[rows].tolist(), chances[rows].tolist())

    def balanced(rows: Any) -> float | None:
        return count_confusion(
            labels[rows].tolist(), (chances[rows] >= threshold).tolist()
        ).balanced_accuracy

    made: dict[str, Any] = {"n": len(labels), "supported": int(labels.sum())}
    for name, statistic in (("auroc", area), ("balanced_accuracy", balanced)):
        found = estimate_statistic(len(labels), statistic, clusters=groups, resamples=500)
        made[name] = [round(x, 3) for x in (found.value, found.low, found.high) if x is not None]
    error = expected_calibration_error(np.clip(chances, 0, 1).tolist(), labels.tolist())
    made["ece"] = round(error, 3) if error is not None else None
    return made


def measure_kinds(
    examples: Sequence[Example], chances: np.ndarray, threshold: float
) -> dict[str, dict[str, Any]]:
    """Balanced accuracy of each kind of corruption against the true sentences."""
    true = np.array([example.label == "supported" for example in examples])
    kinds = np.array([example.kind for example in examples])
    made = {}
    for kind in sorted(set(kinds[~true].tolist())):
        rows = true | (~true & (kinds == kind))
        made[kind] = measure(
            [examples[int(row)] for row in np.flatnonzero(rows)], chances[rows], threshold
        )
    return made


def read_table(
    examples: Sequence[Example], weights: WordWeights, scorer: PairScorer | None
) -> Table:
    """Numbers of examples; logits and states too when a scorer is given."""
    read = [read_pair(example.claim, example.evidence, weights) for example in examples]
    lexical = np.array([list(numbers.values()) for numbers, _, _ in read], dtype=np.float64)
    if scorer is None:
        return Table(examples, lexical)
    pairs = [(example.claim, row[2]) for example, row in zip(examples, read, strict=True)]
    return Table(examples, lexical, scorer.score(pairs))


@dataclass(frozen=True, slots=True)
class Tables:
    """What the judge is fitted and measured on: `fitted` (human sets, corruptions), `test`."""

    fitted: Table
    test: Table


def read_tables(data: Path, weights: WordWeights, scorer: PairScorer) -> Tables:
    """Read everything; takes some minutes."""
    human = [example for rows in load_human(data).values() for example in rows]
    examples = [*human, *corruptions(data, "dev", seed=11)]
    return Tables(
        read_table(examples, weights, scorer),
        read_table(corruptions(data, "test", seed=13), weights, scorer),
    )


def corruptions(data: Path, split: str, *, seed: int, per_truth: int = 5) -> list[Example]:
    """Corruptions of the hand-written answers of one split, with the true ones."""
    return make_examples(
        load_abstractqa(data, split), random.Random(seed), per_truth=per_truth, per_source=9,
        prefix=CORRUPTED,
    )  # fmt: skip


def as_parameters(fit: Fit, names: Sequence[str], *, threshold: float) -> str:
    """A regression as a TOML table body."""
    lines = [
        f"intercept = {fit.intercept:.5f}",
        f"supported_from = {threshold:.3f}",
        f"partial_from = {threshold * 0.55:.3f}",
    ]
    pairs = ", ".join(
        f"{name} = {value:.5f}" for name, value in zip(names, fit.coefficients, strict=True)
    )
    return "\n".join([*lines, f"coefficients = {{ {pairs} }}"])


@dataclass(frozen=True, slots=True)
class FittedJudge:
    """Both regressions as TOML, and all figures."""

    tables: Mapping[str, str]
    figures: Mapping[str, Any]


def fit_judge(tables: Tables) -> FittedJudge:
    """Fit both regressions and measure them."""
    everything, test = tables.fitted, tables.test
    learned = ~np.isin(everything.names, list(MEASURED_ONLY))
    figures: dict[str, Any] = {}
    bodies = {}
    for name, stacked in (("lexical", False), ("stacked", True)):
        chances = discount(everything, cross_fit(everything, stacked=stacked))
        threshold = choose_threshold(everything, chances)
        fit = fit_table(everything, learned, stacked=stacked)
        away = discount(everything, leave_out(everything, stacked=stacked))
        unseen = discount(test, fit.predict(test.numbers(stacked=stacked)))
        names = (*LEXICAL_FEATURES, *NETWORK_FEATURES) if stacked else LEXICAL_FEATURES
        bodies[name] = as_parameters(fit, names, threshold=threshold)
        figures[name] = {
            "threshold": threshold,
            "cross_fitted": _by_set(everything, chances, threshold),
            "set_left_out": _by_set(everything, away, threshold),
            "corruptions_test": measure_kinds(test.examples, unseen, threshold),
        }
    overlap = everything.lexical[:, LEXICAL_FEATURES.index("coverage")]
    figures["overlap"] = _by_set(everything, overlap, choose_threshold(everything, overlap))
    cosine = everything.numbers(stacked=True)[:, -1]
    figures["cosine"] = _by_set(everything, cosine, choose_threshold(everything, cosine))
    squashed = len(LEXICAL_FEATURES) + NETWORK_FEATURES.index("margin_squashed")
    margin = everything.numbers(stacked=True)[:, squashed] / 2 + 0.5
    figures["network"] = _by_set(everything, margin, 0.5)
    return FittedJudge(bodies, figures)


def write_judge(fitted: FittedJudge, weights: Path) -> None:
    """Write `judge.toml` and `judge-figures.json` beside the weights."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    body = "\n\n".join(f"[parameters.{name}]\n{text}" for name, text in fitted.tables.items())
    weights.with_name("judge.toml").write_text(
        'kind = "judge"\n'
        'title = "Support judge"\n'
        'licence = "Apache-2.0"\n'
        f'sha256 = "{digest}"\n'
        f"size_bytes = {weights.stat().st_size}\n"
        'base = "all-minilm-l6-v2"\n'
        'notes = "Cross-encoder under a calibrated regression; card and error rates: judge.md."\n\n'
        f'[source]\ntype = "shipped"\nfile = "{weights.name}"\n\n'
        f"{body}\n",
        encoding="utf-8",
    )
    weights.with_name("judge-figures.json").write_text(
        json.dumps(fitted.figures, indent=1) + "\n", encoding="utf-8"
    )


def _by_set(table: Table, chances: np.ndarray, threshold: float) -> dict[str, Any]:
    names = table.names
    made = {}
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        made[str(name)] = measure([table.examples[int(r)] for r in rows], chances[rows], threshold)
    domains = sorted({e.kind for e in table.examples if e.source == "summedits"})
    for domain in domains:
        rows = np.array(
            [i for i, e in enumerate(table.examples) if (e.source, e.kind) == ("summedits", domain)]
        )
        chosen = [table.examples[int(r)] for r in rows]
        made[f"summedits-{domain}"] = measure(chosen, chances[rows], threshold)
    return made
