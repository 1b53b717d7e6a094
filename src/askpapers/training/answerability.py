"""Fits the answerability model: `python -m askpapers.training.answerability --data DIR`.

Questions that no shipped weights were trained on go through the program's own search, over
abstractqa's abstracts and those that the questions were written for. A question is answerable where
the paper it was written for gives the best sentence; what is off topic, what the paper doesn't
state, and what the search finds elsewhere must be refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askpapers.answerability import FEATURES, READ_FEATURES, SECOND, Calibration, estimate
from askpapers.domain import Paper
from askpapers.encoders.embedder import Embedder
from askpapers.encoders.reader import Reader
from askpapers.evidence import Policy
from askpapers.fusion import Fusion
from askpapers.lexical import LexicalIndex
from askpapers.likelihood import Likelihood
from askpapers.metrics.calibration import expected_calibration_error, reliability_bins
from askpapers.metrics.classification import auroc
from askpapers.metrics.statistics import estimate_mean
from askpapers.models import get_manifest
from askpapers.queries import QueryVocabulary
from askpapers.resources import home_folder
from askpapers.retrieval import Retriever
from askpapers.second_reader import SecondReader
from askpapers.settings import RetrievalSettings
from askpapers.training.collections import TODAY, MatrixIndex
from askpapers.training.fusion import (
    open_embedder,
    open_likelihood,
    open_reader,
    open_second_reader,
)
from askpapers.training.reader_data import (
    Question,
    join_splits,
    load_abstractqa,
    load_written_questions,
    make_off_topic,
)
from askpapers.training.written import Abstract

HELD_OUT = Path(__file__).with_name("held_out.jsonl")
"""Written questions that nothing else learns from."""
HELD_OUT_OFF_TOPIC = Path(__file__).with_name("off_topic_held_out.txt")
"""Questions that no pile of machine learning abstracts answers, one a line; nor learnt from."""
SHARES = {"answerable": 0.5, "near miss": 0.25, "off topic": 0.15, "another paper first": 0.1}
"""Weight of each kind of question in the fit; no real mix is known."""
ANSWERED = 0.93
"""Share of the answerable questions that the proposed threshold and the comparison answer."""
EITHER_WAY = "best_relevance"
"""The feature that may count against an answer: of two papers that read as equally answerable, the
one that is more about the question is more often a near miss."""
READERS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "reader": (FEATURES, READ_FEATURES),
    "second-reader": ((*FEATURES, SECOND), FEATURES),
}
"""The features of each calibration, by the manifest that it is for, and those it is compared with:
without a language model there is no second reader."""
_FOLDS = 5
_RESAMPLES = 1000
_REPEATS = 10_000


@dataclass(frozen=True, slots=True)
class Use:
    """A question with its features: its kind, its paper (what is resampled), if it is answered."""

    kind: str
    group: str
    features: Mapping[str, float]

    @property
    def stated(self) -> bool:
        """Whether it is to be answered."""
        return self.kind == "answerable"


def load_questions(data: Path, split: str) -> tuple[dict[str, Abstract], list[Question]]:
    """Return the abstracts that are searched, by key, and the questions of `split`.

    The written ones are for dev; of the off-topic ones each split has a half.
    """
    parts, questions = load_abstractqa(data / "abstractqa")
    pool = join_splits(parts)
    asked = list(questions[split])
    if split == "dev":
        papers, written = load_written_questions(data, HELD_OUT)
        pool |= papers
        asked += written
    with lzma.open(data / "faithfulness/pubmedqa/ori_pqal.json.xz", "rt", encoding="utf-8") as file:
        medical = [row["QUESTION"] for _, row in sorted(json.load(file).items())][:80]
    everyday = HELD_OUT_OFF_TOPIC.read_text("utf-8").splitlines()
    asked += make_off_topic([*everyday, *medical][0 if split == "dev" else 1 :: 2])
    return pool, asked


def open_search(
    pool: Mapping[str, Abstract],
    embedder: Embedder,
    reader: Reader,
    likelihood: Likelihood | None,
    second_reader: SecondReader | None,
    cache: Path | None,
) -> Retriever:
    """Return the program's own search over these abstracts, held in memory."""
    table = RetrievalSettings()
    papers = [Paper(p.key, p.title, " ".join(p.sentences)) for p in pool.values()]
    return Retriever(
        dense=MatrixIndex(papers, embedder, cache=cache),
        lexical=LexicalIndex.build(papers),
        vocabulary=QueryVocabulary.build(papers),
        embedder=embedder,
        fusion=Fusion.from_parameters(get_manifest("fusion").parameters),
        reader=reader,
        calibration=Calibration(0.0),
        likelihood=likelihood,
        second_reader=second_reader,
        second_calibration=Calibration(0.0),
        policy=Policy(max_sentences=table.evidence_sentences, max_papers=table.evidence_papers),
        today=lambda: TODAY,
    )


def gather(
    search: Retriever, questions: Sequence[Question], report: Callable[[str], None]
) -> list[Use]:
    """Search for every question and keep what its answerability is estimated from."""
    uses = []
    for number, question in enumerate(questions):
        result = search.search(question.text)
        kind = "another paper first"
        if not question.paper:
            kind = "off topic"
        elif not question.evidence:
            kind = "near miss"
        elif result.evidence and result.evidence[0].paper_id == question.paper:
            kind = "answerable"
        uses.append(Use(kind, question.paper or question.key, dict(result.signals)))
        if number % 100 == 0:
            report(f"{number + 1} of {len(questions)} questions searched")
    return uses


def fit_calibration(
    uses: Sequence[Use], *, names: Sequence[str] = FEATURES, ridge: float = 1e-2
) -> Calibration:
    """Fit the logistic model by Newton's method (Bishop, PRML, 4.3.3), kinds weighted by share.

    Features are standardised for the ridge. One whose weight comes out negative is dropped and
    the rest fitted again, so that better evidence never lowers the probability (but EITHER_WAY).
    """
    counts = Counter(use.kind for use in uses)
    share = np.array([SHARES[use.kind] / counts[use.kind] for use in uses])
    share *= len(uses) / share.sum()
    truth = np.array([use.stated for use in uses], dtype=float)
    left = list(names)
    while True:
        table = np.array([[use.features[n] for n in left] for use in uses])
        spread = table.std(axis=0)
        spread[spread < 1e-9] = 1.0
        weights = _fit_logistic(table / spread, truth, share, ridge)
        weights[1:] /= spread
        signed = np.where(np.array(left) == EITHER_WAY, 0.0, weights[1:])
        worst = int(np.argmin(signed))
        if signed[worst] >= 0:
            break
        left.pop(worst)
    fitted = {n: round(float(w), 4) for n, w in zip(left, weights[1:], strict=True)}
    return Calibration(round(float(weights[0]), 4), fitted)


def _fit_logistic(
    table: NDArray[np.float64], truth: NDArray[np.float64], share: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Return intercept and weights; table (n, f), truth and share (n,)."""
    wide = np.column_stack([np.ones(len(table)), table])
    penalty = ridge * len(table) * np.eye(wide.shape[1])
    penalty[0, 0] = 0.0
    weights = np.zeros(wide.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-wide @ weights))
        slope = wide.T @ (share * (chance - truth)) + penalty @ weights
        curve = (wide * (share * chance * (1 - chance))[:, None]).T @ wide + penalty
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def find_threshold(chances: Sequence[float], uses: Sequence[Use]) -> float:
    """Return the probability above which ANSWERED of the answerable questions lie."""
    answerable = [c for c, use in zip(chances, uses, strict=True) if use.stated]
    return float(np.quantile(answerable, 1 - ANSWERED))


def cross_validate(
    uses: Sequence[Use], *, names: Sequence[str] = FEATURES, ridge: float = 1e-2
) -> list[float]:
    """Return each use's probability from a model that saw no question about the same paper."""
    fold = [int(hashlib.sha1(use.group.encode()).hexdigest(), 16) % _FOLDS for use in uses]
    chances = [0.0] * len(uses)
    for number in range(_FOLDS):
        seen = [use for use, own in zip(uses, fold, strict=True) if own != number]
        calibration = fit_calibration(seen, names=names, ridge=ridge)
        for place, own in enumerate(fold):
            if own == number:
                chances[place] = estimate(uses[place].features, calibration)
    return chances


def compare(
    uses: Sequence[Use],
    *,
    names: Sequence[str] = FEATURES,
    against: Sequence[str] = READ_FEATURES,
    ridge: float = 1e-2,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two choices of features, both cross-validated, paired by paper.

    Returns, for each kind that must be refused, the share refused where ANSWERED of the
    answerable are answered, and the AUROC: with `names`, with `against`, and the difference
    with its 95% bootstrap interval. Thresholds are found anew in every resample.
    """
    every = np.array(cross_validate(uses, names=names, ridge=ridge))
    alone = np.array(cross_validate(uses, names=against, ridge=ridge))
    kinds = np.array([use.kind for use in uses])
    places: dict[str, list[int]] = {}
    for place, use in enumerate(uses):
        places.setdefault(use.group, []).append(place)
    groups = [np.array(own) for own in places.values()]
    rng = np.random.default_rng(seed)
    draws = [np.arange(len(uses))]
    draws += [
        np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        for _ in range(_RESAMPLES)
    ]
    figures: dict[str, Any] = {}
    for kind in SHARES:
        if kind == "answerable" or not (kinds == kind).any():
            continue
        refused: list[Any] = []
        ranked: list[Any] = []
        for draw in draws:
            good, bad = draw[kinds[draw] == "answerable"], draw[kinds[draw] == kind]
            if not len(good) or not len(bad):
                continue
            refused.append(
                [(c[bad] < np.quantile(c[good], 1 - ANSWERED)).mean() for c in (every, alone)]
            )
            if len(ranked) < _RESAMPLES // 4:
                truth = [True] * len(good) + [False] * len(bad)
                ranked.append(
                    [auroc(truth, [*c[good].tolist(), *c[bad].tolist()]) for c in (every, alone)]
                )
        figures[f"refused: {kind}"] = _pair(np.array(refused), int((kinds == kind).sum()))
        figures[f"auroc: {kind}"] = _pair(np.array(ranked, dtype=float), int((kinds == kind).sum()))
    return figures


def _pair(values: NDArray[np.float64], n: int) -> dict[str, Any]:
    """The first row is measured, the others resampled; columns are with all and the compared."""
    gain = values[1:, 0] - values[1:, 1]
    low, high = np.quantile(gain, [0.025, 0.975])
    own_low, own_high = np.quantile(values[1:, 0], [0.025, 0.975])
    return {
        "all": round(float(values[0, 0]), 3),
        "low": round(float(own_low), 3),
        "high": round(float(own_high), 3),
        "compared with": round(float(values[0, 1]), 3),
        "gain": round(float(values[0, 0] - values[0, 1]), 3),
        "gain low": round(float(low), 3),
        "gain high": round(float(high), 3),
        "n": n,
    }


def summarise(uses: Sequence[Use], chances: Sequence[float], threshold: float) -> dict[str, Any]:
    """Return what is refused at a threshold, by kind, and how well the probability is calibrated.

    Calibration means something only for a stated mix: that of SHARES, by repeating.
    """
    figures: dict[str, Any] = {}
    scored = list(zip(uses, chances, strict=True))
    for kind in SHARES:
        own = [(use, chance) for use, chance in scored if use.kind == kind]
        figures[f"refused: {kind}"] = estimate_mean(
            [float(chance < threshold) for _, chance in own], clusters=[u.group for u, _ in own]
        ).rounded()
    counts = Counter(use.kind for use in uses)
    mixed = [
        (chance, use.stated)
        for use, chance in scored
        for _ in range(round(_REPEATS * SHARES[use.kind] / counts[use.kind]))
    ]
    said, stated = [chance for chance, _ in mixed], [stated for _, stated in mixed]
    figures["calibration error"] = expected_calibration_error(said, stated)
    figures["reliability"] = [
        [round(b.confidence, 3), round(b.accuracy, 3), round(b.count / len(mixed), 3)]
        for b in reliability_bins(said, stated)
    ]
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit on dev, or measure what is shipped on test; prints JSON."""
    parser = argparse.ArgumentParser(prog="askpapers.training.answerability", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("dev", "test"), default="dev")
    parser.add_argument("--uses", type=Path, help="JSON Lines of the features, made when missing")
    parser.add_argument("--cache", type=Path, help="folder for vectors, to run again sooner")
    chosen = parser.parse_args(arguments)

    home = home_folder()
    if chosen.uses is not None and chosen.uses.is_file():
        lines = chosen.uses.read_text("utf-8").splitlines()
        uses = [Use(**json.loads(line)) for line in lines]
    else:
        pool, questions = load_questions(chosen.data, chosen.split)
        likelihood = open_likelihood(home=home)
        search = open_search(
            pool,
            open_embedder("embedder", home=home),
            open_reader(home=home),
            likelihood,
            open_second_reader(likelihood, home=home),
            chosen.cache,
        )
        uses = gather(search, questions, lambda text: print(text, file=sys.stderr))
        if chosen.uses is not None:
            rows = ({"kind": u.kind, "group": u.group, "features": u.features} for u in uses)
            chosen.uses.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    measure = fit_on if chosen.split == "dev" else measure_shipped
    print(json.dumps({reader: measure(uses, reader) for reader in READERS}, indent=1))


def fit_on(uses: Sequence[Use], reader: str) -> dict[str, Any]:
    """Return the parameters for a reader's manifest, and what they refuse by cross-validation."""
    names, against = READERS[reader]
    uses = [use for use in uses if set(names) <= set(use.features)]
    calibration = fit_calibration(uses, names=names)
    chances = [estimate(use.features, calibration) for use in uses]
    parameters = {
        "abstain_below": round(find_threshold(chances, uses), 4),
        "answerability": {"intercept": calibration.intercept, **calibration.weights},
    }
    chances = cross_validate(uses, names=names)
    return {
        "parameters": parameters,
        "compared": compare(uses, names=names, against=against),
        "figures": summarise(uses, chances, find_threshold(chances, uses)),
    }


def measure_shipped(uses: Sequence[Use], reader: str) -> dict[str, Any]:
    """Return what the shipped parameters of a reader's manifest refuse."""
    parameters = get_manifest(reader).parameters
    calibration = Calibration.from_parameters(parameters)
    uses = [use for use in uses if set(calibration.weights) <= set(use.features)]
    chances = [estimate(use.features, calibration) for use in uses]
    return summarise(uses, chances, float(parameters["abstain_below"]))


if __name__ == "__main__":
    main()
