"""The deterministic guard: what a sentence says that the text it cites does not.

Every number with its unit, every negation and every direction of change of the claim must be in
the evidence; names too. Nothing is learned here and no probability is involved: "21" does not pass
for "2.1", nor "improves" for "reduces", nor a sentence that lost its "not".
"""

from __future__ import annotations

from collections.abc import Sequence

from askpapers.support.parsed import GuardFinding, Kind, Parsed, is_content, parse_text
from askpapers.support.polarity import check_directions, check_negations
from askpapers.support.quantities import Quantity
from askpapers.support.wording import STOPWORDS, normalise_name, split_sentences, split_words

HARD_KINDS: frozenset[Kind] = frozenset({"number", "unit", "negation", "direction", "opposite"})
"""Kinds with which a written sentence is never called supported."""


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
            return word.stem if is_content(word) and word.text.isalpha() else ""
    return ""


def _counts_other_things(quantity: Quantity, claim: Parsed, evidence: Sequence[Parsed]) -> bool:
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
