"""Tunes the question side: `python -m askpapers.training.question_tower --data DIR --out FILE`.

The vectors of passages stay those of the shipped embedder, so no index changes and all of them are
embedded once. Only a low-rank adapter that reads questions is trained, and each question is held
against every training paper: a softmax over the whole collection instead of the few papers of a
batch (Karpukhin et al. 2020, "Dense Passage Retrieval", section 3.2, with all passages as
negatives), by passages and by single sentences; a softmax over the sentences of the own paper
teaches which of them holds the answer. A penalty keeps questions near their untuned vectors, and
with them what the embedder knows of other fields.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from askpapers.domain import Paper
from askpapers.encoders.bert import load_bert
from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.encoders.low_rank import DOWN, UP
from askpapers.encoders.mean_bert import MeanBert, lay_over
from askpapers.passages import CountTokens, embedding_text, make_passages
from askpapers.training.pairs import (
    Pair,
    Source,
    load_questions,
    load_written_pairs,
    weaken_overlap,
)
from askpapers.training.written import QUESTIONS

if TYPE_CHECKING:
    import numpy as np
    import torch

MAX_TOKENS = 256
MAX_QUESTION_TOKENS = 64
_DRAW = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the adapter besides the data."""

    epochs: int = 2
    batch_size: int = 32
    rank: int = 32
    learning_rate: float = 7e-4
    scale: float = 20.0
    keep: float = 0.5
    by_sentence: float = 0.5
    inside: float = 0.5
    weaken: float = 0.25
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the row of its paper, that paper's whole text, and the rows of its evidence."""

    question: str
    paper: int
    passage: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Library:
    """All training papers as the index holds them, and the questions about them.

    `passages` and `sentences` are their texts, each with the papers that it belongs to.
    """

    papers: int
    passages: Texts
    sentences: Texts
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """Embedded texts: `vectors` (n, d) and `owners`, the row of the paper of each, (n,)."""

    vectors: torch.Tensor
    owners: torch.Tensor

    def score(self, cosines: torch.Tensor, papers: int) -> torch.Tensor:
        """The best of each paper's cosines, (b, papers), of those with every text, (b, n)."""
        best = cosines.new_full((len(cosines), papers), -1.0)
        return best.scatter_reduce(1, self.owners.expand_as(cosines), cosines, "amax")


def make_library(
    papers: dict[str, Source],
    pairs: Sequence[Pair],
    embed: Callable[[Sequence[str]], np.ndarray],
    count_tokens: CountTokens,
) -> Library:
    """Embed the papers' windows and sentences as the index does."""
    import torch

    windows: list[tuple[int, str]] = []
    told: list[tuple[int, str]] = []
    first: list[int] = []
    for row, source in enumerate(papers.values()):
        abstract = " ".join(" ".join(source.sentences).split())
        paper = Paper(paper_id=source.key, title=source.title, abstract=abstract)
        for window in make_passages(paper, count_tokens=count_tokens, max_tokens=MAX_TOKENS):
            windows.append((row, embedding_text(source.title, window.text)))
        first.append(len(told))
        told += [(row, embedding_text(source.title, text)) for text in source.sentences]
    place = {key: row for row, key in enumerate(papers)}
    asked = tuple(
        Asked(
            pair.question,
            place[pair.paper],
            papers[pair.paper].passage(),
            tuple(
                first[place[pair.paper]] + i
                for i in pair.evidence
                if i < len(papers[pair.paper].sentences)
            ),
        )
        for pair in pairs
    )

    def hold(rows: Sequence[tuple[int, str]]) -> Texts:
        vectors = torch.from_numpy(embed([text for _, text in rows]))
        return Texts(vectors, torch.tensor([row for row, _ in rows]))

    return Library(len(papers), hold(windows), hold(told), asked)


class Tower:
    """The question network with an adapter on every linear layer of its encoder."""

    def __init__(self, base: Path, weights: Path | None, recipe: Recipe) -> None:
        import torch
        from tokenizers import Tokenizer

        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(MAX_QUESTION_TOKENS)
        self.network = load_bert(base)
        if weights is not None:
            lay_over(self.network, weights)
        for parameter in self.network.parameters():
            parameter.requires_grad = False
        self.adapter = {
            name: _attach(layer, recipe.rank)
            for name, layer in self.network.named_modules()
            if isinstance(layer, torch.nn.Linear)
        }

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed questions: mean over tokens, unit length, float32 (n, d) with gradients."""
        import torch

        batch = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([item.ids for item in batch])
        seen = torch.tensor([item.attention_mask for item in batch])
        states = self.network(ids, seen)
        mask = seen.unsqueeze(-1).float()
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    def embed_all(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed many questions without gradients, similar lengths together."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = torch.empty(len(texts), self.network.width)
        with torch.no_grad():
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                out[rows] = self.embed([texts[i] for i in rows])
        return out

    def train(self, library: Library, after_epoch: Callable[[int], None] = lambda _: None) -> None:
        """Run all epochs over the questions; `after_epoch` is told how many are done."""
        import torch

        recipe = self.recipe
        rng = random.Random(recipe.seed)
        untuned = self.embed_all([asked.question for asked in library.asked])
        parameters = [p for pair in self.adapter.values() for p in pair]
        optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.01)
        total = recipe.epochs * -(-len(library.asked) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / (0.08 * total), max(0.02, 1 - step / total))
        )
        started = time.monotonic()
        step = 0
        for epoch in range(recipe.epochs):
            for rows in cut_epoch([len(a.question) for a in library.asked], recipe.batch_size, rng):
                batch = [library.asked[i] for i in rows]
                loss = self._loss(batch, untuned[rows], library, rng)
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
            after_epoch(epoch + 1)

    def _loss(
        self, batch: Sequence[Asked], untuned: torch.Tensor, library: Library, rng: random.Random
    ) -> torch.Tensor:
        """Cross entropy over all papers and over the sentences of the own one, and the way gone
        from the untuned vectors."""
        import torch

        recipe = self.recipe
        q = self.embed(
            [
                weaken_overlap(a.question, a.passage, rng)
                if rng.random() < recipe.weaken
                else a.question
                for a in batch
            ]
        )
        target = torch.tensor([a.paper for a in batch])
        by_passage = library.passages.score(q @ library.passages.vectors.T, library.papers)
        told = q @ library.sentences.vectors.T
        by_sentence = library.sentences.score(told, library.papers)
        entropy = torch.nn.functional.cross_entropy
        loss = entropy(recipe.scale * by_passage, target)
        loss = loss + recipe.by_sentence * entropy(recipe.scale * by_sentence, target)
        marked = torch.zeros_like(told, dtype=torch.bool)
        for row, asked in enumerate(batch):
            marked[row, list(asked.evidence)] = True
        some = marked.any(1)
        if recipe.inside and some.any():
            own = library.sentences.owners[None] == target[:, None]
            within = (recipe.scale * told).masked_fill(~own, -torch.inf)[some]
            found = within.masked_fill(~marked[some], -torch.inf).logsumexp(1)
            loss = loss + recipe.inside * (within.logsumexp(1) - found).mean()
        return loss + recipe.keep * (1 - (q * untuned).sum(1)).mean()

    def tensors(self, share: float = 1.0) -> dict[str, torch.Tensor]:
        """The adapter's matrices as its file holds them, float16, at a share of their effect."""
        out = {}
        for name, (down, up) in self.adapter.items():
            out[name + DOWN] = down.detach().half().contiguous()
            out[name + UP] = (share * up.detach()).half().contiguous()
        return out


def _attach(layer: torch.nn.Linear, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Add a path of low rank to a linear layer, zero at first; its two matrices."""
    import torch

    down = torch.nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
    up = torch.nn.Parameter(torch.zeros(layer.out_features, rank))
    layer.register_forward_hook(lambda _, read, made: made + read[0] @ down.T @ up.T)
    return down, up


def cut_epoch(lengths: Sequence[int], batch_size: int, rng: random.Random) -> list[list[int]]:
    """Cut all rows into batches of similar lengths, in random order."""
    rows = sorted(range(len(lengths)), key=lambda row: (lengths[row] // 16, rng.random()))
    batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    rng.shuffle(batches)
    return batches


def load_asked(
    data: Path, written: Path = QUESTIONS, *, count: int | None = None
) -> tuple[dict[str, Source], list[Pair]]:
    """Read the training split and the written questions, with their papers.

    Of the papers with written questions `count` are drawn at random; all where it is None.
    """
    papers, pairs = load_questions(data)
    more_papers, more_pairs = load_written_pairs(data, written)
    keys = list(more_papers)
    random.Random(_DRAW).shuffle(keys)
    drawn = set(keys[:count])
    papers |= {key: paper for key, paper in more_papers.items() if key in drawn}
    return papers, pairs + [pair for pair in more_pairs if pair.paper in drawn]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the data, embed the papers, train, and write the adapter as float16 safetensors."""
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument(
        "--written", type=Path, default=QUESTIONS, help="questions written over other abstracts"
    )
    parser.add_argument("--papers", type=int, help="so many of their papers (default: all)")
    parser.add_argument("--base", type=Path, help="folder of MiniLM (default: the pip package's)")
    parser.add_argument("--weights", type=Path, required=True, help="the shipped embedder's")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--rank", type=int, default=defaults.rank)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument("--keep", type=float, default=defaults.keep)
    parser.add_argument("--share", type=float, default=1.0, help="of the adapter's effect written")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    import torch
    from safetensors.torch import save_file

    from askpapers.training.reader import installed_base

    torch.set_num_threads(options.threads)
    base = options.base or installed_base()
    recipe = Recipe(
        epochs=options.epochs,
        rank=options.rank,
        learning_rate=options.learning_rate,
        keep=options.keep,
        seed=options.seed,
    )
    papers, pairs = load_asked(options.data, options.written, count=options.papers)
    tower = Tower(base, options.weights, recipe)
    documents = MeanBert(base, max_tokens=MAX_TOKENS, weights=options.weights)
    count_tokens = SentenceTransformerEmbedder(base).count_tokens
    library = make_library(papers, pairs, documents.embed, count_tokens)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    tower.train(library, lambda _: save_file(tower.tensors(options.share), options.out))


if __name__ == "__main__":
    main()
