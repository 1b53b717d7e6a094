"""The reader: windows, batches, weights on disk, and what the shipped weights read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.tiny_bert import write_tiny_bert

from askpapers.encoders.reader import (
    MAX_PIECES,
    MAX_QUESTION_PIECES,
    MAX_TITLE_PIECES,
    ReaderNetwork,
    TorchReader,
    WindowCutter,
    stack,
)
from askpapers.errors import ModelDamaged, ModelMissing

SENTENCES = ("we show cats.", "the model uses seven layers.", "dogs is slow.")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def weights(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    network = ReaderNetwork(base)
    for parameter in network.modules.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp("weights") / "reader.safetensors"
    save_file(network.weights(), path)
    return path


@pytest.fixture(scope="module")
def reader(base: Path, weights: Path) -> TorchReader:
    return TorchReader(base, weights, batch_size=3)


def test_importing_the_reader_loads_no_torch() -> None:
    code = "import sys, askpapers.encoders.reader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_short_paper_is_one_window(base: Path) -> None:
    (window,) = WindowCutter(base).cut("how many layers?", "the reader", SENTENCES)
    assert (window.first, window.count) == (0, 3)
    assert len(window.ids) == len(window.segments) <= MAX_PIECES
    assert window.segments[0] == window.segments[-1] == -1
    assert sorted(set(window.segments)) == [-1, 0, 1, 2, 3, 4]


def test_a_long_paper_is_cut_between_sentences(base: Path) -> None:
    sentences = [f"the model {number} uses many robots in the data." * 4 for number in range(25)]
    windows = WindowCutter(base).cut("what is it?", "the reader", sentences)
    assert len(windows) > 1
    assert all(len(w.ids) <= MAX_PIECES for w in windows)
    read = [number for w in windows for number in range(w.first, w.first + w.count)]
    assert read == list(range(25))


def test_endless_parts_are_held_to_their_limits(base: Path) -> None:
    windows = WindowCutter(base).cut("cats " * 900, "dogs " * 900, ["robots " * 900, ""])
    assert all(len(w.ids) <= MAX_PIECES for w in windows)
    assert windows[0].segments.count(0) == MAX_QUESTION_PIECES
    assert windows[0].segments.count(1) == MAX_TITLE_PIECES
    assert sum(w.count for w in windows) == 2


def test_readings_have_the_shape_of_the_papers(reader: TorchReader) -> None:
    papers = [("the reader", SENTENCES), ("cats", ()), ("", ("dogs.",)), ("robots", ("", "a."))]
    readings = reader.read("how many layers?", papers)
    assert [len(r.sentences) for r in readings] == [3, 0, 1, 2]
    for reading in readings:
        assert all(0 < value < 1 for value in (reading.relevance, reading.answerable))
        assert all(0 < value < 1 for value in reading.sentences)
    assert reader.read("how many layers?", []) == []


def test_company_in_a_batch_changes_no_reading(reader: TorchReader) -> None:
    papers = [("the reader", SENTENCES), ("cats", SENTENCES * 9), ("", ("dogs.",))]
    together = reader.read("how many layers?", papers)
    for paper, reading in zip(papers, together, strict=True):
        (alone,) = reader.read("how many layers?", [paper])
        assert alone.relevance == pytest.approx(reading.relevance, abs=0.03)
        assert alone.answerable == pytest.approx(reading.answerable, abs=0.03)
        assert alone.sentences == pytest.approx(reading.sentences, abs=0.03)


def test_the_question_matters(reader: TorchReader) -> None:
    (one,) = reader.read("how many layers?", [("the reader", SENTENCES)])
    (other,) = reader.read("is it a robot?", [("the reader", SENTENCES)])
    assert one != other
    assert reader.read("how many layers?", [("the reader", SENTENCES)]) == [one]


def test_every_sentence_of_a_long_paper_is_read(reader: TorchReader) -> None:
    sentences = [f"the model {number} uses many robots in the data." * 4 for number in range(25)]
    (reading,) = reader.read("what is it?", [("the reader", sentences)])
    assert len(reading.sentences) == 25
    assert all(value > 0 for value in reading.sentences)


def test_weights_leave_out_the_embeddings(base: Path) -> None:
    import torch

    weights = ReaderNetwork(base).weights()
    assert not [name for name in weights if "embeddings" in name]
    assert {value.dtype for value in weights.values()} == {torch.float16}


def test_saved_weights_are_laid_over_the_base(base: Path) -> None:
    import torch

    torch.manual_seed(2)
    network = ReaderNetwork(base)
    cutter = WindowCutter(base)
    for parameter in network.modules["relevance"].parameters():
        torch.nn.init.normal_(parameter)
    again = ReaderNetwork(base)
    ids, segments = stack(cutter.cut("what is it?", "cats", SENTENCES), cutter.pad)
    network.modules.eval()
    again.modules.eval()
    with torch.inference_mode():
        before = again.score(ids, segments, cutter.pad).relevance
        again.load(network.weights(), source="here")
        after = again.score(ids, segments, cutter.pad).relevance
        expected = network.score(ids, segments, cutter.pad).relevance
    assert not torch.allclose(before, expected, rtol=1e-2)
    assert torch.allclose(after, expected, rtol=1e-3)


def test_missing_and_damaged_files_are_told_apart(
    base: Path, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelMissing):
        TorchReader(base, tmp_path / "none.safetensors")
    with pytest.raises(ModelMissing):
        TorchReader(tmp_path, weights)
    short = tmp_path / "short.safetensors"
    short.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelDamaged):
        TorchReader(base, short)


def test_weights_of_another_network_are_refused(base: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"relevance.0.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelDamaged):
        TorchReader(base, path)


ABSTRACT = (
    "Recommender systems suffer when new users arrive.",
    "We present Plover, a bandit that asks each newcomer three short questions.",
    "Training Plover takes 14 GPU hours on a public data set of 2.1 million ratings.",
    "Code is available online.",
)


@pytest.fixture(scope="module")
def shipped() -> TorchReader:
    from askpapers.models import get_file, get_manifest
    from askpapers.resources import home_folder

    home = home_folder()
    base = get_file(get_manifest("all-minilm-l6-v2"), home=home).path.parent
    return TorchReader(base, get_file(get_manifest("reader"), home=home).path)


@pytest.mark.real
@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How long does Plover take to train?", 2),
        ("What does Plover ask new users?", 1),
        ("Where can I get the code of Plover?", 3),
    ],
)
def test_shipped_reader_finds_the_sentence(
    shipped: TorchReader, question: str, sentence: int
) -> None:
    (reading,) = shipped.read(question, [("Plover: Bandits for New Users", ABSTRACT)])
    assert max(range(4), key=reading.sentences.__getitem__) == sentence


@pytest.mark.real
def test_shipped_reader_tells_papers_and_near_misses_apart(shipped: TorchReader) -> None:
    other = ("Protein folding with diffusion", ("We fold proteins by diffusion.",))
    own, foreign = shipped.read(
        "How long does Plover take to train?", [("Plover: Bandits for New Users", ABSTRACT), other]
    )
    assert own.relevance > foreign.relevance
    missing = (*ABSTRACT[:2], ABSTRACT[3])
    (taken,) = shipped.read(
        "How long does Plover take to train?", [("Plover: Bandits for New Users", missing)]
    )
    assert own.answerable > taken.answerable
