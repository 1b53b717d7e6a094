import sys
from pathlib import Path

import numpy as np
import pytest

from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.errors import ModelDamaged, ModelMissing, UsageError
from askpapers.models import get_manifest

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def embedder(home):
    return SentenceTransformerEmbedder.load(get_manifest("embedder"), home=home)


def test_vectors_are_unit_float32_rows_in_input_order(embedder):
    texts = ["long " * 60, "short", "robots walk over rubble"]
    together = embedder.embed_passages(texts)
    assert together.shape == (3, embedder.dimension)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    for i, text in enumerate(texts):
        alone = embedder.embed_passages([text])[0]
        assert together[i] @ alone > 0.999
    assert embedder.embed_passages([]).shape == (0, embedder.dimension)


def test_meaning_is_near(embedder):
    question = embedder.embed_questions(["Which step size makes training stable?"])[0]
    passages = embedder.embed_passages(
        [
            "We choose the learning rate so that optimisation does not diverge.",
            "We catalogue the birds of northern lakes.",
        ]
    )
    assert passages[0] @ question > passages[1] @ question + 0.1


def test_text_past_the_limit_is_not_read_and_tokens_are_counted(embedder):
    words = " ".join(["robots"] * 400)
    assert embedder.count_tokens(words) == 402
    cut = " ".join(["robots"] * 300)
    a, b = embedder.embed_passages([words, cut])
    assert a @ b > 0.9999


def test_tuned_and_stock_weights_are_different_spaces(embedder, home):
    stock = SentenceTransformerEmbedder.load(get_manifest("all-minilm-l6-v2"), home=home)
    assert stock.fingerprint != embedder.fingerprint
    text = ["How can options learned in one environment be moved to another?"]
    assert stock.embed_questions(text)[0] @ embedder.embed_questions(text)[0] < 0.99


def test_a_prefix_reaches_the_model(embedder):
    base = embedder._base
    plain = SentenceTransformerEmbedder(base)
    prefixed = SentenceTransformerEmbedder(base, question_prefix="robots: ")
    assert prefixed.fingerprint != plain.fingerprint
    a = prefixed.embed_questions(["walk"])[0]
    assert a @ plain.embed_questions(["robots: walk"])[0] > 0.9999
    assert a @ plain.embed_questions(["walk"])[0] < 0.99


def test_scikit_learn_stays_importable_after_loading(embedder):
    embedder.embed_questions(["x"])
    from sklearn.metrics import pairwise_distances

    assert pairwise_distances([[0.0], [3.0]])[0, 1] == 3.0
    assert Path(sys.modules["sklearn"].__file__).is_file()


def test_wrong_files_are_told_apart(embedder, tmp_path):
    with pytest.raises(ModelMissing):
        SentenceTransformerEmbedder(tmp_path / "none").embed_questions(["x"])
    with pytest.raises(ModelMissing):
        SentenceTransformerEmbedder(tmp_path).count_tokens("x")
    with pytest.raises(ModelDamaged):
        SentenceTransformerEmbedder(tmp_path).embed_questions(["x"])
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not safetensors")
    with pytest.raises(ModelDamaged):
        SentenceTransformerEmbedder(embedder._base, weights=bad).embed_questions(["x"])
    with pytest.raises(ModelDamaged):
        SentenceTransformerEmbedder(embedder._base, dimension=7).embed_questions(["x"])


def test_a_generator_is_no_embedder(home):
    with pytest.raises(UsageError):
        SentenceTransformerEmbedder.load(get_manifest("smollm2-135m"), home=home)
