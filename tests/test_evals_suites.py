"""Suites: the shipped ones resolve against the corpus word for word; malformed ones are refused."""

import json
from collections import Counter
from pathlib import Path

import pytest

from askpapers.corpus import load_papers
from askpapers.domain import Paper
from askpapers.errors import NotFound, ResourceError, UsageError
from askpapers.evals import Suite, list_suites, load_suite
from askpapers.metrics.facts import is_stated, normalise
from askpapers.metrics.registry import METRICS
from askpapers.resources import find_folder
from eval_parts import PAPERS

SHIPPED = [summary.name for summary in list_suites() if summary.kind != "judge"]
LEAST = {"smoke": 12, "seeds-qa": 150, "seeds-unanswerable": 80, "adversarial": 40,
         "retrieval-seeds": 120}  # fmt: skip


@pytest.fixture(scope="module")
def seeds() -> list[Paper]:
    return load_papers([find_folder("seeds")])[0]


@pytest.fixture(scope="module")
def suites(seeds: list[Paper]) -> dict[str, Suite]:
    made = {}
    for name in SHIPPED:
        record = next(one for one in list_suites() if one.name == name)
        papers = seeds if record.corpus == ("seeds",) else None
        made[name] = load_suite(name, papers=papers)
    return made


def test_the_promised_suites_are_there(suites: dict[str, Suite]) -> None:
    for name, least in LEAST.items():
        assert len(suites[name].cases) >= least, name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suite_resolves_and_makes_sense(suites: dict[str, Suite], name: str) -> None:
    suite = suites[name]
    ids = [case.case_id for case in suite.cases]
    assert len(set(ids)) == len(ids)
    for case in suite.cases:
        for turn in case.turns:
            assert not turn.is_false_premise or turn.evidence, case.case_id
            for place in turn.evidence:
                abstract = suite.papers[place.paper_id].abstract
                assert abstract[place.start : place.end].strip(), case.case_id
                assert place.paper_id in turn.grades, case.case_id
            if turn.expect == "answered" and suite.kind == "answers":
                assert turn.grades, case.case_id
            for fact in turn.key_facts:
                assert all(map(normalise, fact.split("|"))), (case.case_id, fact)
                if turn.reference:
                    assert is_stated(fact, turn.reference), (case.case_id, fact)


def test_no_question_is_asked_twice(suites: dict[str, Suite]) -> None:
    for name, suite in suites.items():
        questions = Counter(
            " ".join(turn.question.split()).casefold()
            for case in suite.cases
            if len(case.turns) == 1
            for turn in case.turns
        )
        assert [one for one, count in questions.items() if count > 1 and one] == [], name


def write_suite(
    folder: Path, cases: list[dict[str, object]], corpus: str = '["papers.jsonl"]', more: str = ""
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "suite.toml").write_text(
        f'name = "made"\nversion = "1"\npurpose = "p"\nkind = "answers"\ncorpus = {corpus}\n'
        f'licence = "x"\n{more}'
    )
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    (folder / "papers.jsonl").write_text(
        "".join(
            json.dumps({"id": paper.paper_id, "title": paper.title, "abstract": paper.abstract})
            + "\n"
            for paper in PAPERS
        )
    )
    return folder


CASE = {
    "id": "one",
    "question": "How long?",
    "papers": [{"title": "convolutional  deep kernel machines", "grade": 2}],
    "evidence": [{"title": "Convolutional Deep Kernel Machines", "quote": "Kernels learn little."}],
}


def test_a_folder_is_a_suite(tmp_path: Path) -> None:
    repeat = {"id": "two", "question_repeat": {"text": "ab ", "times": 3}, "expect": "error"}
    suite = load_suite(write_suite(tmp_path / "s", [CASE, repeat]))
    (turn,) = suite.cases[0].turns
    assert turn.grades == {"dkm": 2}
    assert (turn.evidence[0].start, turn.evidence[0].end) == (0, 21)
    assert turn.should_abstain is False
    assert suite.cases[1].turns[0].question == "ab ab ab "
    assert suite.cases[1].turns[0].should_abstain is None
    assert suite.needs_own_index
    assert suite.corpus_paths == (tmp_path / "s" / "papers.jsonl",)


def test_the_digest_follows_cases_and_corpus(tmp_path: Path) -> None:
    first = load_suite(write_suite(tmp_path / "a", [CASE]))
    assert first.digest == load_suite(write_suite(tmp_path / "b", [CASE])).digest
    other = load_suite(write_suite(tmp_path / "c", [{**CASE, "key_facts": ["1"]}]))
    assert other.digest != first.digest
    grown = load_suite(tmp_path / "a", papers=[*PAPERS, Paper("n", "New", "Text.")])
    assert grown.digest not in (first.digest, other.digest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"papers": [{"title": "Unknown"}]}, "no paper of the corpus has the title 'Unknown'"),
        ({"papers": [{"paper_id": "zzz"}]}, "no paper of the corpus has the id 'zzz'"),
        ({"papers": [{}]}, "neither a title nor a paper_id"),
        (
            {"evidence": [{"title": PAPERS[1].title, "quote": "Kernels learn much."}]},
            "does not hold 'Kernels learn much.'",
        ),
        ({"question": None}, "either a question or a question_repeat"),
        ({"turns": [{"question": "x"}]}, "either a question or turns"),
        ({"expect": "perhaps"}, "expect"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_malformed_case_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    folder = write_suite(tmp_path / "s", [{**CASE, **change}])
    with pytest.raises(ResourceError, match=r"cases\.jsonl") as caught:
        load_suite(folder)
    assert message in caught.value.message


def test_a_malformed_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="repeats the case id 'one'"):
        load_suite(write_suite(tmp_path / "a", [CASE, CASE]))
    with pytest.raises(ResourceError, match="has no cases"):
        load_suite(write_suite(tmp_path / "b", []))
    with pytest.raises(ResourceError, match="unknown metrics 'fun'"):
        load_suite(write_suite(tmp_path / "c", [CASE], more='metrics = ["fun"]\n'))
    with pytest.raises(ResourceError, match="written for the corpus abc"):
        load_suite(write_suite(tmp_path / "d", [CASE], more='corpus_digest = "abc"\n'))
    folder = write_suite(tmp_path / "e", [CASE])
    (folder / "suite.toml").write_text("name = ")
    with pytest.raises(ResourceError, match="not TOML"):
        load_suite(folder)
    folder = write_suite(tmp_path / "f", [CASE])
    (folder / "cases.jsonl").write_text("{")
    with pytest.raises(ResourceError, match=r"cases\.jsonl:1 is not JSON"):
        load_suite(folder)
    folder = write_suite(tmp_path / "g", [CASE])
    text = (folder / "suite.toml").read_text().replace('"answers"', '"judge"')
    (folder / "suite.toml").write_text(text)
    with pytest.raises(UsageError, match="judge"):
        load_suite(folder)


def test_an_unknown_suite_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match="'nope'") as caught:
        load_suite("nope")
    assert "smoke" in caught.value.hint


def test_an_ambiguous_title_is_refused(tmp_path: Path) -> None:
    twins = [*PAPERS, Paper("dkm2", PAPERS[1].title, PAPERS[1].abstract)]
    with pytest.raises(ResourceError, match="2 papers of the corpus"):
        load_suite(write_suite(tmp_path / "s", [CASE]), papers=twins)


def test_the_readme_lists_every_measure_and_suite() -> None:
    path = find_folder("evals") / "README.md"
    text = path.read_text(encoding="utf-8")
    for metric in METRICS.values():
        arrow = " ↓" if metric.better == "lower" else ""
        assert f"| `{metric.name}`{arrow} | {metric.definition} |" in text, metric.name
    for summary in list_suites():
        assert f"| `{summary.name}` |" in text, summary.name
