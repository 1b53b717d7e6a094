"""The index: what is found, what is reused, what is swapped, what is refused."""

import json
import threading

import numpy as np
import pytest

from askpapers.domain import Filters
from askpapers.errors import (
    Busy,
    CorpusError,
    IndexDamaged,
    IndexMismatch,
    IndexMissing,
    MismatchError,
    NotFound,
)
from askpapers.indexing import add_papers, build_index, open_index, rebuild_index, verify_index
from askpapers.indexing.generations import read_current, sum_fields, writer
from askpapers.indexing.opening import _check_files, _read_manifest
from index_parts import HashEmbedder, build_words, make_records, write_records

pytestmark = pytest.mark.real


def build(home, *paths, embedder=None, **options):
    return build_index(
        paths, home=home, embedder=embedder or HashEmbedder(), build_lexical=build_words, **options
    )


def add(home, *paths, embedder=None):
    return add_papers(
        paths, home=home, embedder=embedder or HashEmbedder(), build_lexical=build_words
    )


def rebuild(home, embedder=None):
    return rebuild_index(home=home, embedder=embedder or HashEmbedder(), build_lexical=build_words)


def read_manifest(home):
    return _read_manifest(read_current(home).index)


def check_sums(home):
    return list(_check_files(read_current(home).index, read_manifest(home), summed=True))


def snapshot(folder):
    """Every file with its content's time of change, Chroma's own lock keeping aside."""
    return {
        path: path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("chroma.sqlite3", "writer.lock")
    }


@pytest.fixture
def corpus(tmp_path):
    return write_records(tmp_path / "a.jsonl", make_records(30))


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_every_sentence_finds_itself(home, corpus):
    info = build(home, corpus)
    assert (info.changed, info.papers, info.listings) == (True, 30, 30)
    embedder = HashEmbedder()
    with open_index(home, embedder_fingerprint=embedder.fingerprint) as index:
        assert len(index.papers) == 30
        for paper_id in list(index.papers)[::7]:
            paper = index.papers[paper_id]
            for i, span in enumerate(index.sentences(paper_id)):
                text = f"{paper.title}. {paper.abstract[span.start : span.end]}"
                (match,) = index.query("sentences", embedder.embed_questions([text])[0], limit=1)
                assert (match.item_id, match.start) == (f"{paper_id}#s{i}", span.start)
                assert match.score == pytest.approx(1.0, abs=1e-4)


def test_a_filter_acts_before_ranking_and_scores_are_exact(home, corpus):
    build(home, corpus)
    vector = HashEmbedder().embed_questions(["sparse graph kernel"])[0]
    with open_index(home) as index:
        ids = list(index.papers)[:4]
        scored = index.score("sentences", vector, paper_ids=[*ids, "unknown"])
        assert len(scored) == sum(len(index.sentences(paper_id)) for paper_id in ids)
        found = index.query("sentences", vector, limit=6, paper_ids=ids)
        best = sorted((match.score for match in scored), reverse=True)[:6]
        assert [match.score for match in found] == pytest.approx(best)
        everything = index.score("sentences", vector, paper_ids=list(index.papers))
        top = sorted((match.score for match in everything), reverse=True)[:10]
        unfiltered = index.query("sentences", vector, limit=10)
        assert [match.score for match in unfiltered] == pytest.approx(top, abs=1e-5)
        assert index.query("sentences", vector, limit=5, paper_ids=[]) == []


def test_filters_are_answered_without_reading_papers(home, tmp_path):
    records = [
        {"title": "Year", "abstract": "Only a year here.", "date": "2023"},
        {"title": "Month", "abstract": "A month here.", "date": "2023-05"},
        {"title": "Day", "abstract": "A day here.", "date": "2024-02-01"},
        {"title": "None", "abstract": "No date here."},
    ]
    first = write_records(tmp_path / "a.jsonl", records[:2])
    second = write_records(tmp_path / "b.jsonl", records[2:])
    build(home, first, second)
    with open_index(home) as index:

        def titles(**filters):
            found = index.find_papers(Filters(**filters))
            return None if found is None else {index.papers[i].title for i in found}

        assert titles() is None
        assert titles(since="2023-05") == {"Year", "Month", "Day"}
        assert titles(since="2023-06-10") == {"Year", "Day"}
        assert titles(until="2023") == {"Year", "Month"}
        assert titles(until="2023-04-30") == {"Year"}
        assert titles(since="2024", until="2024") == {"Day"}
        assert titles(files=("b.jsonl",)) == {"Day", "None"}
        one = next(iter(index.papers))
        assert titles(paper_ids=(one, "unknown")) == {"Year"}


def test_a_lower_bound_proves_since_and_only_disproves_until(home, tmp_path):
    page = tmp_path / "page.txt"
    blocks = [
        ("Printed Year", "May 2, 2024"),
        ("Late Spring", "May 31"),
        ("Leap Day", "Feb 29"),
    ]
    said = "One sentence of an abstract that is long enough to be one. " * 4
    page.write_text(
        "new\n\nDaily Papers\n\n"
        + "".join(f"{t}\n\n{said}{t}.\n\n  • 3 authors\n·\n{d}\n\n" for t, d in blocks)
    )
    records = [{"title": "None", "abstract": "No date here."}]
    build(home, page, write_records(tmp_path / "a.jsonl", records))
    with open_index(home) as index:
        bounds = {paper.title: paper.date_not_before for paper in index.papers.values()}
        assert bounds == {
            "Printed Year": None,
            "Late Spring": "2025-05-31",
            "Leap Day": "2028-02-29",
            "None": None,
        }

        def titles(**filters):
            return {index.papers[i].title for i in index.find_papers(Filters(**filters))}

        assert titles(since="2024") == {"Printed Year", "Late Spring", "Leap Day"}
        assert titles(since="2025-05") == {"Late Spring", "Leap Day"}
        assert titles(since="2025-05-31") == {"Late Spring", "Leap Day"}
        # may be as new as that, but nothing proves it
        assert titles(since="2025-06") == {"Leap Day"}
        assert titles(since="2029") == set()
        # may be as old as that: only a proof to the contrary leaves a paper out
        assert titles(until="2030") == {"Printed Year", "Late Spring", "Leap Day"}
        assert titles(until="2025-05") == {"Printed Year", "Late Spring"}
        assert titles(until="2025-05-30") == {"Printed Year"}
        assert titles(since="2025-01", until="2026") == {"Late Spring"}


def test_an_unchanged_corpus_writes_nothing(home, corpus):
    build(home, corpus)
    before = snapshot(home)
    embedder = HashEmbedder()
    info = build(home, corpus, embedder=embedder)
    assert (info.changed, info.papers, embedder.embedded) == (False, 30, 0)
    assert not add(home, corpus).changed
    assert snapshot(home) == before


def test_a_changed_file_embeds_only_what_changed(home, corpus, tmp_path):
    first = build(home, corpus)
    records = make_records(30)
    records[3]["abstract"] += " One more sentence is here."
    write_records(corpus, records)
    info = build(home, corpus)
    assert info.changed
    assert 0 < info.embedded <= 3
    assert info.reused >= first.passages + first.sentences - 3
    assert verify_index(home) == []


def test_adding_equals_building_everything(home, corpus, tmp_path):
    more = write_records(tmp_path / "b.jsonl", [*make_records(5, seed=1), make_records(30)[2]])
    build(home, corpus)
    info = add(home, more)
    whole = build(tmp_path / "other", corpus, more)
    assert (info.papers, info.listings) == (whole.papers, whole.listings) == (35, 36)
    assert info.embedded == 5 * (whole.sentences + whole.passages) // 35
    with open_index(home) as one, open_index(tmp_path / "other") as other:
        assert list(one.papers.values()) == list(other.papers.values())
        assert one.manifest["corpus"] == other.manifest["corpus"]
        merged = next(p for p in one.papers.values() if len(p.listings) == 2)
        assert [listing.file for listing in merged.listings] == ["a.jsonl", "b.jsonl"]


def test_adding_a_file_again_replaces_its_listings(home, corpus, tmp_path):
    build(home, corpus, write_records(tmp_path / "b.jsonl", make_records(4, seed=1)))
    write_records(tmp_path / "b.jsonl", make_records(2, seed=2))
    info = add(home, tmp_path / "b.jsonl")
    assert info.papers == 32
    assert verify_index(home) == []


def test_a_small_addition_patches_a_copy_of_the_vector_index(home, tmp_path):
    records = make_records(60)
    corpus = write_records(tmp_path / "a.jsonl", records)
    more = write_records(tmp_path / "b.jsonl", make_records(2, seed=1))
    build(home, corpus)
    embedder = HashEmbedder()
    info = add(home, more, embedder=embedder)
    assert info.manifest["patched"] == 2
    assert embedder.embedded == info.embedded == 2 * (info.passages + info.sentences) // 62
    assert info.embedded + info.reused == info.passages + info.sentences
    assert verify_index(home) == []
    # one text changes, one paper goes: what they were is not found any more
    gone = records[3]["abstract"].split(". ")[0] + "."
    records[3]["abstract"] = records[3]["abstract"].replace(gone, "Nothing of that is left.")
    write_records(corpus, records[:-1])
    info = build(home, corpus, more)
    assert info.manifest["patched"] == 5
    assert verify_index(home) == []
    vector = HashEmbedder().embed_questions([f"{records[3]['title']}. {gone}"])[0]
    whole = tmp_path / "whole"
    build(whole, corpus, more)
    with open_index(home) as one, open_index(whole) as other:
        assert list(one.papers.values()) == list(other.papers.values())
        assert one.query("sentences", vector, limit=1)[0].score < 0.99
        for kind in ("passages", "sentences"):
            exact = [i.score(kind, vector, paper_ids=list(i.papers)) for i in (one, other)]
            assert exact[0] == exact[1]
            found = [m.item_id for m in one.query(kind, vector, limit=10)]
            assert found == [m.item_id for m in other.query(kind, vector, limit=10)]


def test_a_graph_that_was_patched_enough_is_made_anew(home, corpus, tmp_path):
    build(home, corpus)
    patched = []
    for number in range(4):
        more = write_records(tmp_path / f"{number}.jsonl", make_records(1, seed=number + 1))
        patched.append(add(home, more).manifest["patched"])
        assert verify_index(home) == []
    assert patched == [1, 2, 3, 0]
    assert rebuild(home).changed is False


def test_a_damaged_vector_index_is_not_handed_on(home, corpus, tmp_path):
    build(home, corpus)
    graph = next(read_current(home).index.glob("chroma/*/data_level0.bin"))
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    info = add(home, write_records(tmp_path / "b.jsonl", make_records(1, seed=1)))
    assert (info.changed, info.manifest["patched"]) == (True, 0)
    assert verify_index(home) == []


def test_adding_without_an_index_says_what_to_do(home, corpus):
    with pytest.raises(IndexMissing) as caught:
        add(home, corpus)
    assert caught.value.hint == "askpapers index build"


def test_force_embeds_everything_again(home, corpus):
    first = build(home, corpus)
    again = build(home, corpus, force=True)
    assert again.embedded == first.embedded
    assert again.reused == 0


def test_another_embedder_is_a_mismatch_and_a_rebuild_mends_it(home, corpus):
    build(home, corpus)
    other = HashEmbedder(fingerprint="hash-2")
    with pytest.raises(IndexMismatch, match="hash-2"):
        open_index(home, embedder_fingerprint="hash-2")
    corpus.unlink()  # the durable corpus is enough
    info = rebuild(home, other)
    assert info.embedded == info.passages + info.sentences
    open_index(home, embedder_fingerprint="hash-2").close()


def test_an_embedder_mark_that_is_no_text_is_mended(home, corpus):
    build(home, corpus)
    mark = read_current(home).index / "embedder.txt"
    mark.write_bytes(b"\xff" + mark.read_bytes()[1:])
    rebuild(home)
    mark = read_current(home).index / "embedder.txt"
    assert mark.read_text() == HashEmbedder().fingerprint
    assert check_sums(home) == []


def test_a_rebuild_reuses_vectors_and_does_nothing_when_sound(home, corpus):
    build(home, corpus)
    assert not rebuild(home).changed
    folder = read_current(home).index
    (folder / "chroma" / "chroma.sqlite3").write_bytes(b"")
    with pytest.raises(IndexDamaged):
        open_index(home)
    info = rebuild(home)
    assert (info.changed, info.embedded) == (True, 0)
    assert verify_index(home) == []


def test_an_interrupted_build_leaves_the_old_index_and_its_vectors(home, corpus, tmp_path):
    build(home, corpus)
    more = write_records(tmp_path / "b.jsonl", make_records(300, seed=5))
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            build(home, corpus, more, embedder=HashEmbedder(fail_after=500))
        assert verify_index(home) == []
        # the one in force, the dead build that got farthest, the latest dead build
        assert len(list((home / "index").iterdir())) <= 3
    with open_index(home) as index:
        assert len(index.papers) == 30
    info = build(home, corpus, more)
    assert info.papers == 330
    assert info.embedded < info.passages + info.sentences - 500
    assert len(list((home / "index").iterdir())) == 1
    assert len(list((home / "corpus").iterdir())) == 1


def test_a_reader_outlives_a_swap(home, corpus, tmp_path):
    build(home, corpus)
    more = write_records(tmp_path / "b.jsonl", make_records(5, seed=1))
    vector = HashEmbedder().embed_questions(["reward policy"])[0]
    with open_index(home) as index:
        add(home, more)
        assert len(index.query("sentences", vector, limit=5)) == 5
        assert len([paper.title for paper in index.papers.values()]) == 30
        assert len(index.score("passages", vector, paper_ids=list(index.papers))) > 0
        assert len(list((home / "index").iterdir())) == 2
    with open_index(home) as index:
        assert len(index.papers) == 35
    rebuild(home)  # nothing to do, but the old generation goes
    assert len(list((home / "index").iterdir())) == 1


def test_a_second_writer_is_told_to_wait(home, corpus):
    build(home, corpus)
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with writer(home):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(Busy):
            build(home, corpus, force=True)
        open_index(home).close()  # readers don't wait
    finally:
        leave.set()
        thread.join()


def test_nothing_readable_is_an_error_and_changes_nothing(home, corpus, tmp_path):
    build(home, corpus)
    noise = tmp_path / "noise.txt"
    noise.write_bytes(bytes(range(256)) * 100)
    with pytest.raises(CorpusError, match=r"noise\.txt"):
        build(home, noise)
    with pytest.raises(NotFound):
        build(home, tmp_path / "absent.jsonl")
    assert verify_index(home) == []


def test_rejections_are_reported_with_file_and_line(home, corpus, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"title": "T"}\nnot json\n{"title": "Good", "abstract": "An abstract."}\n')
    info = build(home, corpus, bad)
    assert info.papers == 31
    report = "\n".join(info.report_lines)
    assert "bad.jsonl:1: has no abstract: 'T'" in report
    assert "bad.jsonl:2: is not JSON" in report
    assert "2 rejected" in info.report_lines[0]


def test_a_home_of_another_format_says_so(home, corpus):
    build(home, corpus)
    fields = json.loads((home / "current.json").read_text()) | {"format": 99}
    (home / "current.json").write_text(json.dumps(fields | {"sum": sum_fields(fields)}))
    with pytest.raises(MismatchError, match="99"):
        open_index(home)
    assert build(home, corpus).changed


def test_no_bit_of_the_pointer_and_of_the_manifest_flips_unseen(home, corpus):
    build(home, corpus)
    right = read_current(home)
    for path in (home / "current.json", right.index / "manifest.json"):
        sound = path.read_bytes()
        for place in range(0, 8 * len(sound), 3):
            data = bytearray(sound)
            data[place // 8] ^= 1 << place % 8
            path.write_bytes(data)
            try:
                current = read_current(home)
                _read_manifest(right.index)
            except (IndexDamaged, IndexMismatch):
                continue
            assert current == right, f"bit {place} of {path.name}"
        path.write_bytes(sound)


@pytest.mark.parametrize("written", ["0", "3", "5", "9"])
def test_a_flipped_format_is_damage_that_is_mended_not_another_version(home, corpus, written):
    build(home, corpus)
    path = home / "current.json"
    path.write_text(path.read_text().replace('"format": 1', f'"format": {written}'))
    with pytest.raises(IndexDamaged):
        open_index(home)
    assert rebuild(home).papers == 30
    assert verify_index(home) == []


def test_a_pointer_to_a_corpus_that_never_was_does_not_cost_the_corpus(home, corpus):
    build(home, corpus)
    path = home / "current.json"
    name = read_current(home).corpus.name
    path.write_text(path.read_text().replace(name, f"0{name[1:]}" if name[0] != "0" else "1"))
    with pytest.raises(IndexDamaged):
        open_index(home)
    corpus.unlink()
    assert rebuild(home).papers == 30
    assert read_current(home).corpus.name == name


def test_every_page_of_the_vector_database_is_sealed(home, corpus, tmp_path):
    build(home, corpus)
    add(home, write_records(tmp_path / "b.jsonl", make_records(1, seed=1)))
    for _ in range(2):
        open_index(home).close()  # Chroma writes a row each time
    path = read_current(home).index / "chroma" / "chroma.sqlite3"
    sound = path.read_bytes()
    size = int.from_bytes(sound[16:18], "big")
    changing = read_manifest(home)["database"][1]
    passed = []
    for page in range(len(sound) // size):
        for place in (0, 200, size // 2, size - 1):
            data = bytearray(sound)
            data[page * size + place] ^= 4
            path.write_bytes(data)
            if not any("altered" in finding for finding in check_sums(home)):
                passed.append(page + 1)
    assert set(passed) == {changing}
    path.write_bytes(sound)
    assert verify_index(home) == []


def test_vectors_are_those_of_the_embedder(home, corpus):
    build(home, corpus)
    embedder = HashEmbedder()
    with open_index(home) as index:
        paper = next(iter(index.papers.values()))
        span = index.passages(paper.paper_id)[0]
        text = f"{paper.title}. {paper.abstract[span.start : span.end]}"
        vector = embedder.embed_questions([text])[0]
        assert np.allclose(
            index.score("passages", vector, paper_ids=[paper.paper_id])[0].score, 1.0, atol=1e-5
        )


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 1, "corpus": 3}'])
def test_a_damaged_pointer_is_mended_from_the_corpus(home, corpus, content):
    build(home, corpus)
    (home / "current.json").write_text(content)
    with pytest.raises(IndexDamaged):
        open_index(home)
    assert rebuild(home).papers == 30
    assert verify_index(home) == []


def test_a_damaged_corpus_is_found_and_built_anew(home, corpus):
    build(home, corpus)
    path = read_current(home).corpus
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    assert any("damaged" in finding for finding in verify_index(home))
    open_index(home).close()  # the index itself is sound
    build(home, corpus, force=True)
    assert verify_index(home) == []


def test_an_altered_first_line_of_the_corpus_is_found_and_costs_nothing(home, corpus, tmp_path):
    build(home, corpus)
    path = read_current(home).corpus
    path.write_bytes(path.read_bytes().replace(b"1 files:", b"9 files:", 1))
    assert verify_index(home) == ["the first line of the corpus file is altered"]
    assert add(home, write_records(tmp_path / "b.jsonl", make_records(1, seed=1))).papers == 31
    assert verify_index(home) == []
