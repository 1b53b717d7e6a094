import numpy as np
import pytest

from askpapers.encoders.reader import Reading
from askpapers.fusion import FEATURES, Fusion
from askpapers.models import load_manifests
from askpapers.training.ablation import (
    measure,
    measure_fitted,
    order_alone,
    order_fused,
    order_read,
    write_table,
)
from askpapers.training.collections import Question, load_collection
from askpapers.training.fusion import (
    UNFITTED,
    Case,
    fit_all,
    fit_first,
    fit_listwise,
    write_manifest,
)

pytestmark = pytest.mark.real  # torch


def made_case(number, *, gold, read=False):
    """Six papers; the gold one has the highest `whole` and a `passage` that says nothing."""
    rng = np.random.default_rng(number)
    features = np.zeros((6, len(FEATURES)))
    features[:, FEATURES.index("passage")] = rng.random(6)
    features[:, FEATURES.index("whole")] = rng.random(6)
    features[gold, FEATURES.index("whole")] += 1.0
    grades = np.zeros(6)
    grades[gold] = 1
    ids = tuple(f"p{i}" for i in range(6))
    readings = tuple(Reading(0.9 if i == gold else 0.1, 0.5, (0.5,)) for i in range(6) if read)
    return Case(
        Question(str(number), "q", {f"p{gold}": 1}, "fact"),
        ids, features, grades, 0, tuple(range(6)) if read else (), readings,
    )  # fmt: skip


CASES = [made_case(i, gold=i % 6) for i in range(40)]


def test_the_feature_that_tells_gets_the_weight():
    first = fit_first(CASES)
    assert first["whole"] > 1.0
    assert abs(first["passage"]) < first["whole"] / 3


def test_a_part_left_out_weighs_nothing():
    assert fit_first(CASES, ["whole"])["whole"] == 0.0


def test_questions_without_a_relevant_candidate_are_left_out():
    rows = np.array([[1.0], [0.0]])
    groups = [(rows, np.array([1.0, 0.0])), (rows, np.array([0.0, 0.0]))]
    with_lost = fit_listwise(groups, columns=[0])
    np.testing.assert_allclose(with_lost, fit_listwise(groups[:1], columns=[0]), atol=1e-6)


def test_what_was_fitted_is_written_and_opens_again(tmp_path):
    cases = [made_case(i, gold=i % 6, read=True) for i in range(40)]
    lost = [Case(Question("u", "q", {}), c.paper_ids, c.features, c.grades * 0, 0) for c in CASES]
    fusion = fit_all(cases, lost)
    assert fusion.reader["relevance"] > 0
    write_manifest(tmp_path / "fusion.toml", fusion, "fitted")
    again = Fusion.from_parameters(load_manifests(tmp_path)["fusion"].parameters)
    for name, value in fusion.first.items():
        assert again.first[name] == pytest.approx(value, abs=1e-4)


def test_confidence_is_higher_where_the_first_paper_answers():
    def lead(case, by):
        features = case.features.copy()
        features[:, FEATURES.index("whole")] = 0
        features[int(np.argmax(case.grades)), FEATURES.index("whole")] = by
        return Case(case.question, case.paper_ids, features, case.grades, 0)

    clear = [lead(c, 1.0) for c in CASES]
    lost = [Case(Question("u", "q", {}), c.paper_ids, c.features, c.grades * 0, 0) for c in CASES]
    fusion = fit_all(clear, lost)
    values = [fusion.estimate_confidence(c.features, fusion.score(c.features)) for c in clear]
    others = [fusion.estimate_confidence(c.features, fusion.score(c.features)) for c in lost]
    assert np.mean(values) > np.mean(others) + 0.2


def test_orders_by_hand():
    case = made_case(0, gold=3, read=True)
    assert order_alone({"whole": 1.0})(case)[0] == "p3"
    assert sorted(order_fused(UNFITTED)(case)) == sorted(case.paper_ids)
    assert order_read(UNFITTED)(case)[0] == "p3"
    assert measure("abstractqa:dev", case, ["p3", "p1"]) == 1.0
    assert measure("abstractqa:dev", case, ["p1", "p3"]) == 0.0
    assert measure("cisi", case, ["p1", "p3"]) == pytest.approx(1 / np.log2(3))


def test_cross_validated_rows_keep_the_order_of_the_questions():
    sets = {"abstractqa:dev": CASES[:25], "scifact": CASES[25:]}
    row = measure_fitted("fusion", sets, order_fused)
    lost = [case.question.question_id for case in CASES[:25] if case.question.kind != "fact"]
    assert not lost
    assert len(row.values["abstractqa:dev"]) == 25
    assert np.mean(row.values["abstractqa:dev"]) > 0.9
    table = write_table([row], {"abstractqa:dev": 25, "scifact": 15})
    assert table.count("\n") == 2
    assert "(n=25)" in table


def test_cranfield_grades_are_turned_round(tmp_path):
    folder = tmp_path / "retrieval" / "cranfield"
    folder.mkdir(parents=True)
    entries = ".I 1\n.T\nwings\n.W\nwings\nthey fly .\n.I 2\n.T\nboundary\n.W\nlayers .\n"
    (folder / "cran.all.1400").write_text(entries, "utf-8")
    (folder / "cran.qry").write_text(".I 001\n.W\nwhat flies ?\n.I 004\n.W\nlayers ?\n", "utf-8")
    (folder / "cranqrel").write_text("1 1 1\n1 2 4\n2 2 -1\n", "utf-8")
    found = load_collection("cranfield", tmp_path)
    assert [p.abstract for p in found.papers] == ["they fly .", "layers ."]
    assert [q.judgements for q in found.questions] == [{"1": 4, "2": 1}, {"2": 1}]
    assert [q.question_id for q in found.questions] == ["1", "2"]
