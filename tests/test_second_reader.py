"""The second reader asks a language model whether a passage states what is asked."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest

from askpapers.errors import ModelMissing
from askpapers.evidence import LIMIT
from askpapers.likelihood import Deferred, make_passage
from askpapers.models import get_file, get_manifest
from askpapers.prompts import load_prompt
from askpapers.second_reader import YES, ModelSecondReader, make_request


class ScriptedModel:
    """Goes on with yes as likely as its script says, once a text; branches once."""

    def __init__(self, *chances: float) -> None:
        self.chances = list(chances)
        self.seen: list[tuple[str, str]] = []
        self.adapters: list[Path] = []

    def measure(self, texts):
        self.seen += texts
        return [math.log(self.chances.pop(0)) for _ in texts]

    def branch(self, adapter):
        assert not self.adapters
        self.adapters.append(adapter)
        return self


def test_it_gives_log_odds_of_yes() -> None:
    model = ScriptedModel(0.5, 0.9, 1.0, 1e-30)
    reader = ModelSecondReader(Deferred(lambda: model), load_prompt("second-reader"))
    found = [reader.read("Q?", "P.") for _ in range(4)]
    assert found == pytest.approx([0.0, math.log(9.0), LIMIT, -LIMIT])
    assert model.seen[0] == ("P.\nQuestion: Q?\nIs the answer stated?", YES)


def test_white_space_of_question_and_passage_says_nothing() -> None:
    prompt = load_prompt("second-reader")
    assert make_request("a\n b", "c \n\nd", prompt) == make_request("a b", "c d", prompt)


def test_it_is_opened_at_the_first_question_over_the_likelihoods_model() -> None:
    model, opened = ScriptedModel(0.5, 0.5), []

    def open_base():
        opened.append("base")
        return model

    weights = get_file(get_manifest("second-reader"), home=Path("unused"))
    reader = ModelSecondReader.load(Deferred(open_base), lambda: weights)
    assert opened == []
    assert reader.read("Q?", "P.") == reader.read("Q?", "P.") == pytest.approx(0.0)
    assert (opened, model.adapters) == (["base"], [weights.path])


def test_what_stands_against_opening_is_told_where_it_is_needed() -> None:
    tried = threading.Semaphore(0)

    def open_it():
        tried.release()
        raise ModelMissing("gone")

    deferred = Deferred(open_it)
    deferred.open_soon()
    assert tried.acquire(timeout=30)
    with pytest.raises(ModelMissing, match="gone"):
        deferred.get()


def test_what_is_opened_soon_is_opened_once() -> None:
    opened: list[int] = []
    deferred = Deferred(lambda: opened.append(1) or "it")
    deferred.open_soon()
    assert deferred.get() == deferred.get() == "it"
    assert opened == [1]


@pytest.mark.real
def test_the_shipped_one_tells_an_answer_from_a_near_miss() -> None:
    from askpapers.resources import home_folder
    from askpapers.training.fusion import open_likelihood, open_second_reader

    home = home_folder()
    reader = open_second_reader(open_likelihood(home=home), home=home)
    passage = make_passage(
        "Plover: Counting Birds from the Air",
        [
            "Plover counts birds in pictures that a drone takes.",
            "It was trained on 12,000 pictures of 40 lakes and finds 93% of all birds.",
        ],
    )
    stated = "On how many pictures was Plover trained?"
    for missed in (
        "How long did the training of Plover take?",
        "How much does the drone of Plover weigh?",
        "Which optimizer was used to train Plover?",
    ):
        assert reader.read(stated, passage) > reader.read(missed, passage) + 2.0
