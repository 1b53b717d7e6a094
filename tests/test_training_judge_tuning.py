"""Training the judge's network on: folds, varied and falsified pairs, averages, and the whole."""

import json
import lzma
import random
import sys
import tomllib

import numpy as np
import pytest
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.judge import build_network, load_network
from askpapers.support.evidence_window import WordWeights
from askpapers.training import judge_tuning
from askpapers.training.judge import Schedule, encode, save, train
from askpapers.training.judge_data import Example, Source, load_scifact, load_wice
from askpapers.training.judge_tuning import (
    Recipe,
    assign_folds,
    average,
    falsify,
    gather,
    read_cross_fitted,
    tune,
    vary,
)

WEIGHTS = WordWeights({}, 5.0)
EVIDENCE = ("A title.", "The model uses seven layers.", "Dogs is slow.", "It shows 3 cats faster.")


def pair(claim="The model uses 7 layers.", label="supported", source="scifact", group="g", **more):
    return Example(claim, EVIDENCE, label, source, "kind", group, **more)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def start(base, tmp_path_factory):
    import torch

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("start") / "rules.safetensors"
    save(build_network(base), path)
    return path


def write_xz(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8") as handle:
        handle.write(text)


def test_marked_proofs_are_units_of_the_evidence(tmp_path):
    row = {"claim": "C.", "doc_id": 7, "title": "T", "sentences": ["A.", "B."],
           "label": "SUPPORT", "rationales": [[1]]}  # fmt: skip
    write_xz(tmp_path / "faithfulness/scifact/pairs_train.jsonl.xz", json.dumps(row) + "\n")
    (made,) = load_scifact(tmp_path)
    assert [[made.evidence[i] for i in proof] for proof in made.proofs] == [["B."]]
    row = {"claim": "C.", "evidence": ["A.", "B."], "label": "supported",
           "supporting_sentences": [[0, 1], []], "meta": {"claim_title": "T"}}  # fmt: skip
    write_xz(tmp_path / "faithfulness/wice/claim_dev.jsonl.xz", json.dumps(row) + "\n")
    assert load_wice(tmp_path)[0].proofs == ((0, 1),)


def test_what_shares_a_document_or_a_claim_shares_its_fold():
    made = [pair(f"c{n}", group=f"g{n}") for n in range(60)]
    made += [pair(f"c{n}", group=f"g{n + 30}") for n in range(30)]
    folds = assign_folds(made, 3)
    assert set(folds.tolist()) == {0, 1, 2}
    assert (folds[:30] == folds[60:]).all()
    assert (folds[30:60] == folds[60:]).all()
    assert (assign_folds(made, 3) == folds).all()


def test_a_varied_pair_keeps_its_marked_proof():
    rng = random.Random(0)
    marked = pair(proofs=((1,),))
    made = [vary(marked, WEIGHTS, rng) for _ in range(20)]
    assert all(EVIDENCE[1] in one.evidence for one in made)
    assert len({one.evidence for one in made}) > 1
    assert {(one.claim, one.label, one.group) for one in made} == {
        (marked.claim, "supported", "g"),
    }


def test_a_falsified_pair_is_no_longer_supported():
    rng = random.Random(0)
    made = [one for _ in range(20) for one in falsify(pair(), rng)]
    assert made
    for one in made:
        assert one.label in {"contradicted", "unsupported"}
        assert one.claim != pair().claim
        assert one.changed
    assert falsify(pair("Cats."), rng) == []


def test_sets_that_are_measured_only_are_refused(tmp_path):
    with pytest.raises(ValueError, match="measured only"):
        gather([pair(source="healthver")], tmp_path, WEIGHTS, Recipe())


def test_gathering_repeats_sets_as_asked_and_adds_rules(tmp_path, monkeypatch):
    sources = [
        Source(f"p{n}", f"Reader {n}", EVIDENCE, (("It uses 7 layers.", (1,)),), written=True)
        for n in range(8)
    ]
    monkeypatch.setattr(judge_tuning, "load_abstractqa", lambda data, split: sources)
    monkeypatch.setattr(judge_tuning, "make_question_claims", lambda data: [])
    human = [pair(f"It finds {n} cats.", group=f"g{n}") for n in range(10)]
    human += [pair(f"c{n}", source="wice", group=f"w{n}") for n in range(10)]
    recipe = Recipe(repeats=(("scifact", 2.5), ("wice", 0.5)), made=12)
    made = gather(human, tmp_path, WEIGHTS, recipe)
    counts = {
        name: sum(one.source == name and one.kind == "kind" for one in made)
        for name in ("scifact", "wice")
    }
    assert counts == {"scifact": 25, "wice": 5}
    assert sum(one.source == "scifact" and one.kind != "kind" for one in made) > 0
    assert sum(one.source == "abstractqa" for one in made) == 12
    assert gather(human, tmp_path, WEIGHTS, recipe) == made


def test_an_average_lies_between(base, start):
    before, after = load_network(start, base), load_network(start, base)
    import torch

    with torch.no_grad():
        for value in after.parameters():
            value += 1.0
    average(after, before, 0.25)
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.allclose(new, old + 0.75, atol=1e-5)


def test_frozen_layers_stay_and_runs_repeat(base, start):
    from askpapers.encoders.judge import load_network, load_tokenizer

    examples = [pair(), pair("Dogs is faster.", "contradicted", group="h")] * 4
    recipe = Recipe(frozen_layers=1, kept=0.0, rate=1e-3, tokens_per_batch=128)
    first, second = (tune(examples, start, base, WEIGHTS, recipe) for _ in range(2))
    before = load_network(start, base)
    layers = [net.bert.encoder["layer"] for net in (before, first)]
    for old, new in zip(layers[0][0].parameters(), layers[1][0].parameters(), strict=True):
        assert (old == new).all()
    changed = zip(layers[0][1].parameters(), layers[1][1].parameters(), strict=True)
    assert any((old != new).any() for old, new in changed)
    for old, new in zip(first.parameters(), second.parameters(), strict=True):
        assert (old == new).all()
    network = load_network(start, base)
    encoded = encode(examples, load_tokenizer(base), WEIGHTS)
    train(network, encoded, Schedule(1e-3, frozen_layers=2), seed=1)
    assert not any(value.requires_grad for value in network.bert.parameters())


class Constant:
    """Stands for a network that always says one thing."""

    def __init__(self, value):
        self.value = value

    def score(self, pairs):
        return np.full((len(pairs), 5), self.value, np.float32)


def test_every_example_is_read_by_the_network_that_did_not_see_it():
    examples = [pair(group="a"), pair(group="b"), pair(source="healthver"), pair(group="c")]
    table = read_cross_fitted(
        examples, np.array([1, 0, 0, 1]), [Constant(0.0), Constant(1.0)], Constant(9.0), WEIGHTS
    )
    assert table.logits[:, 0].tolist() == [1.0, 0.0, 9.0, 1.0]
    assert table.folds.tolist() == [1, 0, -1, 1]
    with pytest.raises(ValueError, match="nothing"):
        read_cross_fitted([], np.array([], int), [], Constant(0.0), WEIGHTS)


def test_the_whole_run_writes_weights_and_manifest(base, start, tmp_path, monkeypatch):
    human = {
        name: [
            pair(f"The {name} {n} uses {n + 2} layers.", label, name, f"{name}-{n}")
            for n, label in enumerate(["supported", "unsupported"] * 12)
        ]
        for name in ("scifact", "wice", "healthver")
    }
    made = [
        pair(f"It {n}.", label, "corruptions", f"p{n}")
        for n, label in enumerate(["supported", "contradicted"] * 12)
    ]
    seen = []

    def note(chosen, data, weights, recipe):
        seen.append({example.group for example in chosen})
        return list(chosen)

    monkeypatch.setattr(judge_tuning, "load_human", lambda data: human)
    monkeypatch.setattr(judge_tuning, "corruptions", lambda data, split, seed: made)
    monkeypatch.setattr(judge_tuning, "gather", note)
    (tmp_path / "judge-words.txt").write_text("2.0 layers\n")
    out = tmp_path / "judge.safetensors"
    arguments = {"--start": start, "--data": tmp_path, "--base": base, "--work": tmp_path / "w",
                 "--out": out}  # fmt: skip
    monkeypatch.setattr(
        sys, "argv", ["tuning", *(str(part) for pair in arguments.items() for part in pair)]
    )
    judge_tuning.main()
    assert len(seen) == 4
    assert seen[3] == seen[0] | seen[1] | seen[2]
    assert not any(group.startswith("healthver") for group in seen[3])
    # Every document is missing from what exactly one of the folds' networks saw.
    assert all(sum(group in part for part in seen[:3]) == 2 for group in seen[3])
    manifest = tomllib.loads((tmp_path / "judge.toml").read_text())
    assert manifest["size_bytes"] == out.stat().st_size
    assert "cosine" in manifest["parameters"]["stacked"]["coefficients"]
    judge_tuning.main()
    assert len(seen) == 4, "weights that are there are not trained again"
