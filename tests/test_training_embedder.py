import json
import lzma
import random

import pytest

from askpapers.training.pairs import (
    Pair,
    group_neighbours,
    is_held_out,
    load_claims,
    load_questions,
    load_titles,
    weaken_overlap,
)
from askpapers.training.written import digest


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".xz":
        path.write_bytes(lzma.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")


@pytest.fixture
def data(tmp_path):
    papers = [
        {"paper": f"p{i}", "split": "train" if i < 6 else "dev", "title": f"Paper {name}",
         "sentences": [f"We find seven {name}.", f"The {name} are slow.", "Data is in it."]}
        for i, name in enumerate(["cats", "dogs", "robots", "bandits", "gpu", "layers", "hours"])
    ]  # fmt: skip
    kinds = ["fact"] * 5 + ["unanswerable", "fact"]
    questions = [
        {"id": f"q{i}", "split": p["split"], "paper": p["paper"], "kind": kind,
         "question": f"how many {p['title'].split()[1]}?", "evidence": [0], "answer": "Seven."}
        for i, (p, kind) in enumerate(zip(papers, kinds, strict=True))
    ]  # fmt: skip
    write_lines(tmp_path / "abstractqa" / "papers.jsonl", papers)
    write_lines(tmp_path / "abstractqa" / "questions.jsonl", questions)
    long = "The method reads data. " * 20
    write_lines(
        tmp_path / "ml_abstracts.jsonl.xz",
        [{"title": t, "abstract": long, "venue": "v"} for t in ("PAPER: hours", "Bandits", "A")],
    )
    corpus = [
        {"doc_id": i, "title": f"Claimed {i}", "abstract": ["It is fast.", "It is slow."]}
        for i in range(20)
    ]
    write_lines(tmp_path / "retrieval" / "scifact" / "corpus.jsonl.xz", corpus)
    claims = [
        {"id": i, "claim": f"claim {i}", "cited_doc_ids": [i],
         "evidence": {str(i): [{"sentences": [1], "label": "SUPPORT"}]}}
        for i in range(20)
    ]  # fmt: skip
    write_lines(tmp_path / "retrieval" / "scifact" / "queries_train.jsonl", claims)
    return tmp_path


def test_only_answerable_training_questions_are_read(data):
    papers, pairs = load_questions(data)
    assert len(papers) == 6
    assert [pair.paper for pair in pairs] == ["p0", "p1", "p2", "p3", "p4"]
    assert (
        papers["p0"].passage()
        == "Paper cats. We find seven cats. The cats are slow. Data is in it."
    )
    assert papers["p0"].sentence(1) == "Paper cats. The cats are slow."


def test_titles_of_held_out_papers_are_left_out_however_printed(data):
    papers, pairs = load_titles(data, count=10, seed=0)
    assert {pair.question for pair in pairs} == {"Bandits", "A"}
    assert len(papers["bandits"].sentences) == 20


def test_held_out_claims_are_not_read(data):
    papers, pairs = load_claims(data)
    read = {int(pair.question.split()[1]) for pair in pairs}
    assert read == {i for i in range(20) if not is_held_out(i)}
    assert 0 < len(read) < 20
    assert set(papers) == {str(i) for i in read}
    assert all(pair.evidence == (1,) for pair in pairs)


def test_every_pair_is_in_one_batch_and_neighbours_stand_together():
    pairs = [Pair(f"q{p}{n}", f"p{p}", (), "fact") for p in range(10) for n in range(3)]
    neighbours = {f"p{p}": [f"p{p ^ 1}"] for p in range(10)}
    batches = list(
        group_neighbours(pairs, neighbours, batch_size=4, per_group=2, rng=random.Random(0))
    )
    assert sorted(p.question for b in batches for p in b) == sorted(p.question for p in pairs)
    assert max(map(len, batches)) == 4
    together = sum(
        any(other.paper == neighbours[pair.paper][0] for other in batch)
        for batch in batches
        for pair in batch
    )
    assert together > len(pairs) / 2


def test_weakening_drops_only_words_that_the_passage_repeats():
    question = "which optimizer escapes saddle points quickly without noise?"
    passage = "The optimizer escapes saddle points quickly."
    results = {weaken_overlap(question, passage, random.Random(i)) for i in range(20)}
    assert len(results) > 5
    for result in results:
        assert {"which", "without", "noise?"} <= set(result.split())
        assert set(result.split()) <= set(question.split())
    assert weaken_overlap("robots walk", "robots walk", random.Random(0)) == "robots walk"


@pytest.mark.real
def test_training_is_repeatable_moves_only_layers_and_learns(data, tmp_path):
    import torch
    from safetensors.torch import load_file

    from askpapers.training.embedder import Recipe, Trainer, main
    from tiny_bert import write_tiny_bert

    base = write_tiny_bert(tmp_path / "base")
    written = tmp_path / "written.jsonl"
    abstract = "The method reads data. " * 20
    row = {"paper": digest(abstract), "kind": "paraphrase", "question": "who reads?",
           "evidence": [0], "answer": "It."}  # fmt: skip
    written.write_text(json.dumps(row) + "\n")
    out = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in out:
        main(["--data", str(data), "--base", str(base), "--out", str(path), "--epochs", "1",
              "--written", str(written),
              "--titles", "2", "--learning-rate", "0.001", "--stock-share", "0.5"])  # fmt: skip
    first, second = (load_file(path) for path in out)
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(name.startswith("encoder.layer.") for name in first)
    assert all(tensor.dtype == torch.float16 for tensor in first.values())

    trainer = Trainer(base, Recipe(epochs=40, learning_rate=1e-2, weaken=0.0, batch_size=5))
    papers, pairs = load_questions(data)
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}

    def own_minus_others():
        q = trainer.embed_all([p.question for p in pairs], 64)
        d = trainer.embed_all([papers[p.paper].passage() for p in pairs], 64)
        scores = q @ d.T
        return float(scores.diag().mean() - scores.mean())

    start = own_minus_others()
    trainer.train([(papers, pairs)])
    assert own_minus_others() > start + 0.05
    after = trainer.network.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved
    assert all(name.startswith("encoder.layer.") for name in moved)
    half = trainer.averaged(0.5)
    for name, tensor in half.items():
        torch.testing.assert_close(
            tensor.float(), (before[name] + after[name]) / 2, atol=2e-3, rtol=0
        )
