"""The fit of answerability: what it is fitted on, that it separates, that it never peeks."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import HashEmbedder

from askpapers.answerability import FEATURES, READ_FEATURES, estimate
from askpapers.encoders.reader import Reading
from askpapers.training.answerability import (
    HELD_OUT,
    HELD_OUT_OFF_TOPIC,
    Use,
    compare,
    cross_validate,
    find_threshold,
    fit_calibration,
    gather,
    open_search,
    summarise,
)
from askpapers.training.reader_data import OFF_TOPIC, Question
from askpapers.training.written import QUESTIONS, Abstract


def make_uses(count: int = 90) -> list[Use]:
    rng = np.random.default_rng(0)
    means = {"answerable": 2.0, "near miss": -1.0, "another paper first": -2.0, "off topic": -4.0}
    uses = []
    for i in range(count):
        kind = ("answerable", "near miss", "answerable", "another paper first", "answerable",
                "off topic")[i % 6]  # fmt: skip
        features = {name: float(rng.normal(means[kind], 1.0)) for name in FEATURES}
        counted = -1.0 if kind == "near miss" else 0.0
        uses.append(Use(kind, f"p{i // 2}", {**features, "no_counted": counted}))
    return uses


class TopicReader:
    """Finds relevant, and evidence, whatever shares a word with the question."""

    def read(self, question, papers):
        words = set(question.lower().strip("?").split())
        readings = []
        for title, sentences in papers:
            shares = [0.9 if words & set(s.lower().strip(".").split()) else 0.1 for s in sentences]
            near = 0.9 if words & set(title.lower().split()) else 0.1
            readings.append(Reading(near, max(shares), tuple(shares)))
        return readings


def test_a_question_is_answerable_where_its_own_paper_is_first() -> None:
    pool = {
        "c": Abstract("c", "Cats", ("Cats sleep long.", "They eat fish.")),
        "d": Abstract("d", "Dogs", ("Dogs bark.", "They run in parks.")),
    }
    asked = [
        Question("1", "do cats sleep?", "c", "fact", (0,)),
        Question("2", "why do cats purr?", "c", "unanswerable", ()),
        Question("3", "dogs bark?", "c", "fact", (0,)),
        Question("4", "tell me a joke", "", "off topic", ()),
    ]
    said: list[str] = []
    search = open_search(pool, HashEmbedder(), TopicReader(), None, None, None)
    uses = gather(search, asked, said.append)
    assert [use.kind for use in uses] == [
        "answerable", "near miss", "another paper first", "off topic",
    ]  # fmt: skip
    assert [use.stated for use in uses] == [True, False, False, False]
    assert [use.group for use in uses] == ["c", "c", "c", "4"]
    assert all(set(use.features) == set(FEATURES) for use in uses)
    assert uses[0].features["near_sentence"] > uses[3].features["near_sentence"]
    assert said == ["1 of 4 questions searched"]


def test_the_fit_separates_and_holds_the_operating_point() -> None:
    uses = make_uses()
    calibration = fit_calibration(uses)
    assert all(weight >= 0 for weight in calibration.weights.values())
    chances = [estimate(use.features, calibration) for use in uses]
    threshold = find_threshold(chances, uses)
    figures = summarise(uses, chances, threshold)
    assert figures["refused: answerable"]["value"] == pytest.approx(0.07, abs=0.03)
    assert figures["refused: near miss"]["value"] > 0.9
    assert figures["refused: off topic"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 15}
    assert figures["calibration error"] < 0.2


def test_only_relevance_may_count_against_an_answer() -> None:
    turned = ("best_relevance", "best_sentence")
    uses = [
        replace(use, features={**use.features, **{name: -use.features[name] for name in turned}})
        for use in make_uses()
    ]
    weights = dict(fit_calibration(uses).weights)
    assert weights.pop("best_relevance") < 0
    assert "best_sentence" not in weights
    assert min(weights.values()) >= 0


def test_cross_validation_never_sees_the_paper_it_judges() -> None:
    uses = make_uses()
    other = {"answerable": "near miss", "near miss": "answerable"}
    spoilt = [
        replace(use, kind=other.get(use.kind, use.kind)) if use.group == "p0" else use
        for use in uses
    ]
    honest, after = cross_validate(uses), cross_validate(spoilt)
    own = [i for i, use in enumerate(uses) if use.group == "p0"]
    assert own
    assert [after[i] for i in own] == [honest[i] for i in own]
    assert after != honest


def test_the_comparison_finds_what_the_other_features_add() -> None:
    blind = dict.fromkeys(READ_FEATURES, 0.0)  # a reader that tells nothing
    figures = compare([replace(use, features={**use.features, **blind}) for use in make_uses()])
    near = figures["refused: near miss"]
    assert near["n"] == 15
    assert near["all"] > 0.9 > near["compared with"]
    assert near["gain"] == pytest.approx(near["all"] - near["compared with"], abs=0.002)
    assert near["gain low"] <= near["gain"] <= near["gain high"]


def test_nothing_else_learns_from_what_is_held_out() -> None:
    held, learnt = (
        [json.loads(line)["paper"] for line in path.read_text("utf-8").splitlines()]
        for path in (HELD_OUT, QUESTIONS)
    )
    assert len(held) > 500
    assert not set(held) & set(learnt)
    held_out, off_topic = (
        path.read_text("utf-8").splitlines() for path in (HELD_OUT_OFF_TOPIC, OFF_TOPIC)
    )
    assert len(held_out) > 300
    everyday = [line.lower() for line in (*held_out, *off_topic)]
    assert max(Counter(everyday).values()) == 1
