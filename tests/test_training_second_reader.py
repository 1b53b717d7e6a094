"""The training of the second reader: what it learns from, its batches, its loss, its file."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from askpapers.encoders.llama import Llama, load_llama
from askpapers.encoders.reader import Reading
from askpapers.errors import MismatchError
from askpapers.training import second_reader as training
from askpapers.training.adapter_model import add_lora, learning_rate_at
from askpapers.training.likelihood import SCALE
from askpapers.training.reader_data import Question
from askpapers.training.second_reader import (
    RANK,
    Recipe,
    Shown,
    choose_shown,
    make_batches,
    make_examples,
    next_logits,
    train,
    write_adapter,
)
from askpapers.training.written import Abstract
from tiny_gguf import write_tiny_llama

SENTENCES = ("Caches forget pages.", "We learn rules.", "It wins.", "Code is here.")
PAPER = Abstract("a", "Learned Caches", SENTENCES)


class LastReader:
    """Finds the last sentences best."""

    def read(self, question, papers):
        return [
            Reading(0.5, 0.5, tuple(place / 10 for place in range(len(sentences))))
            for _, sentences in papers
        ]


def write_data(folder: Path) -> None:
    own = folder / "abstractqa"
    own.mkdir()
    papers = [
        {"paper": f"p{i}", "title": f"Caches {i}", "sentences": [f"Cache {i} is slow.", "It is."],
         "split": "train"}
        for i in range(8)
    ]  # fmt: skip
    questions = [
        {"id": f"q{i}-{kind}", "question": f"How slow is cache {i}?", "paper": f"p{i}",
         "kind": kind, "evidence": [] if kind == "unanswerable" else [0], "split": "train"}
        for i in range(8)
        for kind in ("fact", "paraphrase", "unanswerable")[: 3 if i < 3 else 2]
    ]  # fmt: skip
    for name, rows in (("papers", papers), ("questions", questions)):
        (own / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_near_misses_and_their_papers_answered_questions_come_first(tmp_path, monkeypatch) -> None:
    write_data(tmp_path)
    monkeypatch.setattr(training, "load_written_questions", lambda data: ({}, []))
    recipe = Recipe(plain=4, paraphrases=2, removed=3, other=2)
    shown = choose_shown(tmp_path, recipe)
    assert shown == choose_shown(tmp_path, recipe)
    kinds = [one.kind for one in shown]
    assert kinds[:9] == ["near miss"] * 3 + ["answered"] * 6
    assert kinds.count("evidence removed") == 3
    assert kinds.count("another abstract") == 2
    assert {one.paper.key for one in shown[3:6]} == {"p0", "p1", "p2"}
    assert all(one.stated == (one.kind == "answered") for one in shown)
    for one in shown:
        assert (one.removed == {0}) == (one.kind == "evidence removed")
        assert (one.paper.key != one.question.paper) == (one.kind == "another abstract")
    asked = [one.question.key for one in shown]
    assert len(set(asked)) == len(asked)


def test_an_example_shows_the_best_sentences_that_are_left() -> None:
    question = Question("1", "What wins?", "a", "fact", (2,))
    whole = Shown(question, PAPER, frozenset(), True, "answered")
    gone = replace(whole, removed=frozenset({2}), stated=False, kind="evidence removed")
    empty = replace(whole, removed=frozenset(range(4)))
    first, second = make_examples([whole, gone, empty], LastReader())
    assert first.passage == "Learned Caches. We learn rules. It wins. Code is here."
    assert second.passage == "Learned Caches. Caches forget pages. We learn rules. Code is here."
    assert (first.stated, second.stated) == (True, False)


def test_batches_hold_every_example_once() -> None:
    examples = [((1,) * length, length % 2 == 0) for length in range(3, 53)]
    batches = make_batches(examples, 8, random.Random(0))
    assert sorted(one for batch in batches for one in batch) == sorted(examples)
    assert sorted(map(len, batches)) == [2, 8, 8, 8, 8, 8, 8]
    assert batches == make_batches(examples, 8, random.Random(0))


def test_the_rate_rises_then_falls_to_its_final_share() -> None:
    recipe = replace(Recipe(), learning_rate=1.0, warmup_steps=10, final_share=0.1)
    rates = [learning_rate_at(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9]
    assert rates[-1] == pytest.approx(0.1)


@pytest.mark.real
def test_it_learns_and_its_file_says_what_was_learnt(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    path = write_tiny_llama(tmp_path / "tiny.gguf")
    yes, no = ord("y"), ord("n")
    examples = [(list(f"is it {word}?".encode()), word == "red") for word in ("red", "blue")]
    recipe = Recipe(learning_rate=3e-2, warmup_steps=2)

    def open_network():
        network = load_llama(path)
        add_lora(network.blk[-1:], seed=1, rank=RANK, alpha=SCALE * RANK)
        return network

    network = open_network()
    train(network, [examples] * 60, (yes, no), tmp_path, recipe)
    with torch.no_grad():
        logits = next_logits(network, [ids for ids, _ in examples])
    lead = (logits[:, yes] - logits[:, no]).tolist()
    assert lead[0] > 1.0 > -1.0 > lead[1]

    again = open_network()  # the state goes on where it was: nothing is left to do
    train(again, [examples] * 60, (yes, no), tmp_path, recipe)
    with torch.no_grad():
        torch.testing.assert_close(next_logits(again, [ids for ids, _ in examples]), logits)
    with pytest.raises(MismatchError):
        train(open_network(), [examples], (yes, no), tmp_path, replace(recipe, seed=9))

    write_adapter(network, tmp_path / "out.safetensors")
    own = Llama(path, lambda text: list(text.encode()))
    own._network.float()
    branch = own.branch(tmp_path / "out.safetensors")
    for place, (ids, _) in enumerate(examples):
        texts = [(bytes(ids).decode(), answer) for answer in ("y", "n")]
        said = branch.measure(texts)
        assert said[0] - said[1] == pytest.approx(lead[place], abs=0.1)
