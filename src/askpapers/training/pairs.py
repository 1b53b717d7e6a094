"""Reads the training folders into (question, paper) pairs for the bi-encoder.

The folder given as `data` holds `abstractqa/`, `retrieval/scifact/` and `ml_abstracts.jsonl.xz`.
Only training splits are read for pairs: questions of abstractqa's dev and test papers, their
titles wherever else they occur, and one fifth of the SciFact claims are kept out.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askpapers.training.written import QUESTIONS, load_written

SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z(\"\[$])")


@dataclass(frozen=True, slots=True)
class Source:
    """A paper to train on: title and the sentences of its abstract."""

    key: str
    title: str
    sentences: tuple[str, ...]

    def passage(self) -> str:
        """The text a whole paper is embedded as."""
        return f"{self.title}. {' '.join(self.sentences)}"

    def sentence(self, index: int) -> str:
        """The text one sentence is embedded as: behind its title."""
        return f"{self.title}. {self.sentences[index]}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, the paper that answers it, and the sentences that hold the answer."""

    question: str
    paper: str
    evidence: tuple[int, ...]
    kind: str


def normalise_title(title: str) -> str:
    """Lower-case letters and digits only: the key under which two printings of a title meet."""
    return re.sub(r"[^a-z0-9]", "", title.lower())


def is_held_out(claim_id: object) -> bool:
    """Whether a SciFact claim is kept for evaluation: one in five, by a hash of its id."""
    return int(hashlib.sha1(str(claim_id).encode()).hexdigest(), 16) % 5 == 0


def load_questions(data: Path, split: str = "train") -> tuple[dict[str, Source], list[Pair]]:
    """Read the papers and answerable questions of one split of abstractqa."""
    papers = {
        row["paper"]: Source(row["paper"], row["title"], tuple(row["sentences"]))
        for row in _read_lines(data / "abstractqa" / "papers.jsonl")
        if row["split"] == split
    }
    pairs = [
        Pair(row["question"], row["paper"], tuple(row["evidence"]), row["kind"])
        for row in _read_lines(data / "abstractqa" / "questions.jsonl")
        if row["split"] == split and row["kind"] != "unanswerable"
    ]
    return papers, pairs


def load_written_pairs(
    data: Path, questions_file: Path = QUESTIONS
) -> tuple[dict[str, Source], list[Pair]]:
    """Read the questions written over other abstracts, and those abstracts."""
    papers, questions = load_written(data, questions_file)
    return (
        {key: Source(key, paper.title, paper.sentences) for key, paper in papers.items()},
        [Pair(q.question, q.paper, q.evidence, q.kind) for q in questions if q.evidence],
    )


def load_claims(data: Path) -> tuple[dict[str, Source], list[Pair]]:
    """Read the SciFact train claims that are not held out, with their cited abstracts."""
    folder = data / "retrieval" / "scifact"
    papers = {
        str(row["doc_id"]): Source(str(row["doc_id"]), row["title"], tuple(row["abstract"]))
        for row in _read_lines(folder / "corpus.jsonl.xz")
    }
    pairs = []
    for row in _read_lines(folder / "queries_train.jsonl"):
        if is_held_out(row["id"]):
            continue
        for paper in map(str, row["cited_doc_ids"]):
            marked = row["evidence"].get(paper, [])
            evidence = tuple(sorted({i for item in marked for i in item["sentences"]}))
            if paper in papers:
                pairs.append(Pair(row["claim"], paper, evidence, "claim"))
    used = {pair.paper for pair in pairs}
    return {key: source for key, source in papers.items() if key in used}, pairs


def load_titles(data: Path, *, count: int, seed: int) -> tuple[dict[str, Source], list[Pair]]:
    """Read `count` random abstracts, each with its title as the question.

    The passage of such a pair must be embedded without its title (kind "title"). Papers of
    abstractqa's dev and test splits are left out, whatever their printing.
    """
    kept_out = {
        normalise_title(row["title"])
        for row in _read_lines(data / "abstractqa" / "papers.jsonl")
        if row["split"] != "train"
    }
    rows = [
        row
        for row in _read_lines(data / "ml_abstracts.jsonl.xz")
        if normalise_title(row["title"]) not in kept_out and len(row["abstract"]) > 300
    ]
    papers: dict[str, Source] = {}
    for row in random.Random(seed).sample(rows, min(count, len(rows))):
        sentences = tuple(s for s in SENTENCE_END.split(" ".join(row["abstract"].split())) if s)
        papers[normalise_title(row["title"])] = Source(
            normalise_title(row["title"]), row["title"], sentences
        )
    pairs = [Pair(source.title, key, (), "title") for key, source in papers.items()]
    return papers, pairs


def weaken_overlap(question: str, passage: str, rng: random.Random) -> str:
    """Drop half of the question's words that the passage repeats.

    What is left must be matched by meaning: the cheapest stand-in for a paraphrase. A question
    that would keep fewer than four words is returned unchanged.
    """
    present = set(re.findall(r"\w+", passage.lower()))
    words = question.split()
    kept = [
        word
        for word in words
        if len(word) < 4 or word.lower().strip("?.,:;'\"()") not in present or rng.random() < 0.5
    ]
    return " ".join(kept) if len(kept) >= 4 else question


def group_neighbours(
    pairs: Sequence[Pair],
    neighbours: Mapping[str, Sequence[str]],
    *,
    batch_size: int,
    per_group: int,
    rng: random.Random,
) -> Iterator[list[Pair]]:
    """Yield batches in which papers stand beside their nearest neighbours, as hard negatives.

    Every pair appears exactly once; each batch is filled by groups of up to `per_group` pairs of
    neighbouring papers around a random one.
    """
    by_paper: dict[str, list[Pair]] = {}
    for pair in rng.sample(list(pairs), len(pairs)):
        by_paper.setdefault(pair.paper, []).append(pair)
    order = [paper for paper in by_paper for _ in by_paper[paper]]
    rng.shuffle(order)
    batch: list[Pair] = []
    for paper in order:
        group = 0
        for other in (paper, *neighbours.get(paper, ())):
            if group == per_group:
                break
            if by_paper.get(other):
                batch.append(by_paper[other].pop())
                group += 1
            if len(batch) == batch_size:
                yield batch
                batch = []
    if batch:
        yield batch


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
