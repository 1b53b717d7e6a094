"""A text taken apart once, and what can be found wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from askpapers.support.opposites import NEGATIONS
from askpapers.support.quantities import Quantity, find_quantities
from askpapers.support.wording import STOPWORDS, Word, clean, find_names, split_words

Kind = Literal["number", "unit", "negation", "direction", "opposite", "entity"]


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """One thing in the claim that the evidence does not hold."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text taken apart once: `clause[i]` numbers the clause of word i."""

    text: str
    words: tuple[Word, ...]
    clause: tuple[int, ...]
    quantities: tuple[Quantity, ...]
    names: tuple[str, ...]


@lru_cache(maxsize=2048)
def parse_text(raw: str) -> Parsed:
    """Take a text apart; the result is cached because evidence is judged against many claims."""
    text = clean(raw)
    words = split_words(text)
    clause: list[int] = []
    number = 0
    for index, word in enumerate(words):
        if index:
            before = words[index - 1]
            gap = text[before.start + len(before.text) : word.start]
            if any(mark in gap for mark in ",;:.!?()"):
                number += 1
        clause.append(number)
    return Parsed(text, words, tuple(clause), find_quantities(text), find_names(text))


def is_content(word: Word) -> bool:
    """Whether a word says something of its own: neither stopword nor negation."""
    return word.lower not in STOPWORDS and word.lower not in NEGATIONS
