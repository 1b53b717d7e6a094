"""Judges measured against labels: sound ones score high, blind ones low, baselines beside."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from askpapers.errors import NotFound, ResourceError, UsageError
from askpapers.evals import judge_report
from askpapers.evals.judge_sets import LabelledPair, load_judge_sets, read_pairs
from askpapers.evals.judging import cosine_scores, measure_set, overlap_scores
from askpapers.metrics.facts import find_numbers
from askpapers.reports import write_judge_report
from askpapers.resources import find_folder
from eval_parts import Word


class NumberJudge:
    """Supported when every number of the claim is in the evidence: blind to all else."""

    name = "numbers"

    def judge(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Word]:
        right = [find_numbers(claim) <= find_numbers(" ".join(texts)) for claim, texts in pairs]
        return [Word("supported", 0.9) if one else Word("unsupported", 0.1) for one in right]


def pair(claim: str, evidence: str, good: bool, kind: str = "", cluster: str = "") -> LabelledPair:
    return LabelledPair(claim, (evidence,), good, kind, cluster or evidence)


PAIRS = [
    pair(f"It takes {n + wrong} hours.", f"The run takes {n} hours on one machine.", not wrong,
         "number" if wrong else "true")
    for n in range(10, 40)
    for wrong in (0, 5)
] + [
    pair(f"It does not take {n} hours.", f"The run takes {n} hours on one machine.", False,
         "negation")
    for n in range(10, 40)
]  # fmt: skip


def test_a_judge_is_measured_by_kind() -> None:
    made = measure_set("made", PAIRS, NumberJudge())  # type: ignore[arg-type]
    assert (made.n, made.supported, made.clusters) == (90, 30, 30)
    assert made.kinds["number"].balanced_accuracy.value == 1.0
    assert made.kinds["negation"].balanced_accuracy.value == 0.5
    assert made.kinds["negation"].auroc.value == 0.5
    # 30 of 30 supported found, 30 of 60 others left alone
    assert made.judge.balanced_accuracy.value == 0.75
    assert made.judge.auroc.value == 0.75
    # unsupported: 30 found, 30 missed, none said wrongly
    assert made.f1_unsupported.value == pytest.approx(2 * 30 / (30 + 60))
    assert made.confusion.false_positive == 30
    assert made.brier == pytest.approx((60 * 0.01 + 30 * 0.81) / 90)
    # at .9 half are true (30 of 60), at .1 none (of 30)
    assert made.ece == pytest.approx((60 * 0.4 + 30 * 0.1) / 90)


def test_a_set_whose_kinds_hold_both_labels_is_cut_by_kind() -> None:
    pairs = [
        pair(f"It takes {n + wrong} hours.", f"It takes {n} hours.", not wrong, domain)
        for domain in ("news", "talk")
        for n in range(10, 20)
        for wrong in (0, 5)
    ]
    made = measure_set("domains", pairs, NumberJudge())  # type: ignore[arg-type]
    assert {kind: one.auroc.n for kind, one in made.kinds.items()} == {"news": 20, "talk": 20}


def test_one_label_alone_gives_no_figure() -> None:
    made = measure_set("good", [one for one in PAIRS if one.is_supported], NumberJudge())  # type: ignore[arg-type]
    assert made.judge.auroc.value is None
    assert made.judge.balanced_accuracy.value is None
    assert "–" in write_judge_report(
        judge_report(NumberJudge(), None, corruptions=find_folder("evals") / "corruptions", limit=9)  # type: ignore[arg-type]
    )


def test_overlap_weighs_rare_words_by_hand() -> None:
    pairs = [pair("alpha beta", "alpha gamma", True), pair("gamma delta", "gamma", False)]
    rare = math.log(3 / 1.5)  # "alpha": in 1 of 2 texts
    none = math.log(3 / 0.5)  # "beta", "delta": in none
    common = math.log(3 / 2.5)  # "gamma": in both
    assert overlap_scores(pairs) == pytest.approx([rare / (rare + none), common / (common + none)])


def test_cosine_takes_the_nearest_evidence() -> None:
    table = {"c": [1.0, 0.0], "near": [0.8, 0.6], "far": [0.0, 1.0]}

    def embed(texts: Sequence[str]) -> np.ndarray:
        return np.array([table[text] for text in texts], dtype=np.float32)

    pairs = [
        LabelledPair("c", ("far", "near"), True, "", "1"),
        LabelledPair("c", (), True, "", "2"),
    ]
    assert cosine_scores(pairs, embed) == pytest.approx([0.8, 0.0])


def test_baselines_get_a_threshold_from_other_cases() -> None:
    generator = np.random.default_rng(0)
    noise = [
        LabelledPair(f"w{generator.integers(9)}", (f"w{generator.integers(9)}",),
                     bool(generator.integers(2)), "", str(number))
        for number in range(400)
    ]  # fmt: skip
    made = measure_set("noise", noise, NumberJudge())  # type: ignore[arg-type]
    baseline = made.baselines["idf overlap"].balanced_accuracy
    assert baseline.value is not None
    # a threshold chosen on the same cases would look better than chance
    assert baseline.value == pytest.approx(0.5, abs=0.06)


def test_files_are_sets(tmp_path: Path) -> None:
    lines = [
        {"claim": "a", "evidence": ["b", "c"], "label": "supported", "extra": 1},
        {"claim": "d", "evidence": ["b", "c"], "label": "refuted", "kind": "k", "group": "g"},
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found, missing = load_judge_sets(tmp_path)
    assert set(found) == {"mine"}
    assert set(missing) == {"scifact", "expertqa", "wice", "healthver", "summedits"}
    assert found["mine"][0] == LabelledPair("a", ("b", "c"), True, "", "b\nc")
    assert found["mine"][1] == LabelledPair("d", ("b", "c"), False, "k", "g")
    (tmp_path / "mine.jsonl").write_text('{"claim": "", "evidence": [], "label": "x"}')
    with pytest.raises(ResourceError, match=r"mine\.jsonl:1: claim"):
        load_judge_sets(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NotFound, match="no labelled set"):
        load_judge_sets(empty)


def test_the_corruption_suite_has_its_kinds() -> None:
    pairs = read_pairs(find_folder("evals") / "corruptions" / "cases.jsonl")
    kinds = {one.kind for one in pairs if not one.is_supported}
    assert {"number", "unit", "negation", "direction", "entity", "wrong-paper"} <= kinds
    assert sum(one.is_supported for one in pairs) >= 100


def test_reports_of_a_judge_show_all(tmp_path: Path) -> None:
    lines = [
        {"claim": one.claim, "evidence": one.evidence, "kind": one.kind,
         "label": "supported" if one.is_supported else "unsupported"}
        for one in PAIRS
    ]  # fmt: skip
    (tmp_path / "made.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = judge_report(NumberJudge(), tmp_path, seed=1)  # type: ignore[arg-type]
    again = judge_report(NumberJudge(), tmp_path, seed=1)  # type: ignore[arg-type]
    assert made.sets == again.sets
    for format in ("table", "markdown", "html"):
        text = write_judge_report(made, format=format)
        for shown in ("numbers", "negation", "idf overlap", "0.750", "0.667", "wice"):
            assert shown in text, (format, shown)
    value = json.loads(write_judge_report(made, format="json", out=tmp_path / "judge.json"))
    assert value["sets"][0]["kinds"]["number"]["balanced_accuracy"]["value"] == 1.0
    assert json.loads((tmp_path / "judge.json").read_text()) == value
    with pytest.raises(UsageError):
        write_judge_report(made, format="junit")
