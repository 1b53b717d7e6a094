"""The judge's network: pairs, batches, weights on disk, and that it can learn."""

import random

import numpy as np
import pytest
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.judge import (
    MAX_CLAIM_PIECES,
    MAX_PIECES,
    PairScorer,
    build_network,
    encode_pairs,
    load_tokenizer,
    load_untrained,
    make_batch,
)
from askpapers.errors import ModelDamaged, ModelMissing
from askpapers.training.judge import Encoded, Schedule, save, train

PAIRS = [
    ("the model uses seven layers.", "we show the model uses seven layers."),
    ("it is fast", "dogs is slow. cats is fast."),
    ("robots", "bandits"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def weights(base, tmp_path_factory):
    import torch

    torch.manual_seed(1)
    network = build_network(base)
    for name, parameter in network.named_parameters():
        if not name.startswith("bert."):
            torch.nn.init.normal_(parameter, std=0.5)
    path = tmp_path_factory.mktemp("weights") / "judge.safetensors"
    save(network, path)
    return path


def test_pairs_are_cut_to_size(base):
    tokenizer = load_tokenizer(base)
    (ids, head), (short, _) = encode_pairs(tokenizer, [("cats " * 400, "dogs " * 900), ("a", "b")])
    assert len(ids) == MAX_PIECES
    assert head == MAX_CLAIM_PIECES + 2
    assert len(short) == 5
    assert ids[-1] == short[-1] == tokenizer.token_to_id("[SEP]")


def test_batches_tell_claim_from_evidence_and_padding():
    ids, kinds, mask = make_batch([([5, 6, 7, 8], 2), ([5, 9], 1)])
    assert ids.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert kinds.tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_saved_weights_leave_the_word_embeddings_out(weights):
    from safetensors import safe_open

    with safe_open(weights, "pt") as held:
        assert "bert.embeddings.word_embeddings.weight" not in held.keys()  # noqa: SIM118
        assert "out.weight" in held.keys()  # noqa: SIM118


def test_a_pair_is_scored_alike_alone_and_among_others(base, weights):
    scorer = PairScorer.load(weights, base)
    together = scorer.score(PAIRS)
    alone = np.vstack([scorer.score([pair]) for pair in PAIRS])
    assert together.shape == (3, 5)
    assert together.dtype == np.float32
    assert together == pytest.approx(alone, abs=float(0.05 * np.ptp(together)) + 0.15)
    assert np.ptp(together[:, 0]) > 0.01
    assert scorer.score([]).shape == (0, 5)


def test_missing_and_foreign_weights(base, tmp_path, weights):
    with pytest.raises(ModelMissing):
        PairScorer.load(tmp_path / "none.safetensors", base)
    with pytest.raises(ModelMissing):
        PairScorer.load(weights, tmp_path)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not weights")
    with pytest.raises(ModelDamaged):
        PairScorer.load(bad, base)
    import torch
    from safetensors.torch import save_file

    save_file({"out.weight": torch.zeros(3, 32)}, bad)
    with pytest.raises(ModelDamaged):
        PairScorer.load(bad, base)


def test_it_learns_to_find_a_word_that_is_not_there(base, tmp_path):
    rng = random.Random(0)
    tokenizer = load_tokenizer(base)
    words = ["cats", "dogs", "robots", "bandits"]
    encoded = []
    for _ in range(320):
        word, other = rng.sample(words, 2)
        true = rng.random() < 0.5
        ids, head = encode_pairs(tokenizer, [(word, word if true else other)])[0]
        label = "supported" if true else "unsupported"
        encoded.append(Encoded(ids, head, label, [-100, int(not true), -100]))
    network = build_network(base)
    frozen = network.bert.embeddings.word_embeddings.weight.clone()
    checkpoint = tmp_path / "checkpoint.pt"
    train(
        network, encoded, Schedule(rate=3e-3, tokens_per_batch=128), seed=1, epochs=12,
        checkpoint=checkpoint,
    )  # fmt: skip
    assert (network.bert.embeddings.word_embeddings.weight == frozen).all()
    scorer = PairScorer(network, load_untrained(base), tokenizer)
    found = scorer.score([("cats", "cats"), ("dogs", "dogs"), ("cats", "dogs"), ("dogs", "cats")])
    margin = found[:, 0] - found[:, 1:3].max(axis=1)
    assert (margin[:2] > 0).all()
    assert (margin[2:] < 0).all()
