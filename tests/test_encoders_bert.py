"""BERT on plain torch against transformers, and the question's vector against its library."""

import json
import shutil

import numpy as np
import pytest
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.bert import load_bert
from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.encoders.mean_bert import MeanBert, cut_batches, is_mean_bert
from askpapers.errors import ModelDamaged, ModelMissing
from askpapers.models import get_file, get_manifest

QUESTIONS = [
    "How many GPU hours does the convolutional deep kernel machine need?",
    "ell_1",
    "Which methods shrink the key-value cache of long-context models? " * 30,
]


def test_states_are_those_of_transformers(tmp_path):
    import torch
    from transformers.models.bert.modeling_bert import BertModel

    folder = write_tiny_bert(tmp_path / "bert")
    ours = load_bert(folder)
    theirs = BertModel.from_pretrained(str(folder), add_pooling_layer=False).eval()
    ids = torch.randint(4, 40, (3, 17), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    kinds = torch.zeros_like(ids)
    kinds[:, 6:] = 1
    with torch.inference_mode():
        right = theirs(input_ids=ids, attention_mask=mask, token_type_ids=kinds)
        found = ours(ids, mask, kinds)
    seen = mask.bool()
    assert torch.allclose(found[seen], right.last_hidden_state[seen], atol=1e-5)
    # The slower attention of training computes the same.
    assert torch.allclose(ours(ids, mask, kinds)[seen], right.last_hidden_state[seen], atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: (folder / "config.json").unlink(), ModelMissing),
        (lambda folder: (folder / "config.json").write_text("{"), ModelDamaged),
        (lambda folder: (folder / "model.safetensors").unlink(), ModelMissing),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), ModelDamaged),
        (
            lambda folder: (folder / "config.json").write_text(
                json.dumps(json.loads((folder / "config.json").read_text()) | {"model_type": "t5"})
            ),
            ModelDamaged,
        ),
    ],
)
def test_unusable_files_are_errors(tmp_path, spoil, error):
    folder = write_tiny_bert(tmp_path / "bert")
    spoil(folder)
    with pytest.raises(error):
        load_bert(folder)


def test_a_missing_tensor_is_an_error(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_tiny_bert(tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.bias")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelDamaged, match="lack"):
        load_bert(folder)


@pytest.mark.parametrize("name", ["all-minilm-l6-v2", "embedder"])
def test_questions_have_the_vectors_of_sentence_transformers(tmp_path, name):
    manifest = get_manifest(name)
    assert manifest.embedder is not None
    table = manifest.embedder.model_copy(update={"adapter": None})  # passages are read without
    manifest = manifest.model_copy(update={"embedder": table})
    embedder = SentenceTransformerEmbedder.load(manifest, home=tmp_path)
    quick = embedder.embed_questions(QUESTIONS)
    slow = embedder.embed_passages(QUESTIONS)  # no prefixes: the same texts to both
    assert quick.shape == slow.shape
    assert np.all((quick * slow).sum(1) > 0.9995)
    np.testing.assert_allclose(np.linalg.norm(quick, axis=1), 1, atol=1e-5)


def test_only_bert_under_a_mean_takes_the_short_way(tmp_path):
    stock = get_file(get_manifest("all-minilm-l6-v2"), home=tmp_path).path.parent
    assert is_mean_bert(stock)
    other = tmp_path / "other"
    shutil.copytree(stock, other, ignore=shutil.ignore_patterns("*.safetensors"))
    pooling = json.loads((other / "1_Pooling/config.json").read_text())
    pooling["pooling_mode_cls_token"] = True
    (other / "1_Pooling/config.json").write_text(json.dumps(pooling))
    assert not is_mean_bert(other)
    assert not is_mean_bert(tmp_path / "nothing")


def test_order_and_padding_change_no_vector(tmp_path):
    folder = write_tiny_bert(tmp_path / "bert")
    model = MeanBert(folder, max_tokens=64)
    texts = ["cats", "the model of data shows how many layers", "robots faster", ""]
    together = model.embed(texts)
    alone = np.vstack([model.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=0.02)  # bfloat16 where there is any


def test_batches_hold_at_most_so_many_padded_pieces():
    assert cut_batches([0, 2, 1], [1, 9, 4], 10) == [[0, 2], [1]]
    assert cut_batches([0], [50], 10) == [[0]]
    assert cut_batches([], [], 10) == []
