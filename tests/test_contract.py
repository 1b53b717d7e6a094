import json

import pytest

from askpapers import contract
from askpapers.domain import Answer, Citation, Listing, Sentence, Source, Timings, Usage
from askpapers.errors import CorpusError
from fakes import evidence_of, made_paper, made_result

PAPER = made_paper("p1", "T", "A b. C d.", listings=(Listing("f.txt", 3), Listing("g.txt", 9)))
EVIDENCE = evidence_of(PAPER, "C d.")
ANSWER = Answer(
    question="q",
    search_query="q",
    status="answered",
    reason=None,
    text="C d [1].",
    sentences=(Sentence("C d.", "written", (1,), "supported", 0.98765, (Citation(1, EVIDENCE),)),),
    sources=(Source(1, "p1", "T", None, True, True),),
    dropped=(),
    nearest=(),
    usage=Usage(10, 5, 2048),
    timings=Timings(0.1, None, 0.2),
    answerability=0.9,
    manifest={"version": "0"},
)
ANSWER_KEYS = {
    "id",
    "question",
    "search_query",
    "status",
    "reason",
    "answer",
    "sentences",
    "sources",
    "dropped",
    "nearest",
    "usage",
    "timings",
    "manifest",
}


def test_an_answer_has_the_names_and_shapes_of_the_contract():
    record = json.loads(contract.dump(contract.make_answer(ANSWER, id="7")))
    assert set(record) >= ANSWER_KEYS
    assert record["id"] == "7"
    (sentence,) = record["sentences"]
    assert set(sentence) >= {"text", "origin", "citations", "verdict", "support", "evidence"}
    (evidence,) = sentence["evidence"]
    assert PAPER.abstract[evidence["start"] : evidence["end"]] == evidence["quote"]
    assert set(evidence) >= {"n", "paper_id", "quote", "start", "end"}
    assert set(record["sources"][0]) >= {"n", "paper_id", "title", "date", "cited", "read"}
    assert set(record["usage"]) >= {"prompt_tokens", "completion_tokens", "context_tokens"}
    assert set(record["timings"]) >= {"retrieve_s", "first_token_s", "total_s"}


def test_a_search_has_the_names_and_shapes_of_the_contract():
    record = json.loads(contract.dump(contract.make_search(made_result([PAPER], [EVIDENCE]))))
    assert set(record) >= {"id", "question", "hits", "timings"}
    hit = record["hits"][0]
    assert set(hit) >= {"rank", "paper_id", "title", "date", "score", "evidence"}
    assert hit["rank"] == 1
    assert set(hit["evidence"][0]) >= {"quote", "start", "end", "score"}
    assert "search_s" in record["timings"]


def test_a_paper_lists_the_files_that_listed_it():
    record = contract.make_paper(PAPER).model_dump()
    assert record["listings"] == ["f.txt", "g.txt"]
    assert record["listed_at"] == ["f.txt:3", "g.txt:9"]
    assert record["date"] is None


def test_lines_of_a_batch():
    line = contract.parse_line(contract.QuestionLine, '{"id": 3, "question": "q", "other": 1}')
    assert (line.id, line.question, line.turns) == ("3", "q", None)
    turns = contract.parse_line(contract.QuestionLine, '{"turns": ["a", "b"]}')
    assert turns.turns == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"turns": []}', '{"question": []}', '{"turns": "x"}']
)
def test_a_malformed_line_is_refused(text):
    with pytest.raises(CorpusError):
        contract.parse_line(contract.QuestionLine, text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"id": "a", "question": 1}', "a"),
        ('{"id": 4}', "4"),
        ("[1]", None),
        ("{", None),
        ("[" * 100_000, None),
        ('{"id": 1' + "0" * 5000 + "}", None),
        ('{"id": "\\ud800", "question": 1}', "?"),
    ],
)
def test_the_id_of_a_bad_line_is_found(text, found):
    assert contract.find_id(text) == found
