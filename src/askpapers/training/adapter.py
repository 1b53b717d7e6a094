"""Trains the answer adapter: `python -m askpapers.training.adapter --data DIR --out FILE.gguf`.

Deterministic for a seed (up to the floating-point order of the machine) and resumable: the state
is written every few steps beside `--work`, and the same command goes on from it.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from askpapers.citations import escape_brackets
from askpapers.models import get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.resources import home_folder
from askpapers.training.adapter_data import (
    Distractors,
    Example,
    Mix,
    load_items,
    load_written_items,
    make_epoch,
    make_example,
    render_sources,
)
from askpapers.training.adapter_export import write_adapter
from askpapers.training.adapter_model import (
    ALPHA,
    add_lora,
    load_base,
    lora_tensors,
    restore_state,
    save_state,
    token_losses,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the weights, besides the data. `batch_tokens` counts padding."""

    seed: int = 20261121
    epochs: int = 1
    learning_rate: float = 5e-4
    warmup_steps: int = 30
    final_share: float = 0.05
    batch_tokens: int = 1536
    digit_weight: float = 2.0
    clip_norm: float = 1.0
    written: int = 2500
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token numbers of a whole exchange; the answer begins at `answer_start`."""

    tokens: tuple[int, ...]
    answer_start: int
    weights: tuple[float, ...]


def encode(example: Example, tokenizer: Any, digit_weight: float) -> Encoded:
    """Return `example` as the model's own chat template renders it, with weights a token."""
    prompt = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": load_prompt("system").render()},
            {
                "role": "user",
                "content": load_prompt("answer").render(
                    question=escape_brackets(example.question),
                    sources=render_sources(example.blocks),
                ),
            },
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer(example.target, add_special_tokens=False)["input_ids"]
    answer = [*answer, tokenizer.convert_tokens_to_ids("<|im_end|>")]
    weights = [
        digit_weight if any(c.isdigit() for c in text) else 1.0
        for text in tokenizer.convert_ids_to_tokens(answer)
    ]
    return Encoded((*asked, *answer), len(asked), tuple(weights))


def make_batches(
    encoded: Sequence[Encoded], batch_tokens: int, rng: random.Random
) -> list[list[Encoded]]:
    """Return batches of like lengths, at most `batch_tokens` with padding, in random order."""
    batches: list[list[Encoded]] = []
    longest = 0
    for one in sorted(encoded, key=lambda one: (len(one.tokens), one.tokens)):
        longest = max(longest, len(one.tokens)) if batches and batches[-1] else len(one.tokens)
        if not batches or longest * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
            longest = len(one.tokens)
        batches[-1].append(one)
    rng.shuffle(batches)
    return batches


def batch_loss(model: Any, batch: Sequence[Encoded], padding: int) -> tuple[Any, float]:
    """Return the weighted mean loss (nats a token) of a batch, and the sum of its weights."""
    import torch

    losses, _ = token_losses(model, [(one.tokens, one.answer_start) for one in batch], padding)
    weight = torch.tensor([weight for one in batch for weight in one.weights])
    return (losses * weight).sum() / weight.sum(), float(weight.sum())


def measure_loss(model: Any, batches: Sequence[Sequence[Encoded]], padding: int) -> float:
    """Return the mean loss over `batches` in nats a token."""
    import torch

    total = count = 0.0
    with torch.no_grad():
        for batch in batches:
            loss, weight = batch_loss(model, batch, padding)
            total += loss.item() * weight
            count += weight
    return total / count


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to `final_share`."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    share = recipe.final_share + (1 - recipe.final_share) * 0.5 * (1 + math.cos(math.pi * done))
    return recipe.learning_rate * share


def train(
    data: Path,
    gguf: Path,
    work: Path,
    recipe: Recipe,
    *,
    compile_blocks: bool = True,
    save_every: int = 25,
) -> dict[str, Any]:
    """Train (or go on training) and return the LoRA tensors by name.

    Args:
        data: folder with `abstractqa/` and `ml_abstracts.jsonl.xz`.
        gguf: the model that the adapter is for.
        work: folder for the state and the log; a state there of another recipe is an error.
        recipe: what decides the weights.
        compile_blocks: compile each block with TorchInductor (needs a C++ compiler; 1.7 times
            the speed on one core with bf16 instructions).
        save_every: steps between two states.
    """
    import torch

    work.mkdir(parents=True, exist_ok=True)
    model, tokenizer = load_base(gguf)
    padding = int(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    add_lora(model.model.layers, seed=recipe.seed)
    batches, held_out = _prepare(data, tokenizer, recipe)
    if compile_blocks:
        for block in model.model.layers:
            block.compile(dynamic=True)
    tensors = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(tensors, lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
    state_file = work / "state.pt"
    done = restore_state(state_file, model, optimizer, asdict(recipe))
    log = (work / "log.jsonl").open("a", encoding="utf-8")

    def note(**values: object) -> None:
        log.write(json.dumps({"at": time.strftime("%H:%M:%S"), **values}) + "\n")
        log.flush()
        print(values, file=sys.stderr, flush=True)

    note(steps=len(batches), held_out=len(held_out), resumed_at=done, **asdict(recipe))
    if done == 0:
        note(step=0, held_out_loss=measure_loss(model, held_out, padding))
    started, seen = time.monotonic(), 0
    quarter = math.ceil(len(batches) / (4 * recipe.epochs))
    for step in range(done, len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, len(batches), recipe)
        loss, _ = batch_loss(model, batches[step], padding)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(tensors, recipe.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        seen += sum(len(one.tokens) for one in batches[step])
        if step % 10 == 0:
            rate = seen / (time.monotonic() - started)
            note(
                step=step, loss=round(loss.item(), 4), norm=round(norm.item(), 3), rate=round(rate)
            )
        if (step + 1) % (2 * quarter) == 0 or step + 1 == len(batches):
            note(step=step + 1, held_out_loss=measure_loss(model, held_out, padding))
        if (step + 1) % save_every == 0 or step + 1 == len(batches):
            save_state(state_file, step + 1, model, optimizer, asdict(recipe))
    log.close()
    return dict(lora_tensors(model))


def _prepare(
    data: Path, tokenizer: Any, recipe: Recipe
) -> tuple[list[list[Encoded]], list[list[Encoded]]]:
    """Return the training batches of all epochs in order, and batches of held-out questions."""
    items = load_items(data, "train")
    items = [*items, *load_written_items(data, recipe.written)][: recipe.limit]
    distractors = Distractors(items)
    batches: list[list[Encoded]] = []
    for epoch in range(recipe.epochs):
        examples = make_epoch(items, distractors, seed=recipe.seed, epoch=epoch, mix=Mix())
        encoded = [encode(example, tokenizer, recipe.digit_weight) for example in examples]
        rng = random.Random(f"{recipe.seed}:batches:{epoch}")
        batches += make_batches(encoded, recipe.batch_tokens, rng)
    dev = load_items(data, "dev")
    rng = random.Random(recipe.seed)
    others = Distractors(dev)
    made = [make_example(item, others, rng) for item in rng.sample(dev, 36)]
    held_out = [encode(example, tokenizer, 1.0) for example in made if example is not None]
    return batches, make_batches(held_out, recipe.batch_tokens, rng)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with abstractqa/")
    parser.add_argument("--gguf", type=Path, help="the model (default: the embedded one)")
    parser.add_argument("--work", type=Path, required=True, help="folder for state and log")
    parser.add_argument("--out", type=Path, required=True, help="the GGUF adapter to write")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--written", type=int, default=Recipe().written, help="of these questions")
    parser.add_argument("--limit", type=int, help="train on the first N questions only")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-compile", action="store_true", help="without a C++ compiler")
    parser.add_argument("--export-only", action="store_true", help="write the state as it is")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    recipe = Recipe(
        seed=options.seed, epochs=options.epochs, written=options.written, limit=options.limit
    )
    if options.export_only:
        tensors = torch.load(options.work / "state.pt", weights_only=True)["lora"]
    else:
        gguf = options.gguf or get_file(get_manifest("smollm2-135m"), home=home_folder()).path
        tensors = train(
            options.data, gguf, options.work, recipe, compile_blocks=not options.no_compile
        )
    write_adapter(tensors, options.out, alpha=ALPHA, heads=9, key_heads=3)
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
