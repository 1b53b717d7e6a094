"""GGUF weights as the gguf package reads them, and a Llama that measures texts."""

import math

import numpy as np
import pytest

from askpapers.encoders.gguf_weights import read_weights
from askpapers.encoders.llama import MAX_TOKENS, Llama
from askpapers.errors import ModelDamaged
from tiny_gguf import LAYERS, WIDTH, write_tiny_llama

pytestmark = pytest.mark.real
torch = pytest.importorskip("torch")


def encode(text):
    return list(text.encode("ascii"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_tiny_llama(tmp_path_factory.mktemp("llama") / "tiny.gguf")


def test_sizes_and_weights_are_those_that_the_gguf_package_reads(path):
    from gguf import GGUFReader
    from gguf.quants import dequantize

    read = read_weights(path)
    assert read.numbers["llama.block_count"] == LAYERS
    assert read.numbers["llama.embedding_length"] == WIDTH
    told = GGUFReader(path).tensors
    assert {int(tensor.tensor_type) for tensor in told} == {0, 1, 3, 8}
    assert set(read.tensors) == {str(tensor.name) for tensor in told}
    for tensor in told:
        expected = dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(read.tensors[str(tensor.name)].numpy(), expected)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.3, 0.99])
def test_a_file_that_is_cut_short_is_damaged(path, tmp_path, share):
    cut = tmp_path / "cut.gguf"
    whole = path.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelDamaged):
        read_weights(cut)


def test_another_file_is_no_model(tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"NOPE" + bytes(100))
    with pytest.raises(ModelDamaged, match="no GGUF"):
        read_weights(other)


def test_a_text_is_as_likely_as_its_tokens_one_by_one(path):
    model = Llama(path, encode)
    model._network.float()
    read, told = "the model is", " small"
    ids, expected = encode(read), 0.0
    for token in encode(told):
        with torch.inference_mode():
            states = model._network(torch.tensor([ids]))[0, -1]
            expected += float(model._network.predict(states).log_softmax(-1)[token])
        ids.append(token)
    long = ("a much longer text than the others", " with much behind it")
    found = model.measure([(read, told), long, (read, told)])
    assert found == pytest.approx([expected, model.measure([long])[0], expected], abs=1e-3)
    assert expected < math.log(0.5)


def test_what_is_too_long_loses_its_beginning(path):
    model = Llama(path, encode)
    model._network.float()
    kept = "b" * (MAX_TOKENS - 2)
    assert model.measure([("a" * 50 + kept, " x")]) == pytest.approx(
        model.measure([(kept, " x")]), abs=1e-3
    )
    assert math.isfinite(model.measure([("a", "c" * (MAX_TOKENS + 9))])[0])


def test_a_branch_measures_by_its_adapter_and_leaves_the_trunk_as_it_is(path, tmp_path):
    from safetensors.torch import save_file

    adapter = tmp_path / "adapter.safetensors"
    draw = torch.Generator().manual_seed(1)
    name = f"blk.{LAYERS - 1}.attn_output"
    shapes = {f"{name}.down": (2, WIDTH), f"{name}.up": (WIDTH, 2)}
    save_file({n: torch.randn(*size, generator=draw) for n, size in shapes.items()}, adapter)
    trunk, texts = Llama(path, encode), [("the model is", " small")]
    before = trunk.measure(texts)
    branch = trunk.branch(adapter)
    assert branch.measure(texts) == pytest.approx(
        Llama(path, encode, adapter=adapter).measure(texts), abs=0.3
    )
    assert abs(branch.measure(texts)[0] - before[0]) > 0.5
    assert trunk.measure(texts) == before
