"""The network's batches and loss, folds, averages, the regression, and measured figures."""

import hashlib
import json
import lzma
import os
import random
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from askpapers.metrics.classification import auroc
from askpapers.models import get_manifest
from askpapers.support import Regression, WordWeights
from askpapers.support.features import LEXICAL_FEATURES
from askpapers.training.judge_data import (
    Example,
    Source,
    find_changes,
    load_expertqa,
    load_scifact,
    load_summedits,
)
from askpapers.training.judge_examples import Neighbours, make_examples
from askpapers.training.judge_stack import (
    Table,
    Tables,
    balance,
    choose_threshold,
    cross_fit,
    fit_judge,
    fit_logistic,
    leave_out,
    measure_kinds,
    read_table,
    write_judge,
)


def example(claim="c", label="supported", source="scifact", kind="true", group="g"):
    return Example(claim, ("e",), label, source, kind, group)


def write_xz(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8") as handle:
        handle.write(text)


def test_changes_are_ranges_of_the_new_text():
    old, new = "It does not use labels now.", "It does use 3 labels now."
    assert [new[a:b] for a, b in find_changes(old, new)] == ["use", "3"]
    assert find_changes("same here", "same here") == ()


def test_scifact_pairs(tmp_path):
    row = {"claim": "C.", "doc_id": 7, "title": "T", "sentences": ["A.", "B."], "label": "SUPPORT"}
    write_xz(tmp_path / "faithfulness/scifact/pairs_train.jsonl.xz", json.dumps(row) + "\n")
    (made,) = load_scifact(tmp_path)
    assert (made.claim, made.evidence, made.label) == ("C.", ("T.", "A.", "B."), "supported")


def test_expertqa_keeps_claims_with_a_passage(tmp_path):
    passage = "[1] https://x.org/a\n\nThe passage has more than five words."
    claims = [
        {"claim_string": "Good [1].", "evidence": [passage], "support": "Complete"},
        {"claim_string": "Half [1].", "evidence": [passage], "support": "Partial"},
        {"claim_string": "Bare [1].", "evidence": ["[1] https://x.org/a"], "support": "Complete"},
        {"claim_string": "None.", "evidence": [], "support": "Missing"},
    ]
    row = {"answers": {"system": {"claims": claims}}}
    write_xz(tmp_path / "faithfulness/expertqa/rand_val.jsonl.xz", json.dumps(row) + "\n")
    made = load_expertqa(tmp_path)
    assert [(one.claim, one.label) for one in made] == [
        ("Good.", "supported"),
        ("Half.", "unsupported"),
    ]
    assert made[0].evidence == ("The passage has more than five words.",)


def test_summedits_groups_share_a_document(tmp_path):
    rows = [
        {"doc": "D one.", "summary": "s", "original_summary": "s", "label": 1},
        {"doc": "D one.", "summary": "t", "original_summary": "s", "label": 0},
        {"doc": "D two.", "summary": "s", "original_summary": "s", "label": 1},
    ]
    write_xz(tmp_path / "faithfulness/summedits/summedits_news.json.xz", json.dumps(rows))
    made = load_summedits(tmp_path)
    assert [one.group for one in made] == [
        "summedits-news-0", "summedits-news-0", "summedits-news-1",
    ]  # fmt: skip
    assert [one.changed for one in made] == [(), None, ()]


def sources(count=6):
    return [
        Source(
            f"p{number}", f"Graph networks for subject{number}",
            (f"We use graph networks with {number + 2} layers.", "It is fast and does not fail."),
            (("The networks have layers and do not fail.", (0, 1)),), written=True,
        )
        for number in range(count)
    ]  # fmt: skip


def test_neighbours_are_other_papers():
    made = sources()
    finder = Neighbours(made)
    rng = random.Random(0)
    assert all(finder.pick(one, rng).group != one.group for one in made for _ in range(5))


def test_made_examples_hold_both_labels_and_mark_changes():
    made = make_examples(sources(), random.Random(1), per_truth=2, per_source=1, prefix="x")
    labels = {one.label for one in made}
    assert {"supported", "contradicted"} <= labels
    for one in made:
        assert one.evidence
        if one.kind == "negation":
            assert one.changed
        if one.label == "supported":
            assert one.changed == ()
    again = make_examples(sources(), random.Random(1), per_truth=2, per_source=1, prefix="x")
    assert again == made


def test_made_examples_do_not_depend_on_the_order_of_hashes():
    script = (
        "import random; from tests.test_training_judge import sources;"
        "from askpapers.training.judge_examples import make_examples;"
        "print(make_examples(sources(), random.Random(1), per_truth=2, per_source=1, prefix='x'))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_logistic_regression_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(300, 3)) * [1, 5, 0.2]
    labels = (numbers @ [1.0, -0.2, 3.0] + rng.normal(size=300)) > 0.3
    weights = rng.uniform(0.5, 2, size=300)
    fit = fit_logistic(numbers, labels, weights, penalty=1.0)
    spread = numbers.std(0)
    other = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(
        (numbers - numbers.mean(0)) / spread, labels, sample_weight=weights
    )
    assert fit.coefficients * spread == pytest.approx(other.coef_[0], abs=1e-3)
    expected = other.predict_proba((numbers - numbers.mean(0)) / spread)[:, 1]
    assert fit.predict(numbers) == pytest.approx(expected, abs=1e-3)


def table(count=60):
    rng = np.random.default_rng(1)
    examples = []
    for number in range(count):
        source = ("scifact", "wice", "corruptions", "healthver")[number % 4]
        good = number % 3 > 0
        examples.append(
            example(
                f"c{number}", "supported" if good else "unsupported", source,
                "true" if good else ("number", "negation")[number % 2], f"g{number}",
            )
        )  # fmt: skip
    labels = np.array([one.label == "supported" for one in examples])
    telling = np.clip(labels[:, None] * 0.4 + rng.uniform(0, 0.6, size=(count, 1)), 0, 1)
    lexical = np.hstack((telling, rng.normal(size=(count, len(LEXICAL_FEATURES) - 1))))
    logits = np.hstack((telling, rng.normal(size=(count, 4))))
    return Table(examples, lexical, logits)


def test_weights_balance_sets_and_labels():
    made = table()
    weights, names, labels = balance(made), made.names, made.labels
    sums = {
        (name, label): weights[(names == name) & (labels == label)].sum()
        for name in ("scifact", "wice", "corruptions")
        for label in (True, False)
    }
    assert sums["scifact", True] == pytest.approx(sums["wice", False])
    assert sums["corruptions", True] == pytest.approx(2 * sums["wice", True])


@pytest.mark.parametrize("stacked", [False, True])
def test_cross_fitting_and_leaving_out_are_better_than_chance_only(stacked):
    made = table(400)
    for chances in (cross_fit(made, stacked=stacked), leave_out(made, stacked=stacked)):
        assert chances.shape == (400,)
        gap = chances[made.labels].mean() - chances[~made.labels].mean()
        assert 0.1 < gap < 0.9
    assert 0.3 <= choose_threshold(made, cross_fit(made, stacked=stacked)) <= 0.7


def test_cross_fitting_never_sees_the_label_it_predicts():
    made = table(200)
    noise = np.random.default_rng(5).normal(size=(200, len(LEXICAL_FEATURES)))
    area = auroc(
        made.labels.tolist(), cross_fit(Table(made.examples, noise), stacked=False).tolist()
    )
    assert 0.3 < area < 0.7


def test_fitted_judge_has_all_figures_and_readable_regressions(tmp_path):
    fitted = fit_judge(Tables(table(400), table(160)))
    for name, body in fitted.tables.items():
        parsed = Regression.parse(tomllib.loads(body))
        assert ("cosine" in parsed.names) == (name == "stacked")
        assert set(fitted.figures[name]) == {
            "threshold", "cross_fitted", "set_left_out", "corruptions_test",
        }  # fmt: skip
    weights = tmp_path / "judge.safetensors"
    weights.write_bytes(b"weights")
    write_judge(fitted, weights)
    manifest = get_manifest("judge", folder=tmp_path)
    assert manifest.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert json.loads((tmp_path / "judge-figures.json").read_text()) == fitted.figures


def test_kinds_are_measured_against_all_truths():
    made = [example(f"c{n}", group=str(n)) for n in range(4)]
    made += [example(f"n{n}", "contradicted", kind="number", group=f"n{n}") for n in range(4)]
    chances = np.array([0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1])
    figures = measure_kinds(made, chances, 0.5)
    assert figures["number"]["balanced_accuracy"][0] == 0.75
    assert figures["number"]["n"] == 8


def test_read_table_has_a_row_an_example():
    made = read_table(
        [Example("It needs 3 GB.", ("It needs 3 GB.",), "supported", "x", "true", "g")],
        WordWeights({}, 5.0),
        None,
    )
    assert made.lexical.shape == (1, len(LEXICAL_FEATURES))
    assert made.logits is None
