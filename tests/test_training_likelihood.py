"""The training of the likelihood: its pairs, its loss, and what the program makes of it."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from askpapers.encoders.llama import Llama
from askpapers.likelihood import make_exchange, make_passage
from askpapers.prompts import load_prompt
from askpapers.training.adapter_model import learning_rate_at
from askpapers.training.likelihood import (
    RANK,
    SCALE,
    Encoded,
    Recipe,
    encode,
    make_batches,
    make_pairs,
    measure,
    pair_loss,
    write_low_rank,
)
from askpapers.training.reader_data import Question
from askpapers.training.written import Abstract

POOL = {
    "a": Abstract("a", "Learned Caches", ("Caches forget pages.", "We learn rules.", "It wins.")),
    "b": Abstract("b", "Caches by Hand", ("Rules for caches are old.", "Pages are many.")),
    "c": Abstract("c", "Soup", ("Soup is cooked slowly.", "Salt helps.")),
}
ASKED = [
    Question("1", "how do caches learn rules?", "a", "method", (1,)),
    Question("2", "how is soup cooked?", "c", "paraphrase", (0,)),
]


def test_a_pair_shows_the_evidence_and_another_abstract_that_is_near() -> None:
    pairs = make_pairs(POOL, ASKED, random.Random(1))
    assert [pair.question for pair in pairs] == [question.text for question in ASKED]
    assert pairs[0].right.startswith("Learned Caches.")
    assert "We learn rules." in pairs[0].right
    assert pairs[0].right.count(".") == 3  # title and two sentences
    assert pairs[0].wrong.startswith("Caches by Hand.")
    assert "Soup is cooked slowly." in pairs[1].right
    assert not pairs[1].wrong.startswith("Soup")
    assert pairs == make_pairs(POOL, ASKED, random.Random(1))


def test_what_is_measured_begins_where_the_question_does() -> None:
    read, asked = make_exchange(
        "what is\n it?", make_passage("T", ["A b."]), load_prompt("likelihood")
    )
    assert read == "T. A b.\nQuestion:"
    assert asked == " what is it?"


def test_batches_hold_every_pair_once() -> None:
    pairs = [(Encoded((1,) * n, 1), Encoded((1,) * 3, 1)) for n in range(3, 16)]
    batches = make_batches(pairs, 4, random.Random(0))
    assert sorted(len(b) for b in batches) == [1, 4, 4, 4]
    assert sorted(len(p[0].tokens) for b in batches for p in b) == list(range(3, 16))


def test_the_rate_rises_then_falls_to_its_final_share() -> None:
    recipe = replace(Recipe(), learning_rate=1.0, warmup_steps=10, final_share=0.1)
    rates = [learning_rate_at(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9]
    assert rates[50] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0.1)


class TableModel:
    """The next token's probability depends on the one before, by a table."""

    def __init__(self, table):
        import torch

        self.table = torch.tensor(table)

    def model(self, input_ids, use_cache):
        from types import SimpleNamespace

        return SimpleNamespace(last_hidden_state=self.table[input_ids])

    def lm_head(self, hidden):
        return hidden.log()


@pytest.mark.real
def test_the_loss_is_that_of_the_right_and_of_the_order() -> None:
    model = TableModel([[0.2, 0.8], [0.5, 0.5]])
    right, wrong = Encoded((0, 1, 1), 1), Encoded((0, 0, 0), 1)
    nats = measure(model, [right, wrong], padding=0)
    assert nats.tolist() == pytest.approx([math.log(0.8 * 0.5), math.log(0.2 * 0.2)])
    loss, written, ordered = pair_loss(model, [(right, wrong)], 0, scale=1.0)
    assert written == pytest.approx(-math.log(0.4) / 2)
    assert loss.item() == pytest.approx(written + math.log1p(0.04 / 0.4))
    assert ordered == 1.0


@pytest.mark.real
def test_the_shipped_weights_measure_as_the_trained_model_does(tmp_path: Path) -> None:
    """transformers over the dequantized file, and the program's own network over file and adapter.

    A random adapter, because the rows of queries and keys are in another order in the file.
    """
    torch = pytest.importorskip("torch")
    from askpapers.models import get_file, get_manifest
    from askpapers.resources import home_folder
    from askpapers.tokens import load_encoding
    from askpapers.training.adapter_model import add_lora, load_base, lora_tensors

    base = get_file(get_manifest("smollm2-135m"), home=home_folder())
    model, tokenizer = load_base(base.path, dtype="float32")
    question = "which cache rules can a machine pick up by itself?"
    passages = [make_passage(p.title, p.sentences[:2]) for p in POOL.values()]
    batch = [encode(question, passage, tokenizer) for passage in passages]
    with torch.no_grad():
        stock = measure(model, batch, 0).tolist()
        add_lora(model.model.layers, seed=0, rank=RANK, alpha=SCALE * RANK)
        tensors = lora_tensors(model)
        for name in sorted(tensors):
            if name.endswith("lora_b"):
                tensors[name].normal_(std=0.05)
        trained = measure(model, batch, 0).tolist()
    assert max(abs(a - b) for a, b in zip(stock, trained, strict=True)) > 2.0
    write_low_rank(tensors, tmp_path / "a.safetensors", heads=9, key_heads=3)
    encoding = load_encoding(base.path, digest=base.digest, cache=home_folder() / "vocabularies")
    assert encoding is not None
    exchanges = [make_exchange(question, p, load_prompt("likelihood")) for p in passages]
    own = Llama(base.path, encoding.encode_ordinary, adapter=tmp_path / "a.safetensors")
    own._network.float()
    assert own.measure(exchanges) == pytest.approx(trained, abs=0.5)


@pytest.mark.real
def test_the_shipped_likelihood_tells_what_is_asked_about() -> None:
    from askpapers.resources import home_folder
    from askpapers.training.fusion import open_likelihood

    passages = [make_passage(p.title, p.sentences[:2]) for p in POOL.values()]
    likelihood = open_likelihood(home=home_folder())
    found = likelihood.measure("what should go into the pot besides vegetables?", passages)
    assert max(found) == found[2]
    assert found[2] - max(found[:2]) > 3.0
