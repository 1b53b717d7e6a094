"""Trains the second reader.

`python -m askpapers.training.second_reader --data DIR --work DIR --out FILE`

Each example is a question with the three sentences that the reader finds best in one abstract, and
whether they state what is asked: near misses and answered questions in equal parts, questions
whose evidence was taken out of their abstract, and questions shown another abstract. The model
learns to go on with yes or no. Deterministic for a seed, and resumable: the state is written every
few steps, and the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from askpapers.encoders.llama import MAX_TOKENS, load_llama
from askpapers.encoders.low_rank import DOWN, UP, merge_adapter
from askpapers.encoders.reader import Reader
from askpapers.likelihood import show_best
from askpapers.metrics.classification import auroc
from askpapers.models import get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.resources import home_folder
from askpapers.second_reader import NO, SENTENCES, YES, make_request
from askpapers.tokens import load_encoding
from askpapers.training.adapter_model import (
    add_lora,
    learning_rate_at,
    lora_tensors,
    restore_state,
    save_state,
)
from askpapers.training.answerability import HELD_OUT
from askpapers.training.fusion import open_reader
from askpapers.training.likelihood import SCALE
from askpapers.training.reader_data import (
    Question,
    TermNeighbours,
    join_splits,
    load_abstractqa,
    load_written_questions,
)
from askpapers.training.written import Abstract

RANK = 8
BLOCKS = 14
"""So many of the last blocks have an adapter; those before stay the likelihood's."""
_NEAR = 4


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights, besides the data.

    Counts are of examples by kind: answered questions in an abstract's words and in others (the
    first from abstracts that have a near miss too), evidence taken out, another abstract shown.
    `steps` is after how many the rate comes to its end, 0 for one epoch.
    """

    seed: int = 5
    plain: int = 5_500
    paraphrases: int = 1_500
    removed: int = 1_500
    other: int = 500
    learning_rate: float = 6e-4
    warmup_steps: int = 30
    final_share: float = 0.05
    batch: int = 16
    clip_norm: float = 1.0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a passage, and whether the passage states what is asked."""

    question: str
    passage: str
    stated: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with the abstract that it is shown, less the sentences that were taken out."""

    question: Question
    paper: Abstract
    removed: frozenset[int]
    stated: bool
    kind: str


def choose_shown(data: Path, recipe: Recipe) -> list[Shown]:
    """Return what is to be learnt from, drawn by the seed."""
    parts, asked = load_abstractqa(data / "abstractqa")
    papers, written = load_written_questions(data)
    pool = {**join_splits({"train": parts["train"]}), **papers}
    questions = [*written, *asked["train"]]
    rng = random.Random(recipe.seed)
    missed = [q for q in questions if not q.evidence]
    plain = [q for q in questions if q.evidence and q.kind != "paraphrase"]
    others = [q for q in questions if q.evidence and q.kind == "paraphrase"]
    rng.shuffle(plain)
    rng.shuffle(others)
    twins = {q.paper for q in missed}
    plain.sort(key=lambda q: q.paper not in twins)
    rest = [*plain[recipe.plain :], *others[recipe.paraphrases :]]
    rng.shuffle(rest)
    none: frozenset[int] = frozenset()
    shown = [Shown(q, pool[q.paper], none, False, "near miss") for q in missed]
    answered = [*plain[: recipe.plain], *others[: recipe.paraphrases]]
    shown += [Shown(q, pool[q.paper], none, True, "answered") for q in answered]
    shown += [
        Shown(q, pool[q.paper], frozenset(q.evidence), False, "evidence removed")
        for q in rest[: recipe.removed]
    ]
    neighbours = TermNeighbours(list(pool.values()))
    for q in rest[recipe.removed : recipe.removed + recipe.other]:
        near = neighbours.find(f"{q.text} {pool[q.paper].title}", _NEAR)
        near = [key for key in near if key != q.paper]
        if near:
            shown.append(Shown(q, pool[rng.choice(near)], none, False, "another abstract"))
    return shown


def choose_measured(data: Path) -> dict[str, list[Shown]]:
    """Return what is measured, by set: questions that no weights have learnt from."""
    parts, asked = load_abstractqa(data / "abstractqa")
    papers, written = load_written_questions(data, HELD_OUT)
    pool = {**join_splits(parts), **papers}
    return {
        name: [Shown(q, pool[q.paper], frozenset(), bool(q.evidence), q.kind) for q in questions]
        for name, questions in (("dev", asked["dev"]), ("held out", written))
    }


def make_examples(shown: Sequence[Shown], reader: Reader) -> list[Example]:
    """Return what the model sees of each: the sentences that the reader finds best."""
    examples = []
    for one in shown:
        kept = [s for place, s in enumerate(one.paper.sentences) if place not in one.removed]
        if kept:
            (reading,) = reader.read(one.question.text, [(one.paper.title, kept)])
            passage = show_best(one.paper.title, kept, reading.sentences, SENTENCES)
            examples.append(Example(one.question.text, passage, one.stated, one.kind))
    return examples


def make_batches(
    examples: Sequence[tuple[Sequence[int], bool]], size: int, rng: random.Random
) -> list[list[tuple[Sequence[int], bool]]]:
    """Return batches of like lengths in random order; (tokens, stated) each."""
    shuffled = list(examples)
    rng.shuffle(shuffled)
    batches = []
    for start in range(0, len(shuffled), 20 * size):
        alike = sorted(shuffled[start : start + 20 * size], key=lambda one: len(one[0]))
        own = [alike[i : i + size] for i in range(0, len(alike), size)]
        rng.shuffle(own)
        batches += own
    return batches


def next_logits(network: Any, texts: Sequence[Sequence[int]]) -> Any:
    """Return the logits, float32 (n, vocabulary), of the token behind each text."""
    import torch

    # Lengths in steps of 8 keep the number of shapes small.
    length = 8 * math.ceil(max(map(len, texts)) / 8)
    tokens = torch.zeros(len(texts), length, dtype=torch.long)
    for row, ids in enumerate(texts):
        tokens[row, : len(ids)] = torch.tensor(ids)
    last = torch.tensor([len(ids) - 1 for ids in texts])
    states = network(tokens)[torch.arange(len(texts)), last]
    return network.predict(states).float()


def train(
    network: Any,
    batches: Sequence[Sequence[tuple[Sequence[int], bool]]],
    answers: tuple[int, int],
    work: Path,
    recipe: Recipe,
    *,
    save_every: int = 100,
) -> None:
    """Train (or go on training) the adapters in `network`.

    Args:
        network: as `load_network` returned it.
        batches: tokens of the requests, and whether what they ask is stated.
        answers: the tokens of yes and no.
        work: folder for the state; one there of another recipe is an error.
        recipe: what decides the weights.
        save_every: steps between two states.

    Raises:
        MismatchError: the state in `work` is of another recipe.
    """
    import torch

    work.mkdir(parents=True, exist_ok=True)
    tensors = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(tensors, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
    file = work / "state.pt"
    done = restore_state(file, network, optimizer, asdict(recipe))
    steps = recipe.steps or len(batches)
    started, recent = time.monotonic(), []
    for step in range(done, min(steps, len(batches))):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, steps, recipe)
        texts, stated = zip(*batches[step], strict=True)
        targets = torch.tensor([answers[0] if true else answers[1] for true in stated])
        loss = torch.nn.functional.cross_entropy(next_logits(network, texts), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        recent.append(loss.item())
        if step % 20 == 0 or step + 1 == steps:
            pace = (time.monotonic() - started) / (step + 1 - done)
            note = {"step": step, "of": steps, "nats": round(sum(recent) / len(recent), 3)}
            print(json.dumps(note | {"seconds": round(pace, 2)}), file=sys.stderr, flush=True)
            recent = []
        if (step + 1) % save_every == 0 or step + 1 == steps:
            save_state(file, step + 1, network, optimizer, asdict(recipe))


def load_network(gguf: Path, likelihood: Path, *, seed: int) -> Any:
    """Return the likelihood's network in bfloat16 with new adapters beside its last blocks."""
    import torch

    network = load_llama(gguf)
    merge_adapter(network, likelihood)
    network.to(torch.bfloat16)
    add_lora(network.blk[-BLOCKS:], seed=seed, rank=RANK, alpha=SCALE * RANK)
    return network


def write_adapter(network: Any, path: Path) -> None:
    """Write the adapters as a low-rank adapter over the GGUF's layers (see `encoders.low_rank`)."""
    from safetensors.torch import save_file

    written = {}
    for name, tensor in lora_tensors(network).items():
        layer, _, side = name.rpartition(".lora_")
        scaled = tensor.float() * (SCALE if side == "b" else 1.0)
        written[layer + (UP if side == "b" else DOWN)] = scaled.half().contiguous()
    save_file(written, path)


def measure(
    network: Any,
    examples: Sequence[Example],
    encode: Callable[[Example], list[int]],
    answers: tuple[int, int],
) -> dict[str, Any]:
    """Return how well answered questions are parted from near misses."""
    import torch

    told = []
    with torch.inference_mode():
        for example in examples:
            logits = next_logits(network, [encode(example)])[0]
            told.append(float(logits[answers[0]] - logits[answers[1]]))
    truth = [example.stated for example in examples]
    figures = {"n": len(examples), "auroc": round(auroc(truth, told) or 0.0, 4)}
    plain = [place for place, one in enumerate(examples) if one.kind != "paraphrase"]
    without = auroc([truth[i] for i in plain], [told[i] for i in plain])
    return figures | {"without paraphrases": round(without or 0.0, 4)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; prints what was measured as JSON."""
    parser = argparse.ArgumentParser(description="Train the second reader.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--work", type=Path, required=True, help="folder for the state")
    parser.add_argument("--out", type=Path, required=True, help="the weights to write")
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    home = home_folder()
    recipe = Recipe(seed=options.seed, steps=options.steps)
    base = get_file(get_manifest("smollm2-135m"), home=home)
    encoding = load_encoding(base.path, digest=base.digest, cache=home / "vocabularies")
    assert encoding is not None, "the vocabulary of the base model is one that is known"
    prompt = load_prompt("second-reader")

    def encode(example: Example) -> list[int]:
        request = make_request(example.question, example.passage, prompt)
        return encoding.encode_ordinary(request)[-MAX_TOKENS:]

    yes, no = (encoding.encode_ordinary(answer)[0] for answer in (YES, NO))
    reader = open_reader(home=home)
    examples = make_examples(choose_shown(options.data, recipe), reader)
    rng = random.Random(recipe.seed)
    batches = make_batches([(encode(e), e.stated) for e in examples], recipe.batch, rng)
    likelihood = get_file(get_manifest("likelihood"), home=home).path
    network = load_network(base.path, likelihood, seed=recipe.seed)
    train(network, batches, (yes, no), options.work, recipe)
    write_adapter(network, options.out)
    for name, shown in choose_measured(options.data).items():
        figures = measure(network, make_examples(shown, reader), encode, (yes, no))
        print(json.dumps({"set": name} | figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
