"""The answer adapter: its examples, its batches, its file, and its logits in llama.cpp."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askpapers.citations import read_drafts
from askpapers.metrics.facts import find_numbers
from askpapers.training.adapter import Encoded, Recipe, learning_rate_at, make_batches
from askpapers.training.adapter_data import (
    Block,
    Distractors,
    Item,
    Mix,
    make_epoch,
    make_example,
    make_pair,
    render_sources,
    render_target,
)
from askpapers.training.adapter_export import (
    gguf_name,
    permute_heads,
    read_adapter,
    restore_heads,
    write_adapter,
)

ITEMS = [
    Item(
        id="q1",
        paper="p1",
        title="FastNet: Pruning Quickly",
        sentences=(
            "Pruning networks is slow.",
            "FastNet reduces the pruning time by 41.5% on three benchmarks.",
            "Code is available [here].",
        ),
        question="How much pruning time does FastNet save?",
        gold=(1,),
        answer="FastNet reduces the pruning time by 41.5% on three benchmarks.",
    ),
    Item(
        id="q2",
        paper="p2",
        title="Pruning at Scale",
        sentences=(
            "Pruning at scale needs memory.",
            "Our pruning keeps 92.3% of the accuracy. ",
            "It needs no labels.",
        ),
        question="Does pruning at scale need labels?",
        gold=(1, 2),
        answer="No: pruning at scale needs no labels.",
    ),
    Item(
        id="q3",
        paper="p3",
        title="Graphs in Time",
        sentences=("Graphs change.", "We propose TimeGraph, faster than GraphNet on 12 sets."),
        question="On how many sets is TimeGraph faster?",
        gold=(1,),
        answer="TimeGraph is faster than GraphNet on 12 sets.",
    ),
]


def numbers_of(example_block: Block) -> frozenset[str]:
    return find_numbers(" ".join([example_block.title, *example_block.sentences]))


def test_sources_are_one_line_a_paper_without_square_brackets_of_their_own() -> None:
    blocks = [Block("A [1] title", ("First\nsentence.", "Second [2].")), Block("B", ("Third.",))]
    assert render_sources(blocks) == "[1] A (1) title: First sentence. Second (2).\n[2] B: Third."


def test_marks_stand_before_each_period() -> None:
    assert render_target("It works. No labels are used.", 2) == (
        "It works [2]. No labels are used [2]."
    )
    assert render_target("A value of 2.5 (see [3])", 1) == "A value of 2.5 (see (3)) [1]."


def test_an_example_cites_the_block_that_holds_the_gold_evidence() -> None:
    distractors = Distractors(ITEMS)
    for seed in range(40):
        example = make_example(ITEMS[0], distractors, random.Random(seed))
        assert example is not None
        (draft,) = read_drafts(example.target)
        block = example.blocks[draft.numbers[0] - 1]
        assert block.title == ITEMS[0].title
        assert ITEMS[0].sentences[1] in block.sentences
        assert list(block.sentences) == [s for s in ITEMS[0].sentences if s in block.sentences]


def test_edits_are_the_same_in_the_evidence_and_in_the_answer() -> None:
    distractors = Distractors(ITEMS)
    mix = Mix(numbers=1.0, names=1.0, directions=1.0)
    seen = set()
    for seed in range(60):
        example = make_example(ITEMS[0], distractors, random.Random(seed), mix)
        assert example is not None
        (draft,) = read_drafts(example.target)
        block = example.blocks[draft.numbers[0] - 1]
        assert find_numbers(draft.text) <= numbers_of(block)
        assert draft.text.split()[0] in " ".join(block.sentences).split()
        seen.add(draft.text)
    assert len(seen) > 30
    assert ITEMS[0].answer not in seen


def test_an_answer_that_its_evidence_does_not_hold_makes_no_example() -> None:
    item = Item("q", "p1", "Title", ITEMS[0].sentences, "What?", (0,), "Bananas are yellow fruit.")
    assert make_example(item, Distractors(ITEMS), random.Random(0)) is None


def test_a_pair_cites_each_paper_for_its_own_sentence() -> None:
    for seed in range(10):
        example = make_pair(ITEMS[0], ITEMS[2], random.Random(seed))
        assert example is not None
        first, second = read_drafts(example.target)
        assert example.blocks[first.numbers[0] - 1].title == ITEMS[0].title
        assert example.blocks[second.numbers[0] - 1].title == ITEMS[2].title


def test_an_epoch_is_decided_by_its_seed_and_its_number() -> None:
    distractors = Distractors(ITEMS)

    def epoch(seed: int, number: int) -> list[str]:
        made = make_epoch(ITEMS, distractors, seed=seed, epoch=number, mix=Mix())
        return [f"{render_sources(example.blocks)} {example.target}" for example in made]

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(1, 1)


def test_batches_hold_everything_once_within_the_token_limit() -> None:
    rng = random.Random(5)
    encoded = [Encoded(tuple(range(rng.randint(5, 90))), 3, (1.0,)) for _ in range(200)]
    batches = make_batches(encoded, 256, random.Random(0))
    assert sorted(len(one.tokens) for batch in batches for one in batch) == sorted(
        len(one.tokens) for one in encoded
    )
    assert all(max(len(one.tokens) for one in b) * len(b) <= 256 for b in batches)


def test_the_rate_rises_then_falls_to_its_final_share() -> None:
    recipe = Recipe(warmup_steps=10, learning_rate=1.0, final_share=0.1)
    rates = [learning_rate_at(step, 100, recipe) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_heads_are_interleaved_as_llama_cpp_rotates_them() -> None:
    rows = np.arange(2 * 6, dtype=np.float32).reshape(12, 1)
    assert permute_heads(rows, 2).ravel().tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]
    assert restore_heads(permute_heads(rows, 2), 2).tolist() == rows.tolist()


def test_a_written_adapter_reads_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    tensors = {
        "layers.0.self_attn.q_proj.lora_a": torch.randn(4, 32),
        "layers.0.self_attn.q_proj.lora_b": torch.randn(32, 4),
        "layers.0.self_attn.k_proj.lora_b": torch.randn(16, 4),
        "layers.11.mlp.down_proj.lora_b": torch.randn(32, 4),
    }
    path = tmp_path / "adapter.gguf"
    write_adapter(tensors, path, alpha=8.0, heads=4, key_heads=2)
    assert gguf_name("layers.11.mlp.down_proj.lora_b") == "blk.11.ffn_down.weight.lora_b"
    read = read_adapter(path, heads=4, key_heads=2)
    assert set(read) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor.half().float())


@pytest.mark.real
def test_llama_cpp_and_torch_read_the_shipped_adapter_alike() -> None:
    """Teacher-forced over the target: llama.cpp quantizes activations, torch is float32.

    Over the stock weights the two differ by 0.16 on average for that reason; with q or k rows in
    the wrong order they differ by more than the adapter itself changes.
    """
    torch = pytest.importorskip("torch")
    llama_cpp = pytest.importorskip("llama_cpp")
    from askpapers.models import get_file, get_manifest
    from askpapers.resources import find_folder, home_folder
    from askpapers.training.adapter import encode
    from askpapers.training.adapter_eval import open_generator
    from askpapers.training.adapter_model import (
        add_lora,
        answer_logits,
        load_base,
        set_lora_tensors,
    )

    path = find_folder("models") / "answer-adapter.gguf"
    gguf = get_file(get_manifest("smollm2-135m"), home=home_folder()).path
    model, tokenizer = load_base(gguf, dtype="float32")
    example = make_example(ITEMS[0], Distractors(ITEMS), random.Random(1))
    assert example is not None
    encoded = encode(example, tokenizer, 1.0)
    columns = list(range(encoded.answer_start - 1, len(encoded.tokens) - 1))

    def torch_logits() -> np.ndarray:
        with torch.no_grad():
            tokens = torch.tensor([encoded.tokens])
            return answer_logits(model, tokens, [0] * len(columns), columns).numpy()

    stock = torch_logits()
    add_lora(model.model.layers, seed=0)
    set_lora_tensors(model, read_adapter(path, heads=9, key_heads=3))
    tuned = torch_logits()

    llama = open_generator(path, 1)._llama
    rows = []
    for start, end in [(0, encoded.answer_start), *((c + 1, c + 2) for c in columns[:-1])]:
        llama.eval(list(encoded.tokens[start:end]))
        logits = llama_cpp.llama_get_logits_ith(llama._ctx.ctx, -1)
        rows.append(np.ctypeslib.as_array(logits, shape=(llama.n_vocab(),)).copy())
    differences = np.abs(np.array(rows) - tuned)
    assert differences.mean() < 0.3
    assert differences.max() < 3.0
    assert np.mean(np.argmax(rows, axis=1) == tuned.argmax(axis=1)) > 0.9
    assert np.abs(tuned - stock).mean() > 3 * differences.mean()


@pytest.mark.real
def test_a_training_goes_on_from_its_state_and_from_no_other(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from askpapers.errors import MismatchError
    from askpapers.training.adapter_model import restore_state, save_state

    def made(seed: int) -> tuple[Any, Any]:
        torch.manual_seed(seed)
        model = torch.nn.Module()
        layer = torch.nn.Module()
        layer.lora_a = torch.nn.Parameter(torch.randn(2, 3))
        layer.lora_b = torch.nn.Parameter(torch.randn(3, 2))
        model.layer = layer
        return model, torch.optim.AdamW(model.parameters())

    model, optimizer = made(1)
    (model.layer.lora_a.sum() + model.layer.lora_b.sum()).backward()
    optimizer.step()
    path = tmp_path / "state.pt"
    other, its = made(2)
    assert restore_state(path, other, its, {"seed": 1}) == 0
    save_state(path, 7, model, optimizer, {"seed": 1})
    assert restore_state(path, other, its, {"seed": 1}) == 7
    assert torch.equal(other.layer.lora_a, model.layer.lora_a)
    assert its.state_dict()["state"][0]["step"] == 1
    with pytest.raises(MismatchError, match="another recipe"):
        restore_state(path, other, its, {"seed": 2})
