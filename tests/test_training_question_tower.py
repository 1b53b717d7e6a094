"""The question side is tuned against fixed vectors, repeatably, and lands in a file that merges."""

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.test_training_embedder import write_lines
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.encoders.mean_bert import MeanBert
from askpapers.training.pairs import Pair, Source
from askpapers.training.question_tower import (
    Recipe,
    Texts,
    Tower,
    cut_epoch,
    load_asked,
    main,
    make_library,
)
from askpapers.training.written import digest

pytestmark = pytest.mark.real  # torch

NAMES = ("cats", "dogs", "robots", "bandits", "gpu", "layers")
PAPERS = {
    name: Source(name, f"Paper {name}", (f"We find seven {name}.", "Data is in it."))
    for name in NAMES
}
PAIRS = [Pair(f"how many {name}?", name, (0,), "fact") for name in NAMES]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def library(base):
    embed = MeanBert(base, max_tokens=64).embed
    return make_library(PAPERS, PAIRS, embed, SentenceTransformerEmbedder(base).count_tokens)


def test_the_library_is_what_the_index_holds(base, library):
    assert library.papers == 6
    assert library.passages.owners.tolist() == [0, 1, 2, 3, 4, 5]
    assert library.sentences.owners.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [asked.evidence for asked in library.asked] == [(0,), (2,), (4,), (6,), (8,), (10,)]
    assert [asked.paper for asked in library.asked] == [0, 1, 2, 3, 4, 5]
    whole, second = MeanBert(base, max_tokens=64).embed(
        ["Paper dogs. We find seven dogs. Data is in it.", "Paper dogs. Data is in it."]
    )
    np.testing.assert_allclose(
        library.passages.vectors[1].numpy(), whole, atol=5e-3
    )  # bfloat16 where the processor has it
    np.testing.assert_allclose(
        library.sentences.vectors[3].numpy(), second, atol=5e-3
    )  # bfloat16 where the processor has it


def test_a_paper_scores_as_its_best_window():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    asked = torch.tensor([[0.0, 1.0], [0.8, 0.6]])
    found = Texts(vectors, torch.tensor([0, 1, 1])).score(asked @ vectors.T, 2)
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0], [0.8, 0.96]]))


def test_an_epoch_holds_every_question_once_beside_others_of_its_length():
    lengths = [10, 100, 12, 90, 11, 95, 14, 99]
    batches = cut_epoch(lengths, 4, random.Random(0))
    assert sorted(row for batch in batches for row in batch) == list(range(8))
    assert {tuple(sorted(batch)) for batch in batches} == {(0, 2, 4, 6), (1, 3, 5, 7)}


def test_training_brings_questions_to_their_papers_and_the_file_says_the_same(
    base, library, tmp_path
):
    texts = [pair.question for pair in PAIRS]

    def likelihood(q):
        scores = 20 * library.passages.score(q @ library.passages.vectors.T, library.papers)
        return float(torch.log_softmax(scores, 1).diag().mean())

    recipe = Recipe(epochs=30, batch_size=6, rank=4, learning_rate=1e-2, keep=0.1, weaken=0.0)
    tower = Tower(base, None, recipe)
    before = {name: value.clone() for name, value in tower.network.state_dict().items()}
    untuned = MeanBert(base, max_tokens=64).embed(texts)
    np.testing.assert_allclose(
        tower.embed_all(texts).numpy(), untuned, atol=5e-3
    )  # bfloat16 where the processor has it
    start = likelihood(tower.embed_all(texts))
    told = []
    tower.train(library, told.append)
    assert told == list(range(1, 31))
    tuned = tower.embed_all(texts)
    assert likelihood(tuned) > start + 0.2
    after = tower.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before), "the base stays"

    path = tmp_path / "questions.safetensors"
    save_file(tower.tensors(), path)
    merged = MeanBert(base, max_tokens=64, adapter=path).embed(texts)
    np.testing.assert_allclose(merged, tuned.numpy(), atol=5e-3)
    save_file(tower.tensors(0.0), path)
    none = MeanBert(base, max_tokens=64, adapter=path).embed(texts)
    np.testing.assert_allclose(none, untuned, atol=5e-3)  # bfloat16 where the processor has it


def test_the_penalty_keeps_questions_near_their_untuned_vectors(base, library):
    def moved(keep):
        recipe = Recipe(epochs=10, batch_size=6, rank=4, learning_rate=1e-2, keep=keep, weaken=0.0)
        tower = Tower(base, None, recipe)
        texts = [pair.question for pair in PAIRS]
        start = tower.embed_all(texts)
        tower.train(library)
        return float(1 - (start * tower.embed_all(texts)).sum(1).mean())

    assert moved(1000.0) < moved(0.0) / 2


def test_the_command_is_repeatable_and_reads_training_questions_only(base, tmp_path):
    rows = [
        {"paper": name, "split": "train" if i < 4 else "dev", "title": f"Paper {name}",
         "sentences": [f"We find seven {name}.", "Data is in it."]}
        for i, name in enumerate(NAMES)
    ]  # fmt: skip
    asked = [
        {"id": r["paper"], "split": r["split"], "paper": r["paper"], "kind": "fact",
         "question": f"how many {r['paper']}?", "evidence": [0], "answer": "Seven."}
        for r in rows
    ]  # fmt: skip
    write_lines(tmp_path / "abstractqa/papers.jsonl", rows)
    write_lines(tmp_path / "abstractqa/questions.jsonl", asked)
    abstract = "The method reads data. It is slow."
    write_lines(
        tmp_path / "ml_abstracts.jsonl.xz", [{"title": "A", "abstract": abstract, "venue": "v"}]
    )
    question = {"paper": digest(abstract), "kind": "paraphrase", "question": "who reads?",
                "evidence": [0], "answer": "It."}  # fmt: skip
    written = tmp_path / "written.jsonl"
    written.write_text(json.dumps(question) + "\n")

    papers, pairs = load_asked(tmp_path, written)
    assert sorted(papers) == sorted([*NAMES[:4], digest(abstract)])
    assert [pair.question for pair in pairs][-2:] == ["how many bandits?", "who reads?"]
    assert sorted(load_asked(tmp_path, written, count=0)[0]) == sorted(NAMES[:4])

    weights = tmp_path / "embedder.safetensors"
    name = "encoder.layer.0.attention.self.value.weight"
    moved = {name: load_file(base / "model.safetensors")[name] + 0.1}
    save_file(moved, weights)
    out = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in out:
        main(["--data", str(tmp_path), "--base", str(base), "--weights", str(weights),
              "--written", str(written), "--out", str(path), "--epochs", "2",
              "--rank", "3"])  # fmt: skip
    first, second = (load_file(path) for path in out)
    assert len(first) == 2 * 2 * 6, "two matrices for each linear layer of both encoder layers"
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(tensor.dtype == torch.float16 for tensor in first.values())
    assert any(float(tensor.abs().max()) > 0 for n, tensor in first.items() if n.endswith(".up"))
