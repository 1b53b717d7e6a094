"""The deterministic guard: what a sentence says that the text it cites does not.

Every number with its unit, every negation and every direction of change of the claim must be in
the evidence; names too. Nothing is learned here and no probability is involved: "21" does not pass
for "2.1", nor "improves" for "reduces", nor a sentence that lost its "not".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from askpapers.support.opposites import (
    DIRECTIONS,
    NEGATIONS,
    OPPOSITES,
    SOFT_NEGATIONS,
    STRONG_AXES,
)
from askpapers.support.wording import (
    STOPWORDS,
    Quantity,
    Word,
    clean,
    find_names,
    find_quantities,
    normalise_name,
    split_sentences,
    split_words,
)

Kind = Literal["number", "unit", "negation", "direction", "opposite", "entity"]

HARD_KINDS: frozenset[Kind] = frozenset({"number", "unit", "negation", "direction", "opposite"})
"""Kinds with which a written sentence is never called supported."""

_SCOPE = 3
_CONTEXT = 5
_PREFIXES = ("un", "in", "im", "ir", "non", "dis", "mis")
# Words of these axes stand for one another: "boosts accuracy" is "increases accuracy".
_SIBLINGS = {"amount": {"quality", "level", "speed"}, "quality": {"amount", "level", "speed",
             "success", "relevance"}, "speed": {"quality", "amount"},
             "level": {"amount", "quality", "relevance"}}  # fmt: skip


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


def _content(word: Word) -> bool:
    return word.lower not in STOPWORDS and word.lower not in NEGATIONS


@dataclass(frozen=True, slots=True)
class _Denial:
    cue: str
    index: int
    scope: tuple[str, ...]


def _find_denials(parsed: Parsed) -> list[_Denial]:
    """Negations with the stems of the content words behind them, in the same clause."""
    found = []
    words = parsed.words
    for index, word in enumerate(words):
        if word.lower not in NEGATIONS:
            continue
        following = words[index + 1].lower if index + 1 < len(words) else ""
        if word.lower in {"not", "no"} and following in {"only", "just", "merely", "longer"}:
            continue
        scope = [
            other.stem
            for place, other in enumerate(words[index + 1 : index + 10], start=index + 1)
            if _content(other) and parsed.clause[place] == parsed.clause[index]
        ][:_SCOPE]
        found.append(_Denial(word.lower, index, tuple(scope)))
    return found


def check_negations(claim: Parsed, evidence: Sequence[Parsed]) -> list[GuardFinding]:
    """Negations that only one side has, found by the words that they deny."""
    found = []
    said = _find_denials(claim)
    read = [(_find_denials(sentence), sentence) for sentence in evidence]
    denied = {stem for denials, _ in read for denial in denials for stem in denial.scope}
    opened = {denial.scope[0] for denials, _ in read for denial in denials if denial.scope}
    cues = {denial.cue for denials, _ in read for denial in denials}
    every_lower = {word.lower for sentence in evidence for word in sentence.words}
    for denial in said:
        scope = set(denial.scope)
        if not scope:
            excused = bool(cues)
        elif denial.scope[0] in denied or scope & opened:
            excused = True
        else:
            # The denial may be in other words: "X-free", "instead of", "unlabeled".
            excused = _is_softly_denied(denial.scope[0], evidence) or _has_negative_form(
                scope, every_lower
            )
        if not excused:
            found.append(GuardFinding("negation", " ".join([denial.cue, *denial.scope])))
    claim_stems = {word.stem for word in claim.words if _content(word)}
    claim_denied = {stem for denial in said for stem in denial.scope}
    claim_soft = {word.lower for word in claim.words} & SOFT_NEGATIONS
    claim_lower = {word.lower for word in claim.words}
    for denials, sentence in read:
        for denial in denials:
            shared = [stem for stem in denial.scope if stem in claim_stems]
            if not shared or denial.scope[0] not in shared or len(shared) * 2 < len(denial.scope):
                continue
            if claim_denied & set(shared) or claim_soft or denial.cue in claim_lower:
                continue
            if _stands_free(shared, read) or _has_negative_form(set(shared), claim_lower):
                continue
            around = {
                word.stem
                for word in sentence.words[max(0, denial.index - 12) : denial.index + 14]
                if _content(word)
            }
            if len(around & claim_stems) >= 3:
                found.append(
                    GuardFinding("negation", f"without {denial.cue!r}: {' '.join(shared)}")
                )
    return found


def _has_negative_form(scope: set[str], words: set[str]) -> bool:
    return any(
        word.startswith(prefix + stem[:4])
        for stem in scope
        if len(stem) >= 4
        for prefix in _PREFIXES
        for word in words
    )


def _is_softly_denied(stem: str, evidence: Sequence[Parsed]) -> bool:
    """Whether a word of denial stands within three words of the stem."""
    for sentence in evidence:
        for index, word in enumerate(sentence.words):
            if word.stem == stem and any(
                other.lower in SOFT_NEGATIONS
                for other in sentence.words[max(0, index - 3) : index + 4]
            ):
                return True
    return False


def _stands_free(shared: Sequence[str], read: Sequence[tuple[list[_Denial], Parsed]]) -> bool:
    """Whether all of the shared stems stand in one sentence that denies none of them."""
    for denials, sentence in read:
        denied = {stem for denial in denials for stem in denial.scope}
        stems = {word.stem for word in sentence.words}
        if set(shared) <= stems and not set(shared) & denied:
            return True
    return False


def check_numbers(claim: Parsed, evidence: Sequence[Parsed]) -> list[GuardFinding]:
    """Numbers that the evidence does not hold, by value, and units that differ."""
    found = []
    read = [quantity for sentence in evidence for quantity in sentence.quantities]
    units = {quantity.unit for quantity in read}
    stems = {word.stem for sentence in evidence for word in sentence.words}
    names = " ".join(normalise_name(name) for sentence in evidence for name in sentence.names)
    for quantity in claim.quantities:
        same = [other for other in read if other.value == quantity.value]
        if not same:
            # "one half" and "50%", "twice" and "2x" are the same; a figure inside a name is not.
            wanted = quantity.value * 100 if quantity.unit == "x" else quantity.value / 100
            if quantity.unit in {"x", "%"} and any(other.value == wanted for other in read):
                continue
            if quantity.noun == "ordinal" and str(quantity.value) in names:
                continue
            found.append(GuardFinding("number", quantity.text))
            continue
        if _counts_other_things(quantity, claim, evidence):
            found.append(GuardFinding("number", quantity.text))
            continue
        if not quantity.unit:
            noun = split_words(quantity.noun)
            if (
                noun
                and all(other.unit not in {"", "%", "x"} for other in same)
                and noun[0].lower not in STOPWORDS
                and noun[0].stem not in stems
            ):
                found.append(GuardFinding("unit", f"{quantity.text} {quantity.noun}"))
            continue
        if any(other.unit == quantity.unit for other in same):
            continue
        plain = all(not other.unit for other in same)
        if plain and (quantity.unit in units or _names_unit(quantity, stems)):
            continue
        found.append(GuardFinding("unit", quantity.text))
    return found


def _counted(parsed: Parsed, quantity: Quantity) -> str:
    """Stem of the content word right behind a number, "" when there is none."""
    for word in parsed.words:
        if quantity.end <= word.start <= quantity.end + 2:
            return word.stem if _content(word) and word.text.isalpha() else ""
    return ""


def _counts_other_things(
    quantity: Quantity, claim: Parsed, evidence: Sequence[Parsed]
) -> bool:
    """Whether the evidence counts the same things with other numbers only."""
    noun = _counted(claim, quantity)
    if not noun:
        return False
    values = {
        other.value
        for sentence in evidence
        for other in sentence.quantities
        if _counted(sentence, other) == noun and other.unit == quantity.unit
    }
    return bool(values) and quantity.value not in values


def _names_unit(quantity: Quantity, stems: set[str]) -> bool:
    return any(word.stem in stems for word in split_words(quantity.text) if word.text.isalpha())


def check_directions(claim: Parsed, evidence: Sequence[Parsed]) -> list[GuardFinding]:
    """Words of direction, and others with opposites, that the evidence turns round or lacks."""
    found = []
    places = [
        (word.lower, word.stem, _around(sentence, index))
        for sentence in evidence
        for index, word in enumerate(sentence.words)
        if word.lower in DIRECTIONS or word.lower in OPPOSITES
    ]
    starts = {word.stem[:5] for sentence in evidence for word in sentence.words}
    denied_claim = {stem for denial in _find_denials(claim) for stem in denial.scope}
    denied_read = {
        stem
        for sentence in evidence
        for denial in _find_denials(sentence)
        for stem in denial.scope
    }
    for index, word in enumerate(claim.words):
        opposites = set(OPPOSITES.get(word.lower, ()))
        axis, sign = DIRECTIONS.get(word.lower, ("", 0))
        if not axis and not opposites:
            continue
        strong = axis in STRONG_AXES
        around = _around(claim, index)
        same, other, sibling = -1.0, -1.0, False
        for lower, stem, context in places:
            here, pointing = DIRECTIONS.get(lower, ("", 0))
            overlap = sum(min(weight, context.get(key, 0)) for key, weight in around.items())
            if stem == word.stem or (strong and here == axis and pointing == sign):
                same = max(same, overlap + (2 if lower == word.lower else 0))
            elif lower in opposites or (strong and here == axis and pointing != sign):
                other = max(other, overlap + (1 if lower in opposites else 0))
            elif pointing == sign and here in _SIBLINGS.get(axis, ()):
                sibling = True
        turned = other >= 1 and (same < 0 or other > same + 2)
        if turned and (word.stem in denied_claim or denied_read):
            turned = same < 0 and word.stem not in denied_claim
        if turned:
            found.append(GuardFinding("direction" if strong else "opposite", word.text))
        elif (
            strong and same < 0 and not sibling and axis != "level"
            and word.stem[:5] not in starts and not _loose(word.lower)
        ):  # fmt: skip
            found.append(GuardFinding("direction", word.text))
    return found


def _loose(lower: str) -> bool:
    """Words that point somewhere but are used without meaning a change."""
    return lower in {"well", "good", "strong", "up", "down", "over", "after", "before", "many",
                     "more", "most", "better", "less", "multiple", "least", "following", "prior",
                     "effective", "effectively", "efficient", "efficiently", "under", "lower",
                     "robust", "competitive", "cut", "additional", "reliable", "save", "savings",
                     "benefit", "benefits", "best", "accurate", "poorly", "poor", "often", "few",
                     "increasingly", "frequently", "numerous", "greater", "larger", "widely",
                     "successful", "successfully", "lose", "loses", "weak", "positive", "negative",
                     "later", "earlier", "above", "below", "rarely", "fewer"}  # fmt: skip


def _around(parsed: Parsed, index: int) -> dict[str, float]:
    """Stems near a word; the nearest two on each side count double."""
    near: dict[str, float] = {}
    for place in range(max(0, index - _CONTEXT), min(len(parsed.words), index + _CONTEXT + 1)):
        word = parsed.words[place]
        if place != index and _content(word):
            near[word.stem] = max(near.get(word.stem, 0), 2 if abs(place - index) <= 2 else 1)
    return near


def check_names(claim: Parsed, evidence: Sequence[Parsed]) -> list[GuardFinding]:
    """Names that are nowhere in the evidence, compared without hyphens and plural s."""
    read = {normalise_name(name) for sentence in evidence for name in sentence.names}
    words = {word.lower for sentence in evidence for word in sentence.words}
    glued = "".join(
        character
        for sentence in evidence
        for character in sentence.text.lower()
        if character.isalnum() or character == "+"
    )
    found = []
    for name in claim.names:
        wanted = normalise_name(name)
        parts = [word.lower for word in split_words(name)]
        if wanted in read or wanted in words or (len(wanted) > 3 and wanted in glued):
            continue
        if parts and all(part in words or part.rstrip("s") in words for part in parts):
            continue
        found.append(GuardFinding("entity", name))
    return found


def check_guard(
    claim: str, evidence: Sequence[str], *, context: Sequence[str] = ()
) -> tuple[GuardFinding, ...]:
    """All that the claim says and the evidence does not hold; empty when nothing was found.

    Args:
        claim: One sentence.
        evidence: The texts that it cites; sentences, or longer.
        context: Texts that may name things without proving anything (titles, the question).
    """
    said = parse_text(claim)
    read = [parse_text(sentence) for unit in evidence for sentence in split_sentences(unit)]
    return (
        *check_numbers(said, read),
        *check_negations(said, read),
        *check_directions(said, read),
        *check_names(said, [*read, *(parse_text(text) for text in context)]),
    )
