"""Trains the judge's network on from human labels.

`python -m askpapers.training.judge_tuning --start RULES.safetensors --data DATA --base FOLDER
--work WORK --out models/judge.safetensors`. `RULES.safetensors` are weights that
`askpapers.training.judge` made from supervision by rule alone. One network is trained for each
fold, which saw nothing of the fold's documents or claims; the regressions are fitted and measured
on what these networks say of their own folds. The shipped network saw all folds, and is measured on
what no network saw: HealthVer, and corruptions of abstracts.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from askpapers.encoders.judge import PairScorer, load_network, load_tokenizer
from askpapers.support.evidence_window import WordWeights, as_sentences, select_window
from askpapers.training.corruptions import make_corruptions
from askpapers.training.judge import Schedule, encode, save, train
from askpapers.training.judge_data import (
    MEASURED_ONLY,
    Example,
    Label,
    find_changes,
    load_abstractqa,
    load_human,
    make_question_claims,
)
from askpapers.training.judge_examples import make_examples
from askpapers.training.judge_stack import (
    Table,
    Tables,
    corruptions,
    fit_judge,
    read_table,
    write_judge,
)

_REPLACING = ("number", "unit", "negation", "direction", "quantifier")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice of a run.

    `repeats` says how often the pairs of a set are read, each time otherwise; a fraction takes
    that share of them. `made` is the number of examples made by rule. `kept` is the share of the
    starting weights in the average that ships.
    """

    seed: int = 7
    folds: int = 3
    rate: float = 6e-5
    tokens_per_batch: int = 4096
    frozen_layers: int = 2
    repeats: tuple[tuple[str, float], ...] = (
        ("scifact", 4.0), ("expertqa", 2.0), ("wice", 2.0), ("summedits", 0.7),
    )  # fmt: skip
    made: int = 3000
    kept: float = 0.5


def assign_folds(examples: Sequence[Example], folds: int) -> np.ndarray:
    """Fold of every example, int (n,): what shares a document or a claim shares its fold."""
    parent: dict[str, str] = {}

    def find(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for example in examples:
        first, second = sorted((find(f"group {example.group}"), find(f"claim {example.claim}")))
        parent[second] = first
    return np.array(
        [
            int(hashlib.sha256(find(f"group {example.group}").encode()).hexdigest(), 16) % folds
            for example in examples
        ]
    )


def vary(example: Example, weights: WordWeights, rng: random.Random) -> Example:
    """The same pair with less evidence: what was marked as its proof, or a narrower window."""
    if example.proofs and rng.random() < 0.6:
        chosen = set(rng.choice(example.proofs))
        chosen.update(rng.sample(range(len(example.evidence)), min(2, len(example.evidence))))
        units = tuple(unit for index, unit in enumerate(example.evidence) if index in chosen)
        return replace(example, evidence=units)
    sentences = as_sentences(example.evidence)
    kept = select_window(example.claim, sentences, weights, max_words=rng.choice((90, 115, 140)))
    return replace(example, evidence=tuple(kept))


def falsify(example: Example, rng: random.Random) -> list[Example]:
    """A supported pair with its claim changed by rule, as at most one example."""
    made = [change for change in make_corruptions(example.claim, rng) if change.kind in _REPLACING]
    if not made:
        return []
    change = rng.choice(made)
    loose = change.kind in {"unit", "quantifier"}
    label: Label = "unsupported" if loose else "contradicted"
    return [
        replace(
            example, claim=change.text, label=label, kind=change.kind,
            changed=find_changes(example.claim, change.text),
        )
    ]  # fmt: skip


def gather(
    human: Sequence[Example], data: Path, weights: WordWeights, recipe: Recipe
) -> list[Example]:
    """What a network reads: human pairs several times, some falsified, and examples made by rule.

    Raises:
        ValueError: a pair is of a set that is for measuring only.
    """
    if any(example.source in MEASURED_ONLY for example in human):
        raise ValueError("A set that is measured only must not be trained on.")
    rng = random.Random(recipe.seed)
    made: list[Example] = []
    for name, repeats in recipe.repeats:
        own = [example for example in human if example.source == name]
        for turn in range(int(repeats)):
            made += own if turn == 0 else [vary(example, weights, rng) for example in own]
        part = round((repeats - int(repeats)) * len(own))
        made += [vary(example, weights, rng) for example in rng.sample(own, part)]
        if name == "scifact":
            for example in own:
                if example.label == "supported":
                    made += falsify(vary(example, weights, rng), rng)
    qa = load_abstractqa(data, "train")
    by_rule = make_examples(qa, rng, per_truth=2, per_source=9, prefix="abstractqa")
    made += rng.sample(by_rule, min(recipe.made, len(by_rule)))
    made += make_question_claims(data)
    rng.shuffle(made)
    return made


def average(network: Any, start: Any, kept: float) -> None:
    """Move the weights of `network` towards those of `start` by the share `kept`, in place.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, section 3.
    """
    import torch

    before = dict(start.named_parameters())
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.lerp_(before[name], kept)


def tune(
    examples: Sequence[Example], start: Path, base: Path, weights: WordWeights, recipe: Recipe
) -> Any:
    """A network trained on from `start` by `examples`, averaged with it."""
    network = load_network(start, base)
    encoded = encode(examples, load_tokenizer(base), weights)
    print(f"{len(encoded)} examples, {sum(len(item.ids) for item in encoded)} pieces", flush=True)
    schedule = Schedule(
        recipe.rate, recipe.tokens_per_batch, minutes=float("inf"),
        frozen_layers=recipe.frozen_layers,
    )  # fmt: skip
    train(network, encoded, schedule, seed=recipe.seed)
    average(network, load_network(start, base), recipe.kept)
    return network


def read_cross_fitted(
    examples: Sequence[Example],
    folds: np.ndarray,
    scorers: Sequence[PairScorer],
    shipped: PairScorer,
    weights: WordWeights,
) -> Table:
    """Numbers of examples, each with the logits of the network that saw nothing of its fold.

    What is measured only was seen by no network: the shipped one reads it, and its fold is -1.
    """
    folds = np.where([e.source in MEASURED_ONLY for e in examples], -1, folds)
    lexical = logits = None
    for fold, scorer in ((-1, shipped), *enumerate(scorers)):
        rows = np.flatnonzero(folds == fold)
        if not len(rows):
            continue
        part = read_table([examples[int(row)] for row in rows], weights, scorer)
        assert part.logits is not None
        if lexical is None or logits is None:
            lexical = np.zeros((len(examples), part.lexical.shape[1]))
            logits = np.zeros((len(examples), part.logits.shape[1]), np.float32)
        lexical[rows], logits[rows] = part.lexical, part.logits
    if lexical is None:
        raise ValueError("There is nothing to read.")
    return Table(examples, lexical, logits, folds)


def main() -> None:
    """Train the folds' networks and the shipped one unless they are there; fit, measure, write."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="weights trained by rule")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="folder of the MiniLM weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for the folds' weights")
    parser.add_argument("--out", type=Path, required=True, help="models/judge.safetensors")
    parser.add_argument("--kept", type=float, default=Recipe().kept)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums are then the same on every run
    recipe = Recipe(seed=options.seed, kept=options.kept)
    options.work.mkdir(parents=True, exist_ok=True)
    weights = WordWeights.load(options.out.with_name("judge-words.txt"))
    human = [example for rows in load_human(options.data).values() for example in rows]
    examples = [*human, *corruptions(options.data, "dev", seed=11)]
    folds = assign_folds(examples, recipe.folds)
    learned = [
        (example, int(fold))
        for example, fold in zip(human, folds[: len(human)], strict=True)
        if example.source not in MEASURED_ONLY
    ]

    def trained(path: Path, chosen: Sequence[Example]) -> PairScorer:
        if not path.is_file():
            read = gather(chosen, options.data, weights, recipe)
            save(tune(read, options.start, options.base, weights, recipe), path)
        return PairScorer.load(path, options.base)

    scorers = [
        trained(options.work / f"fold-{fold}.safetensors", [e for e, own in learned if own != fold])
        for fold in range(recipe.folds)
    ]
    whole = options.work / "whole.safetensors"
    shipped = trained(whole, [e for e, _ in learned])
    tables = Tables(
        read_cross_fitted(examples, folds, scorers, shipped, weights),
        read_table(corruptions(options.data, "test", seed=13), weights, shipped),
    )
    fitted = fit_judge(tables)
    options.out.write_bytes(whole.read_bytes())
    write_judge(fitted, options.out)


if __name__ == "__main__":
    main()
