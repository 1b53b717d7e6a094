"""Trains the adapter of the question's likelihood.

`python -m askpapers.training.likelihood --data DIR --work DIR --out models/likelihood.safetensors`

Each step shows questions with their own abstract's sentences and with another abstract's that is
near either: the model learns to write the question from the first (the mean loss of its tokens)
and to find it likelier there than beside the second (dos Santos et al. 2020, "Beyond [CLS] through
Ranking by Generation", there by a margin, here by a logistic loss). Deterministic for a seed, and
resumable: the state is written every few steps, and the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from askpapers.domain import Paper
from askpapers.encoders.low_rank import DOWN, UP
from askpapers.lexical import LexicalIndex
from askpapers.likelihood import SENTENCES, make_exchange, make_passage
from askpapers.models import get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.resources import home_folder
from askpapers.training.adapter_export import gguf_name, permute_heads
from askpapers.training.adapter_model import (
    add_lora,
    learning_rate_at,
    load_base,
    lora_tensors,
    restore_state,
    save_state,
    token_losses,
)
from askpapers.training.reader_data import (
    Question,
    join_splits,
    load_abstractqa,
    load_written_questions,
)
from askpapers.training.written import Abstract

RANK = 8
SCALE = 2.0
"""LoRA's alpha over its rank."""
_NEAR = 8


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights, besides the data.

    `plain` is the share of questions that are no paraphrases; `scale` takes nats to the log-odds
    of the ranking loss.
    """

    seed: int = 20261129
    questions: int = 12_000
    plain: float = 0.2
    learning_rate: float = 1e-3
    warmup_steps: int = 30
    final_share: float = 0.05
    batch: int = 8
    scale: float = 0.3
    clip_norm: float = 1.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with the passage that answers it and one that doesn't."""

    question: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token numbers of a passage and a question; the question begins at `start`."""

    tokens: tuple[int, ...]
    start: int


def choose_questions(data: Path, recipe: Recipe) -> tuple[dict[str, Abstract], list[Question]]:
    """Return the abstracts by key and the questions to learn from, drawn by the seed."""
    parts, asked = load_abstractqa(data / "abstractqa")
    papers, written = load_written_questions(data)
    pool = {**join_splits({"train": parts["train"]}), **papers}
    stated = [question for question in [*written, *asked["train"]] if question.evidence]
    rng = random.Random(recipe.seed)
    rng.shuffle(stated)
    plain = round(recipe.plain * recipe.questions)
    others = [q for q in stated if q.kind != "paraphrase"][:plain]
    paraphrases = [q for q in stated if q.kind == "paraphrase"][: recipe.questions - len(others)]
    chosen = [*others, *paraphrases]
    rng.shuffle(chosen)
    return pool, chosen


def make_pairs(
    pool: Mapping[str, Abstract], questions: Sequence[Question], rng: random.Random
) -> list[Pair]:
    """Return each question with its own passage and one of another abstract.

    The other is among the first by BM25 for the question or for the title of the right one, by
    turns; its sentences are those that share most with the question.
    """
    papers = [Paper(p.key, p.title, " ".join(p.sentences)) for p in pool.values()]
    index = LexicalIndex.build(papers)
    pairs = []
    for number, question in enumerate(questions):
        right = pool[question.paper]
        query = question.text if number % 2 else right.title
        found = index.rank(index.score(query).whole, _NEAR + 1)
        near = [index.paper_ids[i] for i in found if index.paper_ids[i] != right.key]
        wrong = pool[rng.choice(near or sorted(pool))]
        pairs.append(
            Pair(
                question.text,
                _show(right, [*question.evidence, *_order(question.text, right, index, rng)]),
                _show(wrong, _order(question.text, wrong, index, rng)),
            )
        )
    return pairs


def _order(question: str, paper: Abstract, index: LexicalIndex, rng: random.Random) -> list[int]:
    """Return the places of a paper's sentences, most of the question's words first."""
    asked = index.rarities(question)
    shares = [
        sum(asked.get(stem, 0.0) for stem in index.rarities(sentence))
        for sentence in paper.sentences
    ]
    return sorted(range(len(shares)), key=lambda place: (-shares[place], rng.random()))


def _show(paper: Abstract, places: Sequence[int]) -> str:
    shown = list(dict.fromkeys(places))[:SENTENCES]
    return make_passage(paper.title, [paper.sentences[place] for place in sorted(shown)])


def encode(question: str, passage: str, tokenizer: Any) -> Encoded:
    """Return the tokens of one exchange."""
    read, asked = make_exchange(question, passage, load_prompt("likelihood"))
    before = tokenizer(read, add_special_tokens=False)["input_ids"]
    after = tokenizer(asked, add_special_tokens=False)["input_ids"]
    return Encoded((*before, *after), len(before))


def make_batches(
    pairs: Sequence[tuple[Encoded, Encoded]], size: int, rng: random.Random
) -> list[list[tuple[Encoded, Encoded]]]:
    """Return batches of pairs of like lengths, in random order."""
    ordered = sorted(pairs, key=lambda pair: max(len(one.tokens) for one in pair))
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    rng.shuffle(batches)
    return batches


def measure(model: Any, batch: Sequence[Encoded], padding: int) -> Any:
    """Return log P(question | passage) in nats, float32 (n,), of each exchange."""
    import torch

    losses, rows = token_losses(model, [(one.tokens, one.start) for one in batch], padding)
    return -torch.zeros(len(batch)).index_add(0, rows, losses)


def pair_loss(
    model: Any, batch: Sequence[tuple[Encoded, Encoded]], padding: int, scale: float
) -> tuple[Any, float, float]:
    """Return the loss of a batch of (right, wrong), its part by token, and the share in order."""
    import torch

    found = measure(model, [one for pair in batch for one in pair], padding)
    right, wrong = found[0::2], found[1::2]
    lengths = torch.tensor([len(pair[0].tokens) - pair[0].start for pair in batch])
    written = -(right / lengths).mean()
    ranked = torch.nn.functional.softplus(-scale * (right - wrong)).mean()
    return written + ranked, written.item(), float((right > wrong).float().mean())


def train(
    data: Path,
    gguf: Path,
    work: Path,
    recipe: Recipe,
    *,
    compile_blocks: bool = True,
    save_every: int = 50,
) -> dict[str, Any]:
    """Train (or go on training) and return the LoRA tensors by name.

    Args:
        data: folder with `abstractqa/` and `ml_abstracts.jsonl.xz`.
        gguf: the model that the adapter is for.
        work: folder for the state; one there of another recipe is an error.
        recipe: what decides the weights.
        compile_blocks: compile each block with TorchInductor (needs a C++ compiler).
        save_every: steps between two states.

    Raises:
        MismatchError: the state in `work` is of another recipe.
    """
    import torch

    work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(recipe.seed)
    pairs = make_pairs(*choose_questions(data, recipe), rng)
    model, tokenizer = load_base(gguf)
    padding = int(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    add_lora(model.model.layers, seed=recipe.seed, rank=RANK, alpha=SCALE * RANK)
    encoded = [
        (encode(p.question, p.right, tokenizer), encode(p.question, p.wrong, tokenizer))
        for p in pairs
    ]
    batches = make_batches(encoded, recipe.batch, rng)
    if compile_blocks:
        for block in model.model.layers:
            block.compile(dynamic=True)
    tensors = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(tensors, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
    file = work / "state.pt"
    done = restore_state(file, model, optimizer, asdict(recipe))
    started = time.monotonic()
    recent: list[tuple[float, float]] = []
    for step in range(done, len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, len(batches), recipe)
        loss, written, ordered = pair_loss(model, batches[step], padding, recipe.scale)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        recent.append((written, ordered))
        if step % 20 == 0 or step + 1 == len(batches):
            mean = [round(sum(column) / len(recent), 3) for column in zip(*recent, strict=True)]
            pace = (time.monotonic() - started) / (step + 1 - done)
            note = {"step": step, "of": len(batches), "nats": mean[0], "in_order": mean[1]}
            print(json.dumps(note | {"seconds": round(pace, 2)}), file=sys.stderr, flush=True)
            recent = []
        if (step + 1) % save_every == 0 or step + 1 == len(batches):
            save_state(file, step + 1, model, optimizer, asdict(recipe))
    return dict(lora_tensors(model))


def write_low_rank(tensors: Mapping[str, Any], path: Path, *, heads: int, key_heads: int) -> None:
    """Write LoRA tensors as a low-rank adapter over a GGUF's layers (see `encoders.low_rank`).

    Args:
        tensors: A (rank, in) and B (out, rank) of each layer, named as `lora_tensors` does.
        path: the file to write.
        heads: attention heads of the model, for the rows of q.
        key_heads: key-value heads, for the rows of k.
    """
    import torch
    from safetensors.torch import save_file

    written = {}
    for own, tensor in tensors.items():
        layer, _, side = gguf_name(own).rpartition(".weight.lora_")
        rows = tensor.float().numpy()
        if side == "b":
            rows = rows * SCALE
            if layer.endswith(("attn_q", "attn_k")):
                rows = permute_heads(rows, heads if layer.endswith("attn_q") else key_heads)
        half = torch.from_numpy(rows).half().contiguous()
        written[layer + (UP if side == "b" else DOWN)] = half
    save_file(written, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train the adapter of the question's likelihood.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--work", type=Path, required=True, help="folder for the state")
    parser.add_argument("--out", type=Path, required=True, help="the weights to write")
    parser.add_argument("--questions", type=int, default=Recipe().questions)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-compile", action="store_true", help="without a C++ compiler")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    gguf = get_file(get_manifest("smollm2-135m"), home=home_folder()).path
    recipe = Recipe(seed=options.seed, questions=options.questions)
    tensors = train(options.data, gguf, options.work, recipe, compile_blocks=not options.no_compile)
    write_low_rank(tensors, options.out, heads=9, key_heads=3)
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
