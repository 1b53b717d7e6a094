"""Trains the reader: `python -m askpapers.training.reader --data DIR --out FILE.safetensors`.

A first phase reads questions made by rule and titles (what kind of answer does a sentence hold?),
then cycles over the hand-written questions and SciFact's claims follow, each cycle with its own
warm-up and decay. Deterministic for a seed on one machine; `--work DIR` keeps checkpoints and an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askpapers.encoders.mean_bert import MeanBert
from askpapers.encoders.reader import ReaderNetwork, WindowCutter, stack
from askpapers.training.reader_data import (
    Item,
    Question,
    TermNeighbours,
    load_abstractqa,
    load_off_topic,
    load_scifact,
    load_wider,
    load_written_questions,
    name_item,
    question_item,
    rule_item,
    title_item,
)
from askpapers.training.written import Abstract

if TYPE_CHECKING:
    from torch import Tensor


MAX_TOKENS_NEAR = 176
"""Word pieces of a paper that are read to find its neighbours."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice of a run. Sizes are items (questions), rates are AdamW's.

    Of the written questions those from place `written_from` on are learnt, and `replay` (0..1) of
    those before, drawn by seed.
    """

    seed: int = 20
    wider: int = 5000
    written_from: int = 0
    replay: float = 0.0
    rule_items: int = 1000
    title_items: int = 200
    cycles: tuple[float, ...] = (1.0, 0.6)
    negatives: int = 1
    share_removed: float = 0.3
    share_cropped: float = 0.6
    claim_share: float = 0.4
    rule_share: float = 0.1
    name_share: float = 0.3
    batch: int = 8
    micro_batch: int = 8
    frozen_layers: int = 2
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: float = 0.06


@dataclass(frozen=True, slots=True)
class Step:
    """One update: its items, the factor on the learning rates, and whether a cycle ends here."""

    items: tuple[Item, ...]
    factor: float
    ends: bool = False


def find_neighbours(
    space: MeanBert,
    papers: Sequence[Abstract],
    questions: Sequence[Question],
    *,
    asking: MeanBert | None = None,
    count: int = 12,
    keep_own: bool = False,
) -> dict[str, list[str]]:
    """Return, by question, the keys of papers near it in terms and in the space of `space`.

    Questions are read by `asking`, or by `space` too. The two rankings take turns; the question's
    own paper is left out unless `keep_own`.
    """
    by_terms = TermNeighbours(papers)
    passages = space.embed([f"{p.title}. {' '.join(p.sentences)}" for p in papers])
    asked = (asking or space).embed([q.text for q in questions])
    nearest = (-(asked @ passages.T)).argsort(axis=1)[:, : min(count, len(papers))].tolist()
    found: dict[str, list[str]] = {}
    for question, places in zip(questions, nearest, strict=True):
        dense = [papers[place].key for place in places]
        lexical = by_terms.find(question.text, count)
        mixed: dict[str, None] = {}
        for pair in zip(dense, [*lexical, *dense][: len(dense)], strict=True):
            mixed.update(dict.fromkeys(pair))
        found[question.key] = [key for key in mixed if keep_own or key != question.paper]
    return found


def plan(
    data: Path, space: MeanBert, recipe: Recipe, *, asking: MeanBert | None = None
) -> list[Step]:
    """Return every step of the run in order: first the rules, then the cycles.

    The hardest wrong papers are those near in `space`, where questions are read by `asking`.
    """
    papers, questions = load_abstractqa(data / "abstractqa")
    more_papers, more = load_written_questions(data)
    before = more[: recipe.written_from]
    again = random.Random(recipe.seed).sample(before, round(recipe.replay * len(before)))
    asked = [*questions["train"], *more[recipe.written_from :], *again, *load_off_topic()]
    known = [p.title for split in papers.values() for p in split.values()]
    wider = load_wider(
        data / "ml_abstracts.jsonl.xz", recipe.wider, skip_titles=known, seed=recipe.seed
    )
    claims_papers, claims = load_scifact(
        data / "faithfulness/scifact/pairs_train.jsonl.xz", held_out=False
    )
    own = [*papers["train"].values(), *more_papers.values()]
    near = find_neighbours(space, [*own, *wider], asked, asking=asking)
    near |= find_neighbours(space, list(claims_papers.values()), claims, asking=asking)
    by_key = {p.key: p for p in [*own, *wider]} | claims_papers

    rng = random.Random(recipe.seed)
    made = (
        (name_item if rng.random() < recipe.name_share else rule_item)(
            rng.choice(wider), rng.choice(wider), rng
        )
        for _ in iter(int, 1)
    )
    rules = (item for item in made if item is not None)

    first = [next(rules) for _ in range(recipe.rule_items)]
    first += [
        title_item(rng.choice(wider), rng.choice(wider), rng) for _ in range(recipe.title_items)
    ]
    steps = _shuffled(first, recipe, rng)
    for epochs in recipe.cycles:
        items: list[Item] = []
        for _ in range(math.ceil(epochs)):
            epoch = [
                question_item(
                    q,
                    by_key,
                    near[q.key],
                    rng,
                    negatives=recipe.negatives,
                    share_removed=recipe.share_removed,
                    share_cropped=recipe.share_cropped,
                )
                for q in [
                    *asked,
                    *rng.sample(claims, int(recipe.claim_share * len(claims))),
                ]
            ]
            epoch += [next(rules) for _ in range(int(recipe.rule_share * len(epoch)))]
            rng.shuffle(epoch)
            items += epoch
        steps += _steps(items[: round(len(items) * epochs / math.ceil(epochs))], recipe)
    return steps


def _shuffled(items: list[Item], recipe: Recipe, rng: random.Random) -> list[Step]:
    rng.shuffle(items)
    return _steps(items, recipe)


def _steps(items: Sequence[Item], recipe: Recipe) -> list[Step]:
    """Cut items into steps with one warm-up and a linear decay to nothing."""
    count = math.ceil(len(items) / recipe.batch)
    rise = max(1, round(recipe.warm_up * count))
    steps: list[Step] = []
    for number in range(count):
        factor = min((number + 1) / rise, (count - number) / max(1, count - rise), 1.0)
        batch = items[number * recipe.batch : (number + 1) * recipe.batch]
        steps.append(Step(tuple(batch), factor, ends=number + 1 == count))
    return steps


def loss_of(network: ReaderNetwork, cutter: WindowCutter, items: Sequence[Item], micro: int) -> Any:
    """Return the loss of a batch of items and its parts as numbers.

    Listwise losses compare the sentences of all sheets of one question, and its papers; binary
    cross entropy keeps the same scores readable as probabilities.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as bce

    flat = [(i, s) for i, item in enumerate(items) for s in range(len(item.sheets))]
    windows = {
        (i, s): cutter.cut(
            items[i].question, items[i].sheets[s].title, items[i].sheets[s].sentences
        )[0]
        for i, s in flat
    }
    flat.sort(key=lambda key: len(windows[key].ids))
    relevance: dict[tuple[int, int], Tensor] = {}
    answerable: dict[tuple[int, int], Tensor] = {}
    told: dict[tuple[int, int], Tensor] = {}
    # One autocast context per step: a longer one would keep stale casts of the weights.
    with torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(flat), micro):
            batch = flat[start : start + micro]
            ids, segments = stack([windows[key] for key in batch], cutter.pad)
            logits = network.score(ids, segments, cutter.pad)
            for place, key in enumerate(batch):
                relevance[key] = logits.relevance[place]
                answerable[key] = logits.answerable[place]
                told[key] = logits.sentences[place][: windows[key].count]

    parts: dict[str, list[Tensor]] = {k: [] for k in ("pick", "each", "rank", "paper", "answer")}
    for i, item in enumerate(items):
        candidates, marks = [], []
        for s, sheet in enumerate(item.sheets):
            key = (i, s)
            if sheet.relevant is not None:
                target = relevance[key].new_tensor(float(sheet.relevant))
                parts["paper"].append(bce(relevance[key], target))
            if sheet.answerable is not None:
                target = answerable[key].new_tensor(float(sheet.answerable))
                parts["answer"].append(bce(answerable[key], target))
            if sheet.evidence is not None:
                mark = torch.zeros(len(told[key]))
                mark[[e for e in sheet.evidence if e < len(mark)]] = 1.0
                candidates.append(told[key])
                marks.append(mark)
                parts["each"].append(bce(told[key], mark))
        if marks and sum(float(m.sum()) for m in marks) > 0:
            scores, mark = torch.cat(candidates), torch.cat(marks).bool()
            spread = scores.log_softmax(0)[mark]
            # any evidence sentence first is right; all of them high is better
            parts["pick"].append(-0.5 * spread.logsumexp(0) - 0.5 * spread.mean())
        shown = [(i, s) for s, sheet in enumerate(item.sheets) if sheet.relevant is not None]
        if len(shown) > 1 and item.sheets[0].relevant:
            scores = torch.stack([relevance[key] for key in shown])
            parts["rank"].append(-scores.log_softmax(0)[0])
    weights = {"pick": 1.0, "each": 1.0, "rank": 0.7, "paper": 0.5, "answer": 1.0}
    means = {name: torch.stack(values).mean() for name, values in parts.items() if values}
    total = sum(weights[name] * value for name, value in means.items())
    return total, {name: float(value.detach()) for name, value in means.items()}


def train(
    data: Path,
    base: Path,
    work: Path,
    recipe: Recipe,
    *,
    embedder: Path | None = None,
    questions: Path | None = None,
    start: Path | None = None,
) -> ReaderNetwork:
    """Run the whole recipe, or what is left of it after `work/checkpoint.pt`.

    It begins with the weights `start` of a reader, or with MiniLM and fresh heads.

    Returns the mean of the weights at the ends of the cycles: the first cycle's are better at
    picking sentences, later ones at answerability, and their mean at both (Izmailov et al.,
    "Averaging Weights Leads to Wider Optima", UAI 2018). Each stays in `work` as
    `step-N.safetensors`. The hardest wrong papers are found with the weights `embedder` over
    MiniLM, or with MiniLM's own, and the adapter `questions` for what is asked.
    """
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(recipe.seed)
    cutter, network = WindowCutter(base), ReaderNetwork(base)
    space = MeanBert(base, max_tokens=MAX_TOKENS_NEAR, weights=embedder)
    asking = None
    if questions is not None:
        asking = MeanBert(base, max_tokens=MAX_TOKENS_NEAR, weights=embedder, adapter=questions)
    steps = plan(data, space, recipe, asking=asking)
    if start is not None:
        network.load(load_file(start), source=str(start))
    network.freeze(recipe.frozen_layers)
    slow = [p for p in network.modules["bert"].parameters() if p.requires_grad]
    fast = [p for n, p in network.modules.named_parameters() if not n.startswith("bert.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": slow, "lr": recipe.encoder_rate, "weight_decay": recipe.weight_decay},
            {"params": fast, "lr": recipe.head_rate, "weight_decay": recipe.weight_decay},
        ]
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    path, done = work / "checkpoint.pt", 0
    if path.is_file():
        saved = torch.load(path, weights_only=False)
        done = saved["done"]
        network.modules.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
    started, kept = time.monotonic(), time.monotonic()
    running: dict[str, float] = {}
    network.modules.train()
    for number, step in enumerate(steps[done:], start=done):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * step.factor
        optimizer.zero_grad(set_to_none=True)
        loss, parts = loss_of(network, cutter, step.items, recipe.micro_batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*slow, *fast], 1.0)
        optimizer.step()
        for name, value in parts.items():
            running[name] = 0.97 * running.get(name, value) + 0.03 * value
        last = number + 1 == len(steps)
        if step.ends:
            save_file(network.weights(), work / f"step-{number + 1}.safetensors")
        if number % 25 == 0 or last:
            report = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            spent = time.monotonic() - started
            print(
                f"step {number + 1}/{len(steps)} {spent:.0f}s {report}", file=sys.stderr, flush=True
            )
        if last or time.monotonic() - kept > 240:
            state = {
                "done": number + 1,
                "network": network.modules.state_dict(),
                "optimizer": optimizer.state_dict(),
                "rng": torch.get_rng_state(),
            }
            torch.save(state, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            kept = time.monotonic()
    ends = [number + 1 for number, step in enumerate(steps) if step.ends][-len(recipe.cycles) :]
    saved_ends = [load_file(work / f"step-{end}.safetensors") for end in ends]
    mean = {
        name: torch.stack([weights[name].float() for weights in saved_ends]).mean(0)
        for name in saved_ends[0]
    }
    network.load(mean, source=str(work))
    return network


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line and write the weights."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(prog="askpapers.training.reader", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.safetensors)")
    parser.add_argument("--base", type=Path, help="MiniLM folder; default: the installed package")
    parser.add_argument("--work", type=Path, help="folder of checkpoints; default: beside --out")
    parser.add_argument("--embedder", type=Path, help="tuned weights that find hard negatives")
    parser.add_argument("--questions", type=Path, help="adapter that questions are read with")
    parser.add_argument(
        "--written-from", type=int, default=defaults.written_from, help="first written question"
    )
    parser.add_argument(
        "--replay", type=float, default=defaults.replay, help="share of those before it"
    )
    parser.add_argument("--start", type=Path, help="a reader's weights to go on from")
    parser.add_argument("--negatives", type=int, default=defaults.negatives)
    parser.add_argument("--rate", type=float, default=defaults.encoder_rate, help="encoder's")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--cycles", type=float, nargs="+", help="epochs of each cycle")
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)

    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(chosen.threads)
    recipe = Recipe(
        seed=chosen.seed,
        written_from=chosen.written_from,
        replay=chosen.replay,
        cycles=tuple(chosen.cycles or defaults.cycles),
        negatives=chosen.negatives,
        encoder_rate=chosen.rate,
        # what the rules teach comes first only where nothing was learnt before
        rule_items=0 if chosen.start else defaults.rule_items,
        title_items=0 if chosen.start else defaults.title_items,
    )
    base = chosen.base or installed_base()
    work = chosen.work or chosen.out.with_suffix(".work")
    work.mkdir(parents=True, exist_ok=True)
    network = train(
        chosen.data,
        base,
        work,
        recipe,
        embedder=chosen.embedder,
        questions=chosen.questions,
        start=chosen.start,
    )
    save_file(network.weights(), chosen.out, metadata={"recipe": json.dumps(repr(recipe))})


def installed_base() -> Path:
    """Return the folder of the MiniLM that its package installed.

    Raises:
        ModelMissing: the package is not installed.
    """
    from askpapers.models import get_file, get_manifest
    from askpapers.resources import home_folder

    return get_file(get_manifest("all-minilm-l6-v2"), home=home_folder()).path.parent


if __name__ == "__main__":
    main()
