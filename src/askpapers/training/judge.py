"""Trains the judge: `python -m askpapers.training.judge --data DIR --out models/judge.safetensors`.

The layers learn from supervision made by rule (corruptions of true sentences); progress is kept in
checkpoints and taken up again. Human labels are read by the regressions of `judge_stack.py` only,
whose figures are cross-fitted, and by `judge_tuning.py`, which trains on from these weights.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askpapers.encoders.judge import (
    CLASSES,
    MAX_CLAIM_PIECES,
    PairScorer,
    build_network,
    encode_pairs,
    load_tokenizer,
    load_untrained,
    make_batch,
)
from askpapers.support.evidence_window import WordWeights
from askpapers.training.judge_data import (
    Example,
    count_abstract_words,
    load_abstractqa,
    load_abstracts,
    load_pubmedqa,
    make_question_claims,
    window,
)
from askpapers.training.judge_examples import make_examples
from askpapers.training.judge_stack import fit_judge, read_tables, write_judge

_UNKNOWN = -100
_WORD_LOSS = 1.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as word pieces: `words` holds 0 held, 1 not held, -100 unknown, per piece."""

    ids: list[int]
    head: int
    label: str
    words: list[int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to train, and how many of the lowest layers stay as they are."""

    rate: float
    tokens_per_batch: int = 2048
    warmup: float = 0.06
    head_factor: float = 5.0
    minutes: float = 60.0
    frozen_layers: int = 0


def encode(examples: Sequence[Example], tokenizer: Any, weights: WordWeights) -> list[Encoded]:
    """Word pieces and word labels of examples."""
    pairs = [(example.claim, window(example, weights)) for example in examples]
    offsets = tokenizer.encode_batch([claim for claim, _ in pairs], add_special_tokens=False)
    made = []
    for example, (ids, head), claim in zip(
        examples, encode_pairs(tokenizer, pairs), offsets, strict=True
    ):
        words = [_UNKNOWN] * len(ids)
        if example.label == "supported" or example.changed is not None:
            spans = example.changed if example.label != "supported" else ()
            for place, (start, stop) in enumerate(claim.offsets[:MAX_CLAIM_PIECES]):
                words[place + 1] = int(any(start < b and stop > a for a, b in spans or ()))
        made.append(Encoded(ids, head, example.label, words))
    return made


def _batches(encoded: Sequence[Encoded], tokens: int, rng: random.Random) -> list[list[Encoded]]:
    """Batches of like length in random order, each of at most `tokens` padded pieces."""
    order = sorted(encoded, key=lambda item: len(item.ids) + rng.random() * 8)
    made: list[list[Encoded]] = []
    for item in order:
        if made and (len(made[-1]) + 1) * len(item.ids) <= tokens:
            made[-1].append(item)
        else:
            made.append([item])
    rng.shuffle(made)
    return made


def _loss(network: Any, batch: Sequence[Encoded]) -> Any:
    import torch
    from torch.nn import functional

    ids, kinds, mask = make_batch([(item.ids, item.head) for item in batch])
    words = torch.full(ids.shape, float(_UNKNOWN))
    for row, item in enumerate(batch):
        words[row, : len(item.words)] = torch.tensor(item.words, dtype=torch.float)
    # One autocast context around many steps would keep the casts of old weights.
    with torch.autocast("cpu", torch.bfloat16):
        logits, doubts = network(ids, kinds, mask)
    odds = functional.log_softmax(logits.float(), dim=1)
    # "unsupported" is either of the two other classes: their probabilities are added.
    either = torch.logsumexp(odds[:, 1:], dim=1)
    targets = {name: odds[:, index] for index, name in enumerate(CLASSES)} | {"unsupported": either}
    pair = -torch.stack([targets[item.label][row] for row, item in enumerate(batch)]).mean()
    known = words != _UNKNOWN
    if not known.any():
        return pair
    word = functional.binary_cross_entropy_with_logits(
        doubts.float()[known], words[known], pos_weight=torch.tensor(4.0)
    )
    return pair + _WORD_LOSS * word


def train(
    network: Any,
    encoded: Sequence[Encoded],
    schedule: Schedule,
    *,
    seed: int,
    epochs: int = 1,
    checkpoint: Path | None = None,
) -> None:
    """Train in place; the rate falls linearly to zero over all batches or `minutes`, if sooner.

    With `checkpoint`, progress is saved every few minutes and taken up again from there.
    """
    import torch

    rng = random.Random(seed)
    torch.manual_seed(seed)
    batches = [
        batch for _ in range(epochs) for batch in _batches(encoded, schedule.tokens_per_batch, rng)
    ]
    network.bert.embeddings.word_embeddings.requires_grad_(False)
    if schedule.frozen_layers:
        network.bert.embeddings.requires_grad_(False)
        network.bert.encoder["layer"][: schedule.frozen_layers].requires_grad_(False)
    heads = [p for name, p in network.named_parameters() if not name.startswith("bert.")]
    layers = [
        p for name, p in network.named_parameters() if name.startswith("bert.") and p.requires_grad
    ]
    optimizer = torch.optim.AdamW(
        [
            {"params": layers, "lr": schedule.rate, "scale": 1.0},
            {"params": heads, "lr": schedule.rate, "scale": schedule.head_factor},
        ],
        weight_decay=0.01,
        betas=(0.9, 0.98),
    )
    network.eval()
    first, spent = 0, 0.0
    if checkpoint and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        first, spent = saved["step"], saved["spent"]
    started, told, kept, total = time.monotonic(), time.monotonic(), time.monotonic(), 0.0
    for step in range(first, len(batches)):
        elapsed = spent + time.monotonic() - started
        done = max(step / len(batches), elapsed / (60 * schedule.minutes))
        if done >= 1:
            break
        share = min(1.0, (step + 1) / (schedule.warmup * len(batches) + 1)) * (1 - done)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * group["scale"] * share
        loss = _loss(network, batches[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*layers, *heads], 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        total = 0.98 * total + 0.02 * value if step > first else value
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"{step}/{len(batches)} {done:.0%} {elapsed:.0f} s loss {total:.3f}", flush=True)
        if checkpoint and time.monotonic() - kept > 180:
            kept = time.monotonic()
            torch.save(
                {
                    "network": network.state_dict(), "optimizer": optimizer.state_dict(),
                    "step": step + 1, "spent": spent + time.monotonic() - started,
                },
                checkpoint,
            )  # fmt: skip


def make_synthetic(data: Path, *, abstracts: int, seed: int) -> list[Example]:
    """All supervision made by rule, shuffled; pubmedqa's yes/no questions among it."""
    rng = random.Random(seed)
    qa, pubmed = load_abstractqa(data, "train"), load_pubmedqa(data)
    papers = load_abstracts(data, count=abstracts, rng=rng) if abstracts else []
    made = make_question_claims(data) * 2
    for _ in range(2):  # other corruptions and other evidence of the same human sentences
        made += make_examples(qa, rng, per_truth=2, per_source=9, prefix="abstractqa")
        made += make_examples(pubmed, rng, per_truth=2, per_source=9, prefix="pubmedqa")
    made += make_examples(papers, rng, per_truth=2, per_source=1, prefix="abstracts")
    rng.shuffle(made)
    return made


def save(network: Any, path: Path) -> None:
    """Write all but the frozen word embeddings in half precision."""
    import torch
    from safetensors.torch import save_file

    state = {
        name: value.detach().to(torch.float16).contiguous()
        for name, value in network.state_dict().items()
        if name != "bert.embeddings.word_embeddings.weight"
    }
    save_file(state, path)


def main() -> None:
    """Train the network unless it is there, fit what lies on it, write weights and manifest."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="models/judge.safetensors")
    parser.add_argument("--base", type=Path, required=True, help="folder of the MiniLM weights")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--abstracts", type=int, default=1500)
    parser.add_argument("--minutes", type=float, default=55.0, help="of training at most")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    options.work.mkdir(parents=True, exist_ok=True)
    words = options.out.with_name("judge-words.txt")
    if not words.is_file():
        words.write_text(count_abstract_words(options.data), encoding="utf-8")
    weights = WordWeights.load(words)
    tokenizer = load_tokenizer(options.base)
    network = build_network(options.base)
    trained = options.work / "network.pt"
    if not trained.is_file():
        made = make_synthetic(options.data, abstracts=options.abstracts, seed=options.seed)
        encoded = encode(made, tokenizer, weights)
        print(f"{len(encoded)} examples, {sum(len(item.ids) for item in encoded)} pieces")
        train(
            network,
            encoded,
            Schedule(rate=1e-4, minutes=options.minutes),
            seed=options.seed,
            checkpoint=options.work / "checkpoint.pt",
        )
        torch.save(network.state_dict(), trained)
    network.load_state_dict(torch.load(trained, weights_only=True))
    tables = read_tables(
        options.data, weights, PairScorer(network, load_untrained(options.base), tokenizer)
    )
    fitted = fit_judge(tables)
    save(network, options.out)
    write_judge(fitted, options.out)


if __name__ == "__main__":
    main()
