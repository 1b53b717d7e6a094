"""Measures what each part of the search buys: `python -m askpapers.training.ablation --data DIR`.

Every row is a ranking of the same candidates: one search alone, the fitted fusion, the fusion with
one part left out and fitted again, and the fusion with the reader. Weights are fitted on
abstractqa's dev questions and the held-out SciFact claims; for those two the figures come from
five-fold cross-validation over questions, abstractqa's test questions, Cranfield and CISI are
only measured. The stock embedder ranks for comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askpapers.fusion import FEATURES, Fusion
from askpapers.metrics.retrieval import hit_at_k, ndcg_at_k
from askpapers.metrics.statistics import estimate_difference, estimate_mean
from askpapers.training.fusion import (
    UNFITTED,
    Bench,
    Case,
    fit_first,
    fit_reader,
    fitting_questions,
    open_embedder,
    open_reader,
)

FOLDS = 5
SETS = ("abstractqa:dev", "abstractqa:test", "scifact", "cranfield", "cisi")
_ALONE: dict[str, dict[str, float]] = {
    "BM25": {"whole": 1.0, "title": 0.3},
    "passages": {"passage": 1.0},
    "sentences": {"sentence": 1.0},
}
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "without passage vectors": ("passage",),
    "without sentence vectors": ("sentence",),
    "without BM25": ("title", "whole", "coverage"),
    "without BM25 of the title": ("title",),
    "without coverage": ("coverage",),
}
Order = Callable[[Case], list[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One way of ranking, with its value for every judged question of every set."""

    name: str
    values: Mapping[str, Sequence[float]]


def order_by(case: Case, scores: np.ndarray) -> list[str]:
    """Candidates by score, best first; ties keep the searches' order."""
    return [case.paper_ids[i] for i in np.argsort(-scores, kind="stable")]


def order_alone(weights: Mapping[str, float]) -> Order:
    """Rank by raw features."""
    row = np.array([weights.get(name, 0.0) for name in FEATURES])
    return lambda case: order_by(case, case.features @ row)


def order_fused(fusion: Fusion) -> Order:
    """Rank by the first stage."""
    return lambda case: order_by(case, fusion.score(case.features))


def order_read(fusion: Fusion) -> Order:
    """Rank by the first stage, then the papers that were read by the second."""

    def order(case: Case) -> list[str]:
        first = fusion.score(case.features)
        read = list(case.read_rows)
        final = fusion.score_read([float(first[i]) for i in read], case.readings)
        top = [case.paper_ids[read[i]] for i in np.argsort(-final, kind="stable")]
        return top + [p for p in order_by(case, first) if p not in set(top)]

    return order


def fit_parts(cases: Sequence[Case], leave_out: Sequence[str] = ()) -> Fusion:
    """Fit the first stage and, where papers were read, the second."""
    first = fit_first(cases, leave_out)
    parts = {"first": first, "reader": UNFITTED.reader, "confidence": UNFITTED.confidence}
    fusion = Fusion.from_parameters(parts)
    read = [case for case in cases if case.readings]
    if read:
        fusion = Fusion.from_parameters({**parts, "reader": fit_reader(read, fusion)})
    return fusion


def measure(name: str, case: Case, ranked: Sequence[str]) -> float:
    """Paper first (abstractqa) or nDCG@10 (the others)."""
    if name.startswith("abstractqa"):
        return hit_at_k(ranked, case.question.judgements, 1) or 0.0
    return ndcg_at_k(ranked, case.question.judgements, 10) or 0.0


def measure_fixed(name: str, order: Order, sets: Mapping[str, Sequence[Case]]) -> Row:
    """Measure a ranking that has nothing to fit."""
    return Row(name, {s: [measure(s, c, order(c)) for c in cases] for s, cases in sets.items()})


def measure_fitted(
    name: str,
    sets: Mapping[str, Sequence[Case]],
    make: Callable[[Fusion], Order],
    leave_out: Sequence[str] = (),
) -> Row:
    """Fit on dev and SciFact and measure: by folds there, with all of them elsewhere."""
    fitting = [("abstractqa:dev", c) for c in sets["abstractqa:dev"]]
    fitting += [("scifact", c) for c in sets["scifact"]]
    folds = np.random.default_rng(0).permutation(len(fitting)) % FOLDS
    values: dict[str, list[float]] = {s: [] for s in sets}
    for fold in range(FOLDS):
        train = [c for (_, c), f in zip(fitting, folds, strict=True) if f != fold]
        order = make(fit_parts(train, leave_out))
        for (s, case), f in zip(fitting, folds, strict=True):
            if f == fold:
                values[s].append(measure(s, case, order(case)))
    order = make(fit_parts([c for _, c in fitting], leave_out))
    for s, cases in sets.items():
        if s not in ("abstractqa:dev", "scifact"):
            values[s] = [measure(s, case, order(case)) for case in cases]
    # Folds shuffle the questions; sorting back keeps rows paired.
    for s in ("abstractqa:dev", "scifact"):
        places = [f for (t, _), f in zip(fitting, folds, strict=True) if t == s]
        back = np.empty(len(places))
        back[np.argsort(places, kind="stable")] = values[s]
        values[s] = back.tolist()
    return Row(name, values)


def write_table(rows: Sequence[Row], counts: Mapping[str, int]) -> str:
    """A markdown table with 95% bootstrap intervals."""
    head = "| ranking | " + " | ".join(f"{s} (n={n})" for s, n in counts.items()) + " |"
    lines = [head, "|---" * (len(counts) + 1) + "|"]
    for row in rows:
        cells = []
        for s in counts:
            found = estimate_mean(list(row.values[s])) if s in row.values else None
            cells.append(
                f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
                if found is not None and found.value is not None
                else ""
            )
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare_rows(first: Row, second: Row) -> str:
    """Paired differences of two rows, a line a set."""
    lines = []
    for s, values in first.values.items():
        gap = estimate_difference(list(values), list(second.values[s]))
        lines.append(
            f"- {s}: {second.name} minus {first.name} = {gap.value:+.3f} "
            f"[{gap.low:+.3f}, {gap.high:+.3f}]"
        )
    return "\n".join(lines)


def gather_sets(
    data: Path, embedder_name: str, *, home: Path, cache: Path | None, sets: Sequence[str]
) -> tuple[dict[str, Bench], dict[str, list[Case]]]:
    """Search every set's judged questions once."""
    embedder = open_embedder(embedder_name, home=home)
    benches: dict[str, Bench] = {}
    cases: dict[str, list[Case]] = {}
    for s in sets:
        name, _, split = s.partition(":")
        benches[s] = Bench(name, data, embedder, split=split or "dev", cache=cache)
        asked = [q for q in fitting_questions(name, benches[s].questions) if q.judgements]
        cases[s] = [benches[s].gather(q) for q in asked]
    return benches, cases


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="folder for vectors, to run again sooner")
    parser.add_argument("--no-reader", action="store_true")
    parser.add_argument("--no-stock", action="store_true", help="leave out the stock embedder")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    options = parser.parse_args(arguments)

    from askpapers.resources import home_folder

    home = home_folder()
    options.sets = list(dict.fromkeys(["abstractqa:dev", "scifact", *options.sets]))
    benches, cases = gather_sets(
        options.data, "embedder", home=home, cache=options.cache, sets=options.sets
    )
    rows = [measure_fixed(name, order_alone(w), cases) for name, w in _ALONE.items()]
    if not options.no_stock:
        _, stock = gather_sets(
            options.data, "all-minilm-l6-v2", home=home, cache=options.cache, sets=options.sets
        )
        alone = order_alone(_ALONE["passages"])
        rows.insert(1, measure_fixed("passages, stock embedder", alone, stock))
        rows.append(measure_fitted("fusion, stock embedder", stock, order_fused))
    fused = measure_fitted("fusion", cases, order_fused)
    rows.append(fused)
    for name, leave_out in _LEFT_OUT.items():
        rows.append(measure_fitted(f"fusion {name}", cases, order_fused, leave_out))
    notes = []
    if not options.no_reader:
        reader = open_reader(home=home)
        first = fit_parts([*cases["abstractqa:dev"], *cases["scifact"]])
        read = {s: [benches[s].read(c, reader, first) for c in cases[s]] for s in cases}
        rows.append(measure_fitted("fusion and reader", read, order_read))
        notes.append(compare_rows(fused, rows[-1]))
    notes.insert(0, compare_rows(rows[0], fused))
    print(write_table(rows, {s: len(cases[s]) for s in cases}))
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
