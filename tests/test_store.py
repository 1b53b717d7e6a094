"""Chroma behind the store: cosines, whole files, and errors of this program only."""

import numpy as np
import pytest

from askpapers.errors import IndexDamaged, IndexMismatch, StorageFailed
from askpapers.indexing.building import checksum_file
from askpapers.store import ChromaStore, _translated

pytestmark = pytest.mark.real


def unit_vectors(count, dimension=16, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make_store(folder, vectors):
    store = ChromaStore.create(folder, fingerprint="f1")
    store.add("sentences", [f"s{i}" for i in range(len(vectors))], vectors)
    store.add("passages", ["p0"], vectors[:1])
    store.finish()
    return ChromaStore.open(folder, fingerprint="f1")


def test_nearest_gives_cosines_best_first(tmp_path):
    vectors = unit_vectors(300)
    with make_store(tmp_path / "c", vectors) as store:
        found = store.nearest("sentences", vectors[7], limit=5)
        expected = np.sort(vectors @ vectors[7])[::-1][:5]
        assert found[0][0] == "s7"
        assert [score for _, score in found] == pytest.approx(expected.tolist(), abs=1e-5)
        assert store.count("sentences") == 300
        assert store.count("passages") == 1
        assert sorted(store.ids("passages")) == ["p0"]
        only = store.nearest("sentences", vectors[7], limit=5, ids=["s1", "s2"])
        assert {item for item, _ in only} == {"s1", "s2"}
        assert store.nearest("sentences", vectors[7], limit=5, ids=[]) == []


def test_adding_an_id_again_replaces_its_vector(tmp_path):
    vectors = unit_vectors(3)
    store = ChromaStore.create(tmp_path / "c", fingerprint="f1")
    store.add("sentences", ["a", "b"], vectors[:2])
    store.add("sentences", ["a"], vectors[2:])
    store.add("passages", ["a"], vectors[:1])
    store.finish()
    with ChromaStore.open(tmp_path / "c", fingerprint="f1") as store:
        assert store.count("sentences") == 2
        assert store.nearest("sentences", vectors[2], limit=1)[0][0] == "a"


@pytest.mark.parametrize("count", [1, 5, 99, 100, 101, 716, 1001])
def test_readers_leave_the_graph_files_alone(tmp_path, count):
    vectors = unit_vectors(count)
    folder = tmp_path / "c"

    def sums():
        files = [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".sqlite3"]
        return {path.name + path.parent.name: checksum_file(path) for path in files}

    with make_store(folder, vectors) as store:
        before = sums()
        assert store.nearest("sentences", vectors[-1], limit=1)[0][0] == f"s{count - 1}"
    for _ in range(2):
        with ChromaStore.open(folder, fingerprint="f1") as store:
            store.nearest("sentences", vectors[0], limit=3)
            store.nearest("passages", vectors[0], limit=3)
    assert sums() == before


def test_another_fingerprint_is_a_mismatch(tmp_path):
    make_store(tmp_path / "c", unit_vectors(3)).close()
    with pytest.raises(IndexMismatch, match="f2"):
        ChromaStore.open(tmp_path / "c", fingerprint="f2")


def test_a_copy_is_extended_and_its_source_left_alone(tmp_path):
    vectors = unit_vectors(300)
    make_store(tmp_path / "c", vectors).close()

    def sums(folder):
        return {
            path.relative_to(folder): checksum_file(path)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".sqlite3"
        }

    before = sums(tmp_path / "c")
    with ChromaStore.open(tmp_path / "c", fingerprint="f1") as reader:
        with ChromaStore.extend(tmp_path / "c", tmp_path / "d", fingerprint="f1") as store:
            store.remove("sentences", ["s7", "s8"])
            store.add("sentences", ["new"], vectors[7:8])
            store.finish()
        assert reader.nearest("sentences", vectors[7], limit=1)[0][0] == "s7"
    assert sums(tmp_path / "c") == before
    after = sums(tmp_path / "d")
    for _ in range(2):
        with ChromaStore.open(tmp_path / "d", fingerprint="f1") as store:
            assert store.count("sentences") == 299
            assert not {"s7", "s8"} & set(store.ids("sentences"))
            assert store.nearest("sentences", vectors[7], limit=1)[0][0] == "new"
            assert "s8" not in {item for item, _ in store.nearest("sentences", vectors[8], limit=5)}
            assert store.nearest("passages", vectors[0], limit=1)[0][0] == "p0"
    assert sums(tmp_path / "d") == after


def test_what_is_only_removed_is_written_out_too(tmp_path):
    vectors = unit_vectors(300)
    make_store(tmp_path / "c", vectors).close()
    with ChromaStore.extend(tmp_path / "c", tmp_path / "d", fingerprint="f1") as store:
        store.remove("sentences", ["s299", "s5"])
        store.finish()
    graph = list((tmp_path / "d").rglob("*.bin"))
    before = [checksum_file(path) for path in graph]
    with ChromaStore.open(tmp_path / "d", fingerprint="f1") as store:
        assert store.count("sentences") == 298
        assert store.nearest("sentences", vectors[5], limit=1)[0][0] != "s5"
    assert [checksum_file(path) for path in graph] == before


def test_a_store_of_another_fingerprint_or_none_is_not_extended(tmp_path):
    make_store(tmp_path / "c", unit_vectors(3)).close()
    with pytest.raises(IndexMismatch):
        ChromaStore.extend(tmp_path / "c", tmp_path / "d", fingerprint="f2")
    with pytest.raises(IndexDamaged):
        ChromaStore.extend(tmp_path / "absent", tmp_path / "e", fingerprint="f1")


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """A store whose folder counts as one that cannot be written, and an empty temporary folder."""
    make_store(tmp_path / "c", unit_vectors(300)).close()
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    return tmp_path / "c", place


def test_a_store_that_cannot_be_written_is_read_through_a_copy(locked):
    folder, place = locked
    before = {path: checksum_file(path) for path in folder.rglob("*") if path.is_file()}
    vector = unit_vectors(300)[7]
    with ChromaStore.open(folder, fingerprint="f1") as store:
        assert store.nearest("sentences", vector, limit=1)[0][0] == "s7"
        assert len(list(place.iterdir())) == 1
    assert list(place.iterdir()) == []
    with pytest.raises(IndexMismatch):
        ChromaStore.open(folder, fingerprint="f2")
    assert list(place.iterdir()) == []
    assert {path: checksum_file(path) for path in folder.rglob("*") if path.is_file()} == before


def test_without_room_for_the_copy_one_sentence_says_so(locked, monkeypatch):
    folder, place = locked

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    with pytest.raises(StorageFailed, match="No space left") as caught:
        ChromaStore.open(folder, fingerprint="f1")
    assert "TMPDIR" in caught.value.hint
    assert list(place.iterdir()) == []
    place.rmdir()
    with pytest.raises(StorageFailed, match="temporary files"):
        ChromaStore.open(folder, fingerprint="f1")


def test_a_folder_without_a_store_is_damaged(tmp_path):
    with pytest.raises(IndexDamaged):
        ChromaStore.open(tmp_path, fingerprint="f1")


def test_a_file_of_noise_is_damaged(tmp_path):
    make_store(tmp_path / "c", unit_vectors(3)).close()
    (tmp_path / "c" / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(IndexDamaged):
        ChromaStore.open(tmp_path / "c", fingerprint="f1")


def test_every_error_class_of_chroma_is_translated(tmp_path):
    from chromadb import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    own = [c for c in classes if issubclass(c, errors.ChromaError) and c is not errors.ChromaError]
    assert len(own) >= 12
    for kind in own:
        with pytest.raises(IndexDamaged), _translated(tmp_path):
            raise kind("something broke")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("database or disk is full (code: 13)", StorageFailed),
        ("attempt to write a readonly database (code: 8)", StorageFailed),
        ("database disk image is malformed (code: 11)", IndexDamaged),
    ],
)
def test_the_cause_decides_the_error(tmp_path, message, expected):
    from chromadb.errors import InternalError

    with pytest.raises(expected), _translated(tmp_path):
        raise InternalError(f"error returned from database: {message}")


def test_errors_of_others_pass_untouched(tmp_path):
    with pytest.raises(KeyboardInterrupt), _translated(tmp_path):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), _translated(tmp_path):
        raise ZeroDivisionError
