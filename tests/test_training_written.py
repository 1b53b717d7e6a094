"""The questions written for training: whole, and tied to their abstracts."""

import json
import lzma
from collections import Counter

import pytest

from askpapers.errors import CorpusError
from askpapers.training.written import QUESTIONS, digest, load_written

ABSTRACT = "Cats sleep. They eat 3.5 fish a day. We counted."


def write_data(folder, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "ml_abstracts.jsonl.xz").write_bytes(lzma.compress(text.encode()))


def test_questions_find_their_abstracts_and_sentences(tmp_path):
    write_data(
        tmp_path,
        [{"title": "Dogs", "abstract": "No."}, {"title": "Cats", "abstract": ABSTRACT}],
    )
    asked = tmp_path / "asked.jsonl"
    row = {"paper": digest(ABSTRACT), "kind": "fact", "question": "How much?", "evidence": [1],
           "answer": "3.5 fish."}  # fmt: skip
    asked.write_text(json.dumps(row) + "\n")
    papers, questions = load_written(tmp_path, asked)
    assert list(papers) == [digest(ABSTRACT)]
    paper = papers[questions[0].paper]
    assert paper.title == "Cats"
    assert paper.sentences[questions[0].evidence[0]] == "They eat 3.5 fish a day."


def test_a_missing_abstract_is_an_error(tmp_path):
    write_data(tmp_path, [{"title": "Dogs", "abstract": "No."}])
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"paper": "0", "kind": "fact", "question": "?", "evidence": [0],'
                     ' "answer": "x"}\n')  # fmt: skip
    with pytest.raises(CorpusError, match="1 abstracts"):
        load_written(tmp_path, asked)


def test_the_shipped_questions_are_whole():
    rows = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    kinds = Counter(row["kind"] for row in rows)
    assert set(kinds) == {"paraphrase", "fact", "method", "finding", "unanswerable"}
    assert len({row["question"] for row in rows}) == len(rows) > 5000
    for row in rows:
        assert bool(row["evidence"]) == (row["kind"] != "unanswerable")
        assert row["evidence"] or not row["answer"]
        assert row["evidence"] == sorted(set(row["evidence"]))
        assert len(row["paper"]) == 12
