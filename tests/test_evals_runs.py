"""Runs: identical for the same seed, resumed after a kill, cached, errors as data, damage found."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from askpapers.domain import Answer
from askpapers.errors import DamagedError, NotFound, UsageError
from askpapers.evals import Progress, compare, find_runs, load_run, parse_sweep, run_suite
from askpapers.evals.runs import Run, read_run
from eval_parts import CASES, WordJudge, answer_soundly, make_suite, search_soundly


class Counting:
    """The sound pipeline; counts its calls, and stops like a kill after some."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls = 0
        self._stop_after = stop_after

    def __call__(self, questions: Sequence[str]) -> list[Answer]:
        if self.calls == self._stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        return answer_soundly(questions)


def run(tmp_path: Path, answer: Counting, **options: object) -> Run:
    arguments: dict[str, object] = {
        "run_dir": tmp_path,
        "settings_manifest": {"k": 4},
        "answer": answer,
        "search": search_soundly,
        "judge": WordJudge(),
        **options,
    }
    return run_suite(make_suite(), **arguments)  # type: ignore[arg-type]


def test_two_runs_of_the_same_are_identical(tmp_path: Path) -> None:
    first = run(tmp_path / "one", Counting(), seed=3)
    second = run(tmp_path / "two", Counting(), seed=3)
    assert first.digest == second.digest
    assert first.complete
    compared = compare(first, second)
    assert (compared.same_output, compared.shared) == (13, 13)
    assert not compared.flips
    assert all(
        change.first == change.second
        for change in compared.changes
        if change.metric not in {"retrieve_s", "total_s"}
    )


def test_header_says_what_was_run(tmp_path: Path) -> None:
    made = run(tmp_path, Counting(), seed=5, limit=2)
    lines = [json.loads(line) for line in made.path.read_text().splitlines()]
    assert [line["type"] for line in lines] == ["header", "case", "case", "end"]
    header = lines[0]
    assert header["suite"]["name"] == "tiny"
    assert header["suite"]["cases"] == ["a1", "a2"]
    assert header["manifest"] == {"k": 4}
    assert (header["judge"], header["seed"], header["limit"]) == ("words", 5, 2)
    assert header["environment"]["packages"]["numpy"]


def test_a_killed_run_is_resumed(tmp_path: Path) -> None:
    killed = Counting(stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, killed)
    (path,) = find_runs(tmp_path)
    half = read_run(path)
    assert not half.complete
    assert len(half.cases) == 5
    assert len(half.missing) == 8
    rest = Counting()
    done = run(tmp_path, rest)
    assert rest.calls == 8
    assert find_runs(tmp_path) == (path,)
    assert done.complete
    assert done.digest == run(tmp_path / "other", Counting()).digest


def test_a_line_cut_by_a_kill_is_done_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counting(stop_after=3))
    (path,) = find_runs(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert len(read_run(path).cases) == 2
    done = run(tmp_path, Counting())
    assert done.complete
    assert len(done.cases) == 13


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    made = run(tmp_path, Counting(), limit=3)
    lines = made.path.read_text().splitlines()
    made.path.write_text("\n".join([lines[0], lines[1][:50], *lines[2:]]) + "\n")
    with pytest.raises(DamagedError, match="Line 2"):
        read_run(made.path)
    made.path.write_text("")
    with pytest.raises(DamagedError):
        read_run(made.path)
    made.path.write_text('{"type": "case"}\n')
    with pytest.raises(DamagedError, match="Line 1"):
        read_run(made.path)


def test_outputs_are_cached_by_case_and_settings(tmp_path: Path) -> None:
    run(tmp_path, Counting(), limit=4)
    again = Counting()
    second = run(tmp_path, again)
    assert again.calls == 9
    assert [case.cached for case in second.cases] == [True] * 4 + [False] * 9
    other = Counting()
    run(tmp_path, other, settings_manifest={"k": 5})
    assert other.calls == 13
    fresh = Counting()
    run(tmp_path, fresh, fresh=True)
    assert fresh.calls == 13


def test_errors_are_data_and_are_not_cached(tmp_path: Path) -> None:
    def failing(questions: Sequence[str]) -> list[Answer]:
        raise ZeroDivisionError("no luck")

    broken = run(tmp_path, failing, limit=2)  # type: ignore[arg-type]
    row = broken.cases[0].rows[0]
    assert row.output.error is not None
    assert (row.output.error.type, row.output.error.exit_code) == ("ZeroDivisionError", None)
    assert row.verdict == "unscored"
    assert "faithfulness" in row.unscored
    assert "faithfulness" not in row.scores
    healed = Counting()
    assert run(tmp_path, healed, seed=1, limit=2).cases[0].verdict == "pass"
    assert healed.calls == 2


def test_wrong_number_of_answers_is_an_error_of_the_case(tmp_path: Path) -> None:
    made = run(tmp_path, lambda questions: answer_soundly(questions)[:1], tag="talk")  # type: ignore[arg-type]
    assert made.cases[0].verdict == "unscored"
    assert "2 questions got 1 answers" in str(made.cases[0].rows[0].output.error)


def test_threads_give_the_same_run(tmp_path: Path) -> None:
    alone = run(tmp_path / "one", Counting())
    together = run(tmp_path / "two", Counting(), workers=4)
    assert alone.digest == together.digest


def test_progress_and_tags(tmp_path: Path) -> None:
    seen: list[Progress] = []
    made = run(tmp_path, Counting(), tag="off-topic", progress=seen.append)
    assert [case.case_id for case in made.cases] == ["u1", "u2", "u3", "u4"]
    assert [one.done for one in seen] == [1, 2, 3, 4]
    assert seen[-1].seconds_left == 0.0
    with pytest.raises(NotFound, match="'nope'"):
        run(tmp_path, Counting(), tag="nope")


def test_runs_are_found_by_name(tmp_path: Path) -> None:
    made = run(tmp_path, Counting(), limit=1)
    for name in (made.header.run_id, made.header.run_id[:12], "tiny", "latest", str(made.path)):
        assert load_run(name, tmp_path).header.run_id == made.header.run_id
    with pytest.raises(NotFound, match="no run begins"):
        load_run("nothing", tmp_path)
    run(tmp_path, Counting(), limit=2)
    with pytest.raises(NotFound, match="2 runs begin"):
        load_run("20", tmp_path)


def test_a_suite_gets_the_pipeline_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="answers"):
        run_suite(make_suite(), run_dir=tmp_path, settings_manifest={})
    with pytest.raises(UsageError, match="retriever"):
        run_suite(make_suite(kind="retrieval"), run_dir=tmp_path, settings_manifest={})


def test_a_retrieval_suite_needs_no_answers(tmp_path: Path) -> None:
    made = run_suite(
        make_suite(kind="retrieval"),
        run_dir=tmp_path,
        settings_manifest={},
        search=search_soundly,
        tag="answerable",
    )
    assert len(made.cases) == len(CASES)
    assert {case.verdict for case in made.cases} == {"pass"}
    assert made.cases[0].rows[0].scores["recall@10"] == 1.0
    assert "recall@100" not in made.cases[0].rows[0].scores


def test_sweeps() -> None:
    assert parse_sweep([]) == ({},)
    assert parse_sweep(["retrieval.k=3,5", "a=x"]) == (
        {"retrieval.k": "3", "a": "x"},
        {"retrieval.k": "5", "a": "x"},
    )
    for wrong in (["k"], ["k="], ["=3"], ["k=1", "k=2"]):
        with pytest.raises(UsageError, match="sweep"):
            parse_sweep(wrong)
