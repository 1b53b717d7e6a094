"""Corruptions change what they say they change, and paraphrases change nothing else."""

import random

import pytest

from askpapers.support import HARD_KINDS, check_guard
from askpapers.training.corruption_suite import make_cases, read_truths
from askpapers.training.corruptions import (
    corrupt_direction,
    corrupt_entity,
    corrupt_negation,
    corrupt_number,
    corrupt_role,
    corrupt_unit,
    make_corruptions,
)
from askpapers.training.paraphrases import drop_asides, paraphrase, swap_synonyms

TRUTH = "BERT significantly reduces the error by 2.1% in 3 hours and does not need labels."


@pytest.mark.parametrize("seed", range(25))
def test_numbers_and_units_are_changed_for_the_guard_to_see(seed):
    rng = random.Random(seed)
    for corrupt in (corrupt_number, corrupt_unit):
        changed = corrupt(TRUTH, rng)
        assert changed != TRUTH
        found = {finding.kind for finding in check_guard(changed, [TRUTH])}
        assert found & HARD_KINDS, changed


@pytest.mark.parametrize("seed", range(10))
def test_negation_is_dropped_or_added(seed):
    changed = corrupt_negation(TRUTH, random.Random(seed))
    words = changed.split()
    assert (
        ("not" in words) != ("not" in TRUTH.split())
        or words.count("not") != 1
        or ("without" in words)
    )


def test_direction_is_turned():
    rng = random.Random(1)
    seen = {corrupt_direction("It improves accuracy.", rng) for _ in range(30)}
    assert seen == {"It degrades accuracy.", "It worsens accuracy."}


def test_entities_come_from_the_list_or_swap():
    rng = random.Random(2)
    seen = {corrupt_entity("BERT beats GPT-2.", rng, ["ResNet"]) for _ in range(40)}
    assert seen == {"ResNet beats GPT-2.", "BERT beats ResNet.", "GPT-2 beats BERT."}


def test_roles_change_sides():
    changed = corrupt_role("Dropout outperforms BatchNorm on images.", random.Random(0))
    assert changed == "BatchNorm outperforms Dropout on images."


@pytest.mark.parametrize(
    "corrupt", [corrupt_number, corrupt_unit, corrupt_negation, corrupt_direction, corrupt_role]
)
def test_nothing_to_change_is_none(corrupt):
    assert corrupt("Hello there friend", random.Random(0)) is None


def test_kinds_are_in_order_and_differ_from_the_truth():
    made = make_corruptions(TRUTH, random.Random(3), names=["GPT"], tails=["it rained"])
    assert [change.kind for change in made] == [
        "number", "unit", "negation", "direction", "entity", "quantifier", "addition",
    ]  # fmt: skip
    assert all(change.text != TRUTH for change in made)


def test_same_seed_same_corruptions():
    one, other = (make_corruptions(TRUTH, random.Random(4), names=["GPT"]) for _ in range(2))
    assert one == other


def test_paraphrases_keep_numbers_and_negations():
    rng = random.Random(5)
    for _ in range(50):
        changed = paraphrase("We propose a fast method that does not need 2.1 GB of memory.", rng)
        found = {
            finding.kind
            for finding in check_guard(
                changed, ["We propose a fast method that does not need 2.1 GB of memory."]
            )
        }
        assert not found & {"number", "unit", "negation"}, changed


def test_synonyms_keep_case_and_article():
    assert swap_synonyms("A novel idea", random.Random(1), share=1.0) in {
        "A new concept", "A new idea",
    }  # fmt: skip
    assert drop_asides("However, it works.", random.Random(0)) == "It works."


def test_suite_has_every_kind(tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text(
        '{"id": "a", "reference": "BERT improves by 3% and does not fail.", "evidence": '
        '[{"title": "A", "quote": "The model BERT improves by 3% and does not fail on it."}]}\n'
        '{"id": "b", "reference": "GPT-2 needs 5 hours.", "evidence": '
        '[{"title": "B", "quote": "The old network GPT-2 needs 5 hours on the machine here."}]}\n'
    )
    truths = read_truths(path)
    assert [truth.case for truth in truths] == ["a", "b", "a-quote", "b-quote"]
    cases = make_cases(truths, per_kind=2, seed=1)
    assert {case["kind"] for case in cases} == {
        "true", "number", "unit", "negation", "direction", "entity", "wrong-paper",
    }  # fmt: skip
    assert len({case["id"] for case in cases}) == len(cases)
    for case in cases:
        assert (case["label"] == "supported") == (case["kind"] == "true")
