"""The encoding made from the GGUF gives llama.cpp's own tokens."""

from pathlib import Path

import pytest

from askpapers.corpus import load_papers
from askpapers.errors import ModelDamaged
from askpapers.models import get_file, get_manifest
from askpapers.tokens import load_encoding

SEEDS = Path(__file__).parents[1] / "seeds"


def test_a_file_that_is_no_gguf_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + b"\x00" * 100)
    with pytest.raises(ModelDamaged, match=r"model\.gguf"):
        load_encoding(file, digest="0" * 64, cache=tmp_path / "cache")


@pytest.mark.real
def test_equals_llama_cpp_on_every_title_and_abstract(tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    model = get_file(get_manifest("smollm2-135m"), home=tmp_path)
    encoding = load_encoding(model.path, digest=model.digest, cache=tmp_path)
    assert encoding is not None
    llama = llama_cpp.Llama(str(model.path), vocab_only=True, verbose=False)
    papers, _ = load_papers([SEEDS])
    texts = [text for paper in papers for text in (paper.title, paper.abstract)]
    texts += [
        "\u00e9 \U0001f600 \u4e2d\u6587 x\u0301\n\n  tab\t 12345 it's don't \\frac{1}{2}",
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    ]
    assert len(texts) == 678
    for text in texts:
        plain = llama.tokenize(text.encode(), add_bos=False, special=False)
        assert encoding.encode_ordinary(text) == plain
        controlled = llama.tokenize(text.encode(), add_bos=False, special=True)
        assert encoding.encode(text, allowed_special="all") == controlled
    # bytes that the vocabulary lacks are counted, not a crash
    assert len(encoding.encode_ordinary("a\x04\U00040000b")) >= 2
    llama.close()


@pytest.mark.real
def test_cache_is_used_and_a_damaged_one_is_rebuilt(tmp_path: Path) -> None:
    model = get_file(get_manifest("smollm2-135m"), home=tmp_path)
    first = load_encoding(model.path, digest=model.digest, cache=tmp_path)
    (cached,) = tmp_path.glob("*.vocabulary")
    # from the cache alone: the model file is not opened
    again = load_encoding(tmp_path / "absent.gguf", digest=model.digest, cache=tmp_path)
    assert first is not None
    assert again is not None
    assert again.encode("Two words 12") == first.encode("Two words 12")
    cached.write_text(cached.read_text()[:-500])
    load_encoding(model.path, digest=model.digest, cache=tmp_path)
    load_encoding(tmp_path / "absent.gguf", digest=model.digest, cache=tmp_path)
