"""A low-rank adapter of questions: merged as its file says, refused where it doesn't fit."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.bert import load_bert
from askpapers.encoders.embedder import SentenceTransformerEmbedder
from askpapers.encoders.low_rank import branch_off, merge_adapter
from askpapers.encoders.mean_bert import MeanBert
from askpapers.errors import ModelDamaged, ModelMissing
from askpapers.models import get_file, get_manifest

pytestmark = pytest.mark.real  # torch

NAME = "encoder.layer.1.attention.self.value"
TEXTS = ["how many cats", "robots faster than dogs"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def made(size=1.0):
    draw = torch.Generator().manual_seed(3)
    down = torch.randn(2, 32, generator=draw).half()
    return {f"{NAME}.down": down, f"{NAME}.up": (size * torch.randn(32, 2, generator=draw)).half()}


def written(folder, tensors):
    path = folder / "questions.safetensors"
    save_file(tensors, path)
    return path


def test_the_product_is_added_to_the_one_weight(base, tmp_path):
    plain, tuned = load_bert(base), load_bert(base)
    tensors = made()
    merge_adapter(tuned, written(tmp_path, tensors))
    before, after = dict(plain.named_parameters()), dict(tuned.named_parameters())
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == [f"{NAME}.weight"]
    added = tensors[f"{NAME}.up"].float() @ tensors[f"{NAME}.down"].float()
    torch.testing.assert_close(after[changed[0]] - before[changed[0]], added)


def test_a_branch_shares_what_the_adapter_does_not_touch(base, tmp_path):
    trunk, path = load_bert(base), written(tmp_path, made())
    before = {name: weight.clone() for name, weight in trunk.named_parameters()}
    own, merged = dict(branch_off(trunk, path).named_parameters()), load_bert(base)
    merge_adapter(merged, path)
    for name, weight in trunk.named_parameters():
        assert torch.equal(weight, before[name])
        assert (own[name] is weight) == (name != f"{NAME}.weight")
    torch.testing.assert_close(
        own[f"{NAME}.weight"], dict(merged.named_parameters())[f"{NAME}.weight"]
    )
    with pytest.raises(ModelMissing):
        branch_off(trunk, tmp_path / "none.safetensors")


def test_an_adapter_of_zeros_changes_no_vector_and_another_does(base, tmp_path):
    plain = MeanBert(base, max_tokens=32).embed(TEXTS)
    zero = MeanBert(base, max_tokens=32, adapter=written(tmp_path, made(0.0))).embed(TEXTS)
    np.testing.assert_array_equal(zero, plain)
    tuned = MeanBert(base, max_tokens=32, adapter=written(tmp_path, made())).embed(TEXTS)
    assert np.all((tuned * plain).sum(1) < 0.999)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.pop(f"{NAME}.up"), "doesn't fit"),
        (lambda t: t.update({"pooler.up": t.pop(f"{NAME}.up")}), "doesn't fit"),
        (lambda t: t.update({f"{NAME}.up": torch.zeros(31, 2)}), "shape"),
        (lambda t: t.update({f"{NAME}.up": torch.zeros(32, 3)}), "shape"),
        (lambda t: t.update({f"{NAME}.down": torch.zeros(2)}), "shape"),
    ],
)
def test_tensors_that_do_not_fit_are_damage(base, tmp_path, spoil, said):
    tensors = made()
    spoil(tensors)
    with pytest.raises(ModelDamaged, match=said):
        merge_adapter(load_bert(base), written(tmp_path, tensors))


def test_a_file_that_is_missing_or_broken_is_told(base, tmp_path):
    with pytest.raises(ModelMissing):
        merge_adapter(load_bert(base), tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not safetensors")
    with pytest.raises(ModelDamaged, match="cannot be read"):
        merge_adapter(load_bert(base), broken)


def test_only_questions_are_read_with_it_and_indexes_still_fit(tmp_path):
    stock = get_file(get_manifest("all-minilm-l6-v2"), home=tmp_path).path.parent
    draw = torch.Generator().manual_seed(3)
    tensors = {
        f"{NAME}.down": torch.randn(4, 384, generator=draw),
        f"{NAME}.up": 0.1 * torch.randn(384, 4, generator=draw),
    }
    plain = SentenceTransformerEmbedder(stock)
    tuned = SentenceTransformerEmbedder(stock, adapter=written(tmp_path, tensors))
    assert tuned.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(tuned.embed_passages(TEXTS), plain.embed_passages(TEXTS))
    near = (tuned.embed_questions(TEXTS) * plain.embed_questions(TEXTS)).sum(1)
    assert np.all(near < 0.999)


def test_the_manifest_names_it_and_its_digest_is_checked(tmp_path):
    manifest = get_manifest("embedder")

    def naming(sha256, adapter="embedder.safetensors"):
        fields = {"adapter": adapter, "adapter_sha256": sha256}
        return manifest.model_copy(update={"embedder": manifest.embedder.model_copy(update=fields)})

    embedder = SentenceTransformerEmbedder.load(naming(manifest.sha256), home=tmp_path)
    plain = SentenceTransformerEmbedder.load(naming(None, adapter=None), home=tmp_path)
    assert embedder.fingerprint == plain.fingerprint
    with pytest.raises(ModelDamaged, match="doesn't fit"):
        embedder.embed_questions(TEXTS)  # whole layers are no adapter
    with pytest.raises(ModelDamaged, match="sha256"):
        SentenceTransformerEmbedder.load(naming("0" * 64), home=tmp_path)


def test_a_base_in_another_layout_takes_no_adapter(base, tmp_path):
    embedder = SentenceTransformerEmbedder(base, adapter=written(tmp_path, made()), dimension=32)
    with pytest.raises(ModelDamaged, match="no BERT under a mean"):
        embedder.embed_questions(TEXTS)  # the tiny folder has no modules.json
