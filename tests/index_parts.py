"""A quick embedder and made-up corpora for the tests of the index."""

import hashlib
import json
import random

import numpy as np

WORDS = (  # noqa: SIM905 - a list of words is for people to read
    "model training graph sparse kernel bound batch learning rate gradient attention token "
    "language vision reward policy sample noise diffusion matrix low rank network layer convex"
).split()


class HashEmbedder:
    """Adds up one pseudo-random direction a word; counts what it embeds."""

    dimension = 32
    max_tokens = 40

    def __init__(self, fingerprint="hash-1", fail_after=None):
        self.fingerprint = fingerprint
        self.embedded = 0
        self.fail_after = fail_after

    def embed_passages(self, texts):
        self.embedded += len(texts)
        if self.fail_after is not None and self.embedded > self.fail_after:
            raise KeyboardInterrupt
        return np.stack([self._vector(text) for text in texts]).astype(np.float32)

    embed_questions = embed_passages

    def count_tokens(self, text):
        return 2 + len(text.split())

    def _vector(self, text):
        total = np.zeros(self.dimension)
        for word in [text, *text.lower().split()]:
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            total += np.random.default_rng(seed).standard_normal(self.dimension)
        return total / np.linalg.norm(total)


def build_words(papers, folder):
    """Stand in for the lexical index: the titles, in corpus order."""
    (folder / "lexical").mkdir()
    titles = [paper.title for paper in papers.values()]
    (folder / "lexical" / "titles.json").write_text(json.dumps(titles))


def make_records(count, seed=0):
    """Return records of `count` papers with five-sentence abstracts."""
    chance = random.Random(seed)

    def sentence():
        return " ".join(chance.choices(WORDS, k=8)).capitalize() + "."

    return [
        {
            "title": f"Paper {seed}-{i}: {' '.join(chance.choices(WORDS, k=3))}",
            "abstract": " ".join(sentence() for _ in range(5)),
            "date": f"20{10 + i % 15}-0{1 + i % 9}",
        }
        for i in range(count)
    ]


def write_records(path, records):
    """Write a JSON Lines corpus file and return its path."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
