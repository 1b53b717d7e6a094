"""What the reader learns from, and that it learns: on a network of a few thousand weights."""

from __future__ import annotations

import json
import lzma
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.mean_bert import MeanBert
from askpapers.encoders.reader import ReaderNetwork, Reading, WindowCutter
from askpapers.evidence import Policy, ReadPaper
from askpapers.training import reader as training
from askpapers.training.aspects import ASPECTS, ask_by_rule, find_topic
from askpapers.training.reader import Recipe, find_neighbours, loss_of
from askpapers.training.reader_data import (
    Abstract,
    Item,
    Question,
    Sheet,
    TermNeighbours,
    crop,
    is_held_out_claim,
    load_off_topic,
    load_scifact,
    load_wider,
    name_item,
    question_item,
    title_item,
)
from askpapers.training.reader_measure import (
    Row,
    load_rows,
    save_rows,
    summarise,
)

PLOVER = Abstract(
    "p", "Plover: Bandits for New Users",
    ("New users are a problem.", "We present Plover, a bandit.",
     "It was trained on 8 GPUs for 14 hours.", "Users like it."),
)  # fmt: skip
FOLDS = Abstract("f", "Folding proteins", ("Proteins fold.", "We fold them.", "They folded."))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("tiny"))


def test_a_question_by_rule_points_at_the_sentence_that_states_it() -> None:
    rng = random.Random(0)
    seen = {}
    for _ in range(60):
        asked = ask_by_rule(PLOVER.title, PLOVER.sentences, rng, answerable=True)
        assert asked is not None
        seen[asked.question] = asked.evidence
    about_gpus = [evidence for question, evidence in seen.items() if "GPU" in question]
    assert about_gpus
    assert set(about_gpus) == {(2,)}


def test_a_near_miss_asks_what_the_abstract_never_mentions() -> None:
    rng = random.Random(0)
    for _ in range(200):
        asked = ask_by_rule(PLOVER.title, PLOVER.sentences, rng, answerable=False)
        assert asked is not None
        assert asked.evidence == ()
        assert not {"GPU", "hours"} & set(asked.question.split())


def test_an_abstract_that_fits_no_aspect_gives_no_question() -> None:
    assert ask_by_rule("Cats", ("Cats sleep.",), random.Random(0), answerable=True) is None


def test_every_template_takes_the_topic() -> None:
    assert len({aspect.name for aspect in ASPECTS}) == len(ASPECTS)
    for aspect in ASPECTS:
        for template in aspect.templates:
            assert "Plover" in template.format(t="Plover")


def test_the_topic_is_the_name_before_the_colon() -> None:
    assert find_topic(PLOVER.title, PLOVER.sentences, random.Random(0)) == "Plover"


@pytest.mark.parametrize("seed", range(30))
def test_a_cropped_sheet_keeps_its_evidence(seed: int) -> None:
    sentences = tuple(f"Sentence {i}." for i in range(12))
    sheet = Sheet("T", sentences, True, True, (4, 6))
    cut = crop(sheet, random.Random(seed), 1.0)
    assert cut.evidence is not None
    assert [cut.sentences[e] for e in cut.evidence] == ["Sentence 4.", "Sentence 6."]
    start = sentences.index(cut.sentences[0])
    assert cut.sentences == sentences[start : start + len(cut.sentences)]


def test_a_sheet_whose_answer_is_not_located_is_never_cropped() -> None:
    sheet = Sheet("T", tuple("abcdefghijkl"), True, True, None)
    assert crop(sheet, random.Random(1), 1.0) == sheet


def test_an_off_topic_item_holds_nothing_but_neighbours() -> None:
    question = Question("o", "How do I bake bread?", "", "off topic", ())
    item = question_item(
        question, {"f": FOLDS}, ["f"], random.Random(0),
        negatives=2, share_removed=1.0, share_cropped=0.0,
    )  # fmt: skip
    assert item.sheets == (Sheet(FOLDS.title, FOLDS.sentences, False, False, ()),)
    asked = load_off_topic()
    assert len(asked) > 900
    assert all(not q.paper and not q.evidence for q in asked)


def test_an_item_holds_own_paper_removed_evidence_and_neighbours() -> None:
    question = Question("q", "How many GPUs?", "p", "fact", (2,))
    item = question_item(
        question, {"p": PLOVER, "f": FOLDS}, ["f"], random.Random(0),
        negatives=2, share_removed=1.0, share_cropped=0.0,
    )  # fmt: skip
    own, removed, other = item.sheets
    assert (own.relevant, own.answerable, own.evidence) == (True, True, (2,))
    assert (removed.relevant, removed.answerable, removed.evidence) == (None, False, ())
    assert PLOVER.sentences[2] not in removed.sentences
    assert (other.title, other.relevant, other.answerable) == ("Folding proteins", False, False)


def test_a_title_item_hides_the_title() -> None:
    item = title_item(PLOVER, FOLDS, random.Random(0))
    assert [sheet.title for sheet in item.sheets] == ["", ""]
    assert item.question in PLOVER.title


def test_a_name_item_asks_for_a_name_that_few_sentences_hold() -> None:
    paper = Abstract(
        "n", "On formats", ("We look at floats.", "The RF8 format is small.", "RF8 wins on GPT-2.")
    )
    for seed in range(8):
        item = name_item(paper, FOLDS, random.Random(seed))
        assert item is not None
        own, other = item.sheets
        asked = "rf8" if "rf8" in item.question.lower() else "gpt-2"
        assert asked in item.question.lower()
        assert own.evidence == ((1, 2) if asked == "rf8" else (2,))
        assert (own.answerable, other.answerable, other.title) == (True, False, FOLDS.title)
    assert (
        name_item(Abstract("m", "T", ("Nothing is named here.",)), FOLDS, random.Random(0)) is None
    )


def test_term_neighbours_prefer_rare_terms() -> None:
    papers = [Abstract(f"n{i}", "A common paper", ("Common words here.",)) for i in range(60)]
    found = TermNeighbours([*papers, PLOVER]).find("a common question about Plover", 2)
    assert found[0] == "p"


def test_dense_and_term_neighbours_leave_out_the_own_paper(base: Path) -> None:
    question = Question("q", "plover bandits", "p", "fact", (2,))
    space = MeanBert(base, max_tokens=64)
    assert find_neighbours(space, [PLOVER, FOLDS], [question])["q"] == ["f"]
    kept = find_neighbours(space, [PLOVER, FOLDS], [question], keep_own=True)
    assert set(kept["q"]) == {"p", "f"}


def test_wider_abstracts_skip_known_titles_and_are_drawn_by_seed(tmp_path: Path) -> None:
    path = tmp_path / "wider.jsonl.xz"
    rows = [
        {"title": f"Paper {i}", "abstract": f"We do. It works. Number {i} ends."} for i in range(30)
    ]
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    drawn = load_wider(path, 5, skip_titles=["paper 3!"], seed=1)
    assert drawn == load_wider(path, 5, skip_titles=["paper 3!"], seed=1)
    everything = load_wider(path, 99, skip_titles=["paper 3!"], seed=1)
    assert {p.title for p in everything} == {f"Paper {i}" for i in range(30)} - {"Paper 3"}


def test_held_out_claims_never_reach_training(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.xz"
    with lzma.open(path, "wt", encoding="utf-8") as file:
        for i in range(100):
            row = {"id": f"{i}-7", "claim": "c", "doc_id": 7, "title": "t", "sentences": ["a", "b"],
                   "label": "SUPPORT", "rationales": [[1]]}  # fmt: skip
            file.write(json.dumps(row) + "\n")
    train = {q.key for q in load_scifact(path, held_out=False)[1]}
    held = {q.key for q in load_scifact(path, held_out=True)[1]}
    assert not train & held
    assert len(train | held) == 100
    assert all(is_held_out_claim(key.split("-")[0]) for key in held)
    assert 5 <= len(held) <= 40


def make_items() -> list[Item]:
    topics = ["cats", "dogs", "robots", "bandits"]
    items = []
    for number, topic in enumerate(topics):
        other = topics[(number + 1) % 4]
        own = Sheet(topic, (f"the {other} is slow.", f"the {topic} uses memory."), True, True, (1,))
        wrong = Sheet(other, (f"the {other} is faster.", "a model."), False, False, ())
        items.append(Item(f"what does {topic} uses?", (own, wrong)))
    return items


def test_the_loss_falls_on_a_few_items(base: Path) -> None:
    import torch

    torch.manual_seed(0)
    network, cutter = ReaderNetwork(base), WindowCutter(base)
    optimizer = torch.optim.AdamW(network.modules.parameters(), lr=2e-3)
    first, parts = loss_of(network, cutter, make_items(), 4)
    assert set(parts) == {"pick", "each", "rank", "paper", "answer"}
    for _ in range(40):
        optimizer.zero_grad()
        loss, parts = loss_of(network, cutter, make_items(), 4)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * float(first.detach())


def test_unknown_labels_give_no_loss(base: Path) -> None:
    sheet = Sheet("cats", ("the cats is slow.",), True, None, None)
    _, parts = loss_of(ReaderNetwork(base), WindowCutter(base), [Item("cats?", (sheet,))], 4)
    assert set(parts) == {"paper"}


def test_frozen_layers_stay_as_they_were(base: Path) -> None:
    network = ReaderNetwork(base)
    network.freeze(1)
    free = {n for n, p in network.modules.named_parameters() if p.requires_grad}
    assert not [n for n in free if "embeddings" in n or "layer.0." in n]
    assert [n for n in free if "layer.1." in n]


def test_each_cycle_rises_and_decays() -> None:
    items = [Item("q", ())] * 50
    factors = [step.factor for step in training._steps(items, Recipe(batch=2, warm_up=0.2))]
    assert len(factors) == 25
    assert max(factors) == 1.0
    assert factors[0] == pytest.approx(0.2)
    assert factors[-1] == pytest.approx(0.05)
    peak = factors.index(1.0)
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_an_interrupted_run_ends_where_a_whole_one_does(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    steps = [training.Step(tuple(make_items()), 1.0, ends=i in (2, 5)) for i in range(6)]
    recipe = Recipe(frozen_layers=0, cycles=(1.0,))

    def run(work: Path, count: int) -> dict[str, torch.Tensor]:
        work.mkdir(exist_ok=True)
        monkeypatch.setattr(training, "plan", lambda *_, **__: steps[:count])
        return training.train(tmp_path, base, work, recipe).weights()

    whole = run(tmp_path / "whole", 6)
    run(tmp_path / "parts", 3)
    resumed = run(tmp_path / "parts", 6)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_result_is_the_mean_of_the_ends_of_the_cycles(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import load_file

    steps = [training.Step(tuple(make_items()), 1.0, ends=i in (0, 2, 5)) for i in range(6)]
    monkeypatch.setattr(training, "plan", lambda *_, **__: steps)
    recipe = Recipe(frozen_layers=0, cycles=(1.0, 0.6))
    result = training.train(tmp_path, base, tmp_path, recipe).weights()
    ends = [load_file(tmp_path / f"step-{n}.safetensors") for n in (1, 3, 6)]
    for name, value in result.items():
        mean = (ends[1][name].float() + ends[2][name].float()) / 2
        assert torch.allclose(value.float(), mean, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(ends[1][name], ends[2][name]) for name in result)


def make_rows(count: int = 60) -> list[Row]:
    rng = np.random.default_rng(0)

    def reading(mean: float, sentences: tuple[float, ...]) -> Reading:
        value = float(1 / (1 + np.exp(-rng.normal(mean, 1.0))))
        return Reading(value, value, sentences)

    rows = []
    for i in range(count):
        stated = i % 3 != 0
        own = reading(2.0 if stated else -1.0, (0.1, 0.8 if stated else 0.2))
        gone = reading(-1.0, (0.1,))
        others = tuple(ReadPaper(f"x{j}", reading(-3.0, (0.05, 0.04))) for j in range(3))
        kind, evidence = ("fact", (1,)) if stated else ("unanswerable", ())
        asked = f"How many cats has plan {i}?"
        rows.append(Row(f"q{i}", asked, kind, f"p{i}", evidence, own, gone if stated else None,
                        (ReadPaper(f"p{i}", own), *others)))  # fmt: skip
    return rows


def test_the_reader_is_measured_on_its_own_and_on_other_abstracts() -> None:
    figures = summarise(make_rows(), Policy())
    assert figures["own abstract, evidence first: all"] == {
        "value": 1.0, "low": 1.0, "high": 1.0, "n": 40,
    }  # fmt: skip
    assert figures["own abstract, answerable against near miss: auroc"]["value"] > 0.9
    assert figures["own abstract, answerable against evidence removed: auroc"]["value"] > 0.9
    assert figures["pool, own paper shown"]["value"] == 1.0
    blind = [replace(row, own=replace(row.own, sentences=(0.9, 0.1))) for row in make_rows()]
    assert summarise(blind, Policy())["own abstract, evidence first: all"]["value"] == 0.0


def test_rows_survive_being_saved(tmp_path: Path) -> None:
    rows = make_rows(6)
    save_rows(rows, tmp_path / "rows.jsonl")
    again = load_rows(tmp_path / "rows.jsonl")
    assert [r.key for r in again] == [r.key for r in rows]
    assert again[1].papers[0].reading.sentences == rows[1].papers[0].reading.sentences
    assert again[1].own.answerable == pytest.approx(rows[1].own.answerable)
    assert (again[0].removed, again[1].removed is None) == (None, False)
