"""Negations and directions of change that only one of claim and evidence has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askpapers.support.opposites import (
    DIRECTIONS,
    NEGATIONS,
    OPPOSITES,
    SOFT_NEGATIONS,
    STRONG_AXES,
    split_list,
)
from askpapers.support.parsed import GuardFinding, Parsed, is_content
from askpapers.support.wording import stem as find_stem

# Words that point somewhere but are often used without meaning a change: they are only held
# against a claim when the evidence says the opposite.
_LOOSE = frozenset(
    split_list(
        "well good strong up down over after before many more most better less multiple "
        "least following prior effective effectively efficient efficiently under lower "
        "robust competitive cut additional reliable save savings benefit benefits best "
        "accurate poorly poor often few increasingly frequently numerous greater larger "
        "successful successfully lose loses weak positive negative later earlier "
        "subsequently afterwards above below rarely fewer"
    )
)
_SCOPE = 3
_CONTEXT = 5
_PREFIXES = ("un", "in", "im", "ir", "non", "dis", "mis")
# Words of these axes stand for one another: "boosts accuracy" is "increases accuracy".
_SIBLINGS = {"amount": {"quality", "level", "speed"}, "quality": {"amount", "level", "speed",
             "success", "relevance"}, "speed": {"quality", "amount"},
             "level": {"amount", "quality", "relevance"}}  # fmt: skip


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
            if is_content(other) and parsed.clause[place] == parsed.clause[index]
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
        elif denial.scope[0] in denied or scope & opened or len(scope & denied) >= 2:
            excused = True
        else:
            # The denial may be in other words: "X-free", "instead of", "unlabeled".
            excused = _is_softly_denied(denial.scope[0], evidence) or _has_negative_form(
                scope, every_lower
            )
        if not excused:
            found.append(GuardFinding("negation", " ".join([denial.cue, *denial.scope])))
    claim_stems = {word.stem for word in claim.words if is_content(word)}
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
                if is_content(word)
            }
            if len(around & claim_stems) >= min(3, len(claim_stems)):
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
                other.lower in SOFT_NEGATIONS and other.stem != stem
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
        stem for sentence in evidence for denial in _find_denials(sentence) for stem in denial.scope
    }
    for index, word in enumerate(claim.words):
        # "with" and "without" are the business of check_negations.
        if word.lower in {"with", "without"}:
            continue
        opposites = {find_stem(other) for other in OPPOSITES.get(word.lower, ())}
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
            elif stem in opposites or (strong and here == axis and pointing != sign):
                other = max(other, overlap + (1 if stem in opposites else 0))
            elif pointing == sign and here in _SIBLINGS.get(axis, ()):
                sibling = True
        turned = other >= 1 and (same < 0 or other > same + 2)
        if turned and (word.stem in denied_claim or denied_read):
            turned = same < 0 and word.stem not in denied_claim
        if turned:
            found.append(GuardFinding("direction" if strong else "opposite", word.text))
        elif (
            strong and same < 0 and not sibling and axis != "level"
            and word.stem[:5] not in starts and word.lower not in _LOOSE
        ):  # fmt: skip
            found.append(GuardFinding("direction", word.text))
    return found


def _around(parsed: Parsed, index: int) -> dict[str, float]:
    """Stems near a word; the nearest two on each side count double."""
    near: dict[str, float] = {}
    for place in range(max(0, index - _CONTEXT), min(len(parsed.words), index + _CONTEXT + 1)):
        word = parsed.words[place]
        if place != index and is_content(word):
            near[word.stem] = max(near.get(word.stem, 0), 2 if abs(place - index) <= 2 else 1)
    return near
