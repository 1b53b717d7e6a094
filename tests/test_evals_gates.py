"""Gates look at the near end of the interval; comparisons are paired and refuse other suites."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from askpapers.domain import Answer
from askpapers.errors import GateFailed, MismatchError, UsageError
from askpapers.evals import Gate, check_gate, compare, parse_gate, run_suite, summarise
from askpapers.evals.gates import find_shortfalls
from askpapers.evals.runs import Run
from askpapers.evals.suites import Suite
from eval_parts import WordJudge, answer_soundly, make_abstention, make_suite, search_soundly


def run(
    tmp_path: Path, answer: object = answer_soundly, suite: Suite | None = None, **options: object
) -> Run:
    arguments: dict[str, object] = {"judge": WordJudge(), "fresh": True, **options}
    return run_suite(
        suite or make_suite(),
        run_dir=tmp_path,
        settings_manifest={"answer": str(answer), **dict(arguments.pop("manifest", {}))},  # type: ignore[call-overload]
        answer=answer,  # type: ignore[arg-type]
        search=search_soundly,
        **arguments,  # type: ignore[arg-type]
    )


def forgetful(questions: Sequence[str]) -> list[Answer]:
    """Abstains from two answerable questions."""
    return [
        make_abstention(answer.question)
        if ("CIFAR" in answer.question and len(questions) == 1) or "pruning" in answer.question
        else answer
        for answer in answer_soundly(questions)
    ]


def test_parse() -> None:
    assert parse_gate("faithfulness=0.95, recall@5=.9,unscored=0.1") == Gate(
        {"faithfulness": 0.95, "recall@5": 0.9}, 0.1
    )
    for wrong in ("", "faith=0.9", "faithfulness", "faithfulness=high", "unscored=0.1"):
        with pytest.raises(UsageError):
            parse_gate(wrong)


def test_the_lower_bound_must_reach_the_threshold(tmp_path: Path) -> None:
    made = run(tmp_path, forgetful)
    rate = summarise(made).metrics["answered_rate"]
    assert rate.value == pytest.approx(0.8)
    assert rate.low is not None
    assert rate.low < 0.8
    check_gate(made, Gate({"answered_rate": rate.low}))
    with pytest.raises(GateFailed, match="answered_rate may be as low as"):
        check_gate(made, Gate({"answered_rate": 0.8}))


def test_of_faults_the_upper_bound_must_stay_below(tmp_path: Path) -> None:
    made = run(tmp_path)
    shown = summarise(made)
    assert find_shortfalls(shown, Gate({"forbidden": 0.0})) == ()
    worse = replace(
        shown, metrics={**shown.metrics, "forbidden": replace(shown.metrics["forbidden"], high=0.2)}
    )
    (short,) = find_shortfalls(worse, Gate({"forbidden": 0.1}))
    assert short.describe() == "forbidden may be as high as 0.200, above 0.1"


def test_an_incomplete_run_fails(tmp_path: Path) -> None:
    made = run(tmp_path)
    with pytest.raises(GateFailed, match="3 cases were not run"):
        check_gate(
            replace(made, cases=made.cases[:-3], complete=False), Gate({"faithfulness": 0.5})
        )


def test_run_suite_raises_at_the_end_and_keeps_the_run(tmp_path: Path) -> None:
    with pytest.raises(GateFailed) as caught:
        run(tmp_path, forgetful, fail_under=Gate({"answered_rate": 0.9}))
    assert caught.value.exit_code == 6
    assert caught.value.hint.startswith("askpapers eval report ")
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_comparison_is_paired_and_shows_flips(tmp_path: Path) -> None:
    before, after = run(tmp_path, forgetful), run(tmp_path)
    made = compare(before, after)
    assert [flip.second.case_id for flip in made.flips] == ["a3", "a4"]
    assert all(flip.is_better for flip in made.flips)
    changes = {change.metric: change for change in made.changes}
    rate = changes["answered_rate"]
    assert rate.difference is not None
    assert rate.difference.value == pytest.approx(0.2)
    assert rate.is_better is True
    faithful = changes["faithfulness"]
    assert faithful.difference is not None
    assert (faithful.difference.value, faithful.difference.n) == (0.0, 8)
    assert faithful.is_better is None
    assert not faithful.is_certain
    assert changes["abstention_f1"].difference is None
    assert [name for name, _, _ in made.settings] == ["answer"]
    worse = compare(after, before)
    assert not any(flip.is_better for flip in worse.flips)


def test_comparison_refuses_other_suites_and_judges(tmp_path: Path) -> None:
    class OtherJudge(WordJudge):
        name = "other"

    one = run(tmp_path)
    for other in (
        run(tmp_path, judge=OtherJudge()),
        run(tmp_path, suite=make_suite(version="2")),
        run(tmp_path, suite=make_suite(name="other")),
        run(tmp_path, suite=make_suite(digest="0" * 64)),
    ):
        with pytest.raises(MismatchError, match="differ in their"):
            compare(one, other)
        assert compare(one, other, force=True).shared == 13
