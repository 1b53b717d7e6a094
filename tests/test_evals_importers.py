"""Importers: small collections in every form become suites that load."""

import json
import lzma
from pathlib import Path

import pytest

from askpapers.errors import NotFound, ResourceError, UsageError
from askpapers.evals import import_suite, load_suite


def write_lines(path: Path, values: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(value) + "\n" for value in values)
    if path.suffix == ".xz":
        path.write_bytes(lzma.compress(text.encode()))
    else:
        path.write_text(text)


def test_beir(tmp_path: Path) -> None:
    source = tmp_path / "nfcorpus"
    write_lines(
        source / "corpus.jsonl",
        [{"_id": "d1", "title": "One", "text": "First text."},
         {"_id": "d2", "title": "", "text": "Second text."}],
    )  # fmt: skip
    write_lines(
        source / "queries.jsonl",
        [{"_id": "q1", "text": "first?"}, {"_id": "q2", "text": "unjudged?"},
         {"_id": "q3", "text": "only irrelevant?"}],
    )  # fmt: skip
    (source / "qrels").mkdir()
    (source / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq3\td2\t0\n"
    )
    suite = load_suite(import_suite("beir", source, tmp_path / "My Suite"))
    assert suite.name == "my-suite"
    assert suite.kind == "retrieval"
    (case,) = suite.cases
    assert case.turns[0].grades == {"d1": 2, "d2": 0}
    assert len(suite.papers) == 2
    (source / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\tmany\n")
    with pytest.raises(ResourceError, match=r"test\.tsv:2"):
        import_suite("beir", source, tmp_path / "again")


def test_scifact_in_its_own_form(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "s" / "corpus.jsonl.xz",
        [{"doc_id": 7, "title": "T", "abstract": ["One sentence.", "Two."]}],
    )
    write_lines(tmp_path / "s" / "queries_train.jsonl", [{"id": 0, "claim": "A claim."}])
    (tmp_path / "s" / "qrels_train.tsv").write_text("query-id\tcorpus-id\tscore\n0\t7\t1\n")
    suite = load_suite(import_suite("beir", tmp_path / "s", tmp_path / "o"))
    assert suite.papers["7"].abstract == "One sentence. Two."
    assert suite.cases[0].turns[0].question == "A claim."


def test_smart_cranfield_counts_queries_by_place(tmp_path: Path) -> None:
    source = tmp_path / "c"
    source.mkdir()
    (source / "cran.all.1400").write_text(
        ".I 1\n.T\nwing flow .\n.A\nx\n.W\nwing flow .\n  air moves .\n.I 2\n.T\n.A\n.W\n"
    )
    (source / "cran.qry").write_text(".I 001\n.W\nfirst\nquery .\n.I 004\n.W\nsecond query .\n")
    (source / "cranqrel").write_text("1 1 2\n2 2 4\n2 1 -1\n")
    suite = load_suite(import_suite("smart", source, tmp_path / "o", name="cranfield"))
    assert suite.papers["1"].abstract == "air moves ."
    assert [case.turns[0].question for case in suite.cases] == ["first query .", "second query ."]
    assert suite.cases[0].turns[0].grades == {"1": 3}
    assert suite.cases[1].turns[0].grades == {"2": 1, "1": 1}


def test_smart_cisi(tmp_path: Path) -> None:
    source = tmp_path / "c"
    source.mkdir()
    (source / "CISI.ALL").write_text(".I 1\n.T\nOn titles\n.W\nTitles tell.\n.X\n1\t5\t1\n")
    (source / "CISI.QRY").write_text(".I 3\n.W\nwhat is a title?\n.I 4\n.W\nunjudged\n")
    (source / "CISI.REL").write_text("     3      1\t0\t0.000000\n")
    suite = load_suite(import_suite("smart", source, tmp_path / "o"))
    (case,) = suite.cases
    assert (case.case_id, case.turns[0].grades) == ("3", {"1": 1})


def test_pubmedqa(tmp_path: Path) -> None:
    rows = {
        "11": {"QUESTION": "Does it help?", "CONTEXTS": ["We tried.", "It did."],
               "LONG_ANSWER": "It helps.", "final_decision": "yes"}
    }  # fmt: skip
    (tmp_path / "ori_pqal.json").write_text(json.dumps(rows))
    suite = load_suite(import_suite("pubmedqa", tmp_path, tmp_path / "o"))
    (turn,) = suite.cases[0].turns
    assert (turn.reference, turn.grades) == ("It helps.", {"11": 1})
    assert suite.cases[0].tags == ("yes",)
    (tmp_path / "ori_pqal.json").write_text('{"11": {}}')
    with pytest.raises(ResourceError, match="not PubMedQA"):
        import_suite("pubmedqa", tmp_path, tmp_path / "o2")


def test_abstractqa_marks_evidence(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "papers.jsonl",
        [{"paper": "p", "title": "T", "sentences": ["First  part.", "It saves 40\\%."]}],
    )
    base = {"split": "test", "paper": "p", "kind": "fact", "answer": "40%", "question": "How much?"}
    write_lines(
        tmp_path / "questions.jsonl",
        [{**base, "id": "a", "evidence": [1]}, {**base, "id": "b", "evidence": [0],
         "split": "dev"}, {**base, "id": "c", "evidence": [], "kind": "unanswerable"}],
    )  # fmt: skip
    suite = load_suite(import_suite("abstractqa", tmp_path, tmp_path / "o"))
    (case,) = suite.cases
    (place,) = case.turns[0].evidence
    assert suite.papers["p"].abstract[place.start : place.end] == "It saves 40%."
    asked = load_suite(import_suite("abstractqa-answers", tmp_path, tmp_path / "o2"))
    stated, unstated = asked.cases
    assert (asked.kind, stated.turns[0].key_facts) == ("answers", ("40",))
    assert stated.turns[0].evidence == (place,)
    assert unstated.turns[0].unanswerable == "its abstract does not state it"


def test_jsonl_shares_papers_by_title(tmp_path: Path) -> None:
    row = {"question": "q?", "answer": "a", "title": "T", "abstract": "An abstract."}
    write_lines(tmp_path / "mine.jsonl", [row, {**row, "id": "x", "key_facts": ["a|b"]}])
    suite = load_suite(import_suite("jsonl", tmp_path / "mine.jsonl", tmp_path / "o"))
    assert [case.case_id for case in suite.cases] == ["q1", "x"]
    assert len(suite.papers) == 1
    write_lines(tmp_path / "mine.jsonl", [{"question": "q?"}])
    with pytest.raises(ResourceError, match="object 1 has no 'title'"):
        import_suite("jsonl", tmp_path / "mine.jsonl", tmp_path / "o2")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'trec'"):
        import_suite("trec", tmp_path, tmp_path / "o")
    with pytest.raises(NotFound, match=r"corpus\.jsonl"):
        import_suite("beir", tmp_path, tmp_path / "o")
    write_lines(tmp_path / "empty.jsonl", [])
    with pytest.raises(ResourceError, match="no cases"):
        import_suite("jsonl", tmp_path / "empty.jsonl", tmp_path / "o")
