"""Says with what probability the papers read state what is asked.

A logistic model over three kinds of features: how near the search came, what the readers made of
the papers, and what the question's own words show when they are laid beside the evidence. The
search tells what is off topic; the first reader sees the topic well and the kind of answer badly,
the second, where there is one, sees both; a question that asks how many prompts there are is not
answered by a sentence without a figure beside "prompts", and that can be read off the page. Every
feature is larger the more speaks for an answer, and no weight is negative but that of the
relevance: of two papers that read as equally answerable, the one that is more about the question
is more often a near miss.

Pure: cosines, readings, texts and the rarity of words in; numbers out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from askpapers.encoders.reader import Reading
from askpapers.errors import ResourceError
from askpapers.evidence import LIMIT, Policy, ReadPaper, choose_evidence, log_odds
from askpapers.figures import (
    AUXILIARY,
    PHRASE,
    PHRASE_END,
    find_uncounted,
    find_unmeasured,
    lacks_figure,
)
from askpapers.names import find_unmentioned

FOUND_FEATURES = ("near_passage", "near_sentence")
"""Cosines of the question with the lead's best passage, and with the best sentence of any paper,
up to NEAR: what is off topic is hardly ever nearer, and a near miss is as near as an answer. A
lead that holds every word of the question is as near, whatever the vectors make of a rare term."""
NEAR = 0.42
UNLIKELY, LIKELY = 5.0, 20.0
"""Nats by which the lead makes the question likelier than no passage does: up to the first it is
as far as the vectors say, from the second on as near as can be. Of the questions that are off topic
95 in 100 gain less than 8; of those that are answered in quite other words, 3 in 4 more than 20."""
READ_FEATURES = ("best_answerable", "lead_answerable", "best_sentence", "best_relevance")
WORD_FEATURES = (
    "no_rare_word",
    "asked_held",
    "asked_shown",
    "no_figure",
    "no_counted",
    "no_measured",
    "unmentioned",
    "unheld",
    "told",
)
FEATURES = (*FOUND_FEATURES, *READ_FEATURES, *WORD_FEATURES)
SECOND = "second"
"""A further feature where there is a second reader: its log-odds that the lead states it."""
Rarity = Callable[[str], Mapping[str, float]]
"""Stems of a text, stop words left out, each with its rarity (0..1) among the papers."""

_ASKED = re.compile(
    rf"\b(?:(?:which|what|whose|how (?:many|much)) (?P<a>{PHRASE})(?=\s+(?:{AUXILIARY}|of)\b)"
    rf"|what (?:is|was|are|were) (?:the|its|their) (?P<b>{PHRASE}){PHRASE_END})",
    re.IGNORECASE,
)
_TITLE_SHARE = 0.75
_MOST = 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model over FEATURES, and SECOND or not, fitted on the development questions.

    `relevance_floor` is the relevance (0..1) from which a paper counts as relevant enough.
    """

    intercept: float
    weights: Mapping[str, float] = field(default_factory=dict)
    relevance_floor: float = 0.5

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Calibration:
        """Read the `parameters` table of the manifest of the last reader that is used.

        Raises:
            ResourceError: a number is missing or names a feature that doesn't exist.
        """
        table = parameters.get("answerability")
        if not isinstance(table, Mapping) or "intercept" not in table:
            raise ResourceError("A reader's manifest holds no answerability calibration.")
        weights = {k: float(v) for k, v in table.items() if k != "intercept"}
        unknown = sorted(set(weights) - {*FEATURES, SECOND})
        if unknown:
            raise ResourceError(f"A reader's manifest weighs unknown features {unknown!r}.")
        floor = float(parameters.get("relevance_floor", 0.5))
        return cls(float(table["intercept"]), weights, floor)


@dataclass(frozen=True, slots=True)
class Page:
    """A paper that was read, with the title and the sentences that the reader saw.

    `passage` and `sentence` are the best cosines (-1..1) of its passages and its sentences with the
    question.
    """

    read: ReadPaper
    title: str
    sentences: Sequence[str]
    passage: float
    sentence: float

    @property
    def text(self) -> str:
        """Title and sentences."""
        return " ".join([f"{self.title}.", *self.sentences])


def measure(
    question: str, pages: Sequence[Page], rarity: Rarity, policy: Policy | None = None
) -> dict[str, float]:
    """Return the features by name: cosines, log-odds of the readings, shares and marks of words.

    The lead is the paper of the sentence that is chosen first.
    """
    ranked = [page.read for page in pages]
    chosen = choose_evidence(ranked, policy)
    if not chosen:
        far = dict.fromkeys((*FOUND_FEATURES, *WORD_FEATURES), -1.0)
        return far | dict.fromkeys(READ_FEATURES, -LIMIT)
    by_id = {page.read.paper_id: page for page in pages}
    lead = by_id[chosen[0].paper_id]
    own = [lead.sentences[c.sentence] for c in chosen if c.paper_id == chosen[0].paper_id]
    sources = [by_id[paper_id] for paper_id in dict.fromkeys(c.paper_id for c in chosen)]
    asked = rarity(question)
    held = set(rarity(lead.text))
    by_words = NEAR * _cover(asked, held)
    found = {
        "near_passage": min(NEAR, max(lead.passage, by_words)),
        "near_sentence": min(NEAR, max(by_words, *(page.sentence for page in pages))),
    }
    words = {
        "no_rare_word": -max((w for stem, w in asked.items() if stem not in held), default=0.0),
        "asked_held": _cover_asked(question, held, rarity) - 1.0,
        "asked_shown": _cover_asked(question, set(rarity(" ".join([lead.title, *own]))), rarity)
        - 1.0,
        "no_figure": -float(lacks_figure(question, own)),
        "no_counted": -float(find_uncounted(question, [lead.title, *lead.sentences]) is not None),
        "no_measured": -float(find_unmeasured(question, [lead.text]) is not None),
        "unmentioned": -float(
            min(_MOST, len(find_unmentioned(question, [page.text for page in sources])))
        ),
        "unheld": -float(min(_MOST, len(find_unmentioned(question, [lead.text])))),
        # A sentence that holds the whole question, or a title that is the question.
        "told": float(bool(lead.read.told) or _is_title(asked, rarity(lead.title))),
    }
    return found | measure_readings(ranked) | words


def bring_near(features: Mapping[str, float], nats: float) -> dict[str, float]:
    """Return the features with those of FOUND_FEATURES that the likelihood raises.

    What a language model finds likely from the lead, by `nats` more than from no passage, is near
    to it, however far the words of the question are from its own.
    """
    near = NEAR * min(1.0, max(0.0, (nats - UNLIKELY) / (LIKELY - UNLIKELY)))
    return {**features, **{name: max(near, features[name]) for name in FOUND_FEATURES}}


def measure_readings(ranked: Sequence[ReadPaper]) -> dict[str, float]:
    """Return READ_FEATURES by name, in log-odds.

    `lead_answerable` is that of the paper read as most relevant.
    """
    if not ranked:
        return dict.fromkeys(READ_FEATURES, -LIMIT)
    lead = max(ranked, key=lambda paper: paper.reading.relevance)
    sentences = [s for paper in ranked for s in paper.reading.sentences]
    return {
        "best_answerable": max(log_odds(paper.reading.answerable) for paper in ranked),
        "lead_answerable": log_odds(lead.reading.answerable),
        "best_sentence": max((log_odds(s) for s in sentences), default=-LIMIT),
        "best_relevance": log_odds(lead.reading.relevance),
    }


def estimate(features: Mapping[str, float], calibration: Calibration) -> float:
    """Return the probability (0..1) that the papers with these features state what is asked."""
    total = calibration.intercept + sum(
        weight * features[name] for name, weight in calibration.weights.items()
    )
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))


def count_relevant(readings: Sequence[Reading], calibration: Calibration) -> int:
    """Return how many papers were read as relevant enough."""
    return sum(reading.relevance >= calibration.relevance_floor for reading in readings)


def _is_title(asked: Mapping[str, float], named: Mapping[str, float]) -> bool:
    """Tell whether a question asks for a paper by its title, perhaps shortened, and no more."""
    return set(asked) <= set(named) and _cover(named, set(asked)) >= _TITLE_SHARE


def _cover(asked: Mapping[str, float], held: set[str]) -> float:
    """Return the share (0..1) of the rarity of the asked words that is held."""
    total = sum(asked.values())
    return sum(weight for stem, weight in asked.items() if stem in held) / total if total else 0.0


def _cover_asked(question: str, held: set[str], rarity: Rarity) -> float:
    """Return the share of what is asked for ("which optimizer") that is held; 1 for no noun."""
    match = _ASKED.search(question)
    asked = rarity(match["a"] or match["b"]) if match else {}
    return _cover(asked, held) if asked else 1.0
