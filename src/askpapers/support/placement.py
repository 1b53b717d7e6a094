"""Names and numbers that are in the evidence, but in another place than the claim puts them.

"A has 5 layers and B has 7" said of B's 5 passes every check of presence. Here each name and
number of the claim is compared with its namesakes in the evidence by the words around them; a
rival of the same sort that fits those words clearly better gives the exchange away.
"""

from __future__ import annotations

from collections.abc import Sequence

from askpapers.support.parsed import Parsed
from askpapers.support.wording import STOPWORDS, normalise_name

_REACH = 5


def find_misplacement(claim: Parsed, evidence: Sequence[Parsed]) -> float:
    """How much better a rival fits the claim's words than what the claim names: 0 to 3."""
    worst = 0.0
    for said, read in (
        (_numbers(claim), [item for sentence in evidence for item in _numbers(sentence)]),
        (_names(claim), [item for sentence in evidence for item in _names(sentence)]),
    ):
        keys = {key for key, _ in read}
        for key, around in said:
            if key not in keys:
                continue
            own = max(_overlap(around, context) for other, context in read if other == key)
            rival = max(
                (_overlap(around, context) for other, context in read if other != key),
                default=0.0,
            )
            worst = max(worst, rival - own)
    return min(worst, 6.0) / 2


def _overlap(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(min(weight, other.get(stem, 0.0)) for stem, weight in one.items())


def _context(parsed: Parsed, first: int, last: int) -> dict[str, float]:
    """Stems around words `first` to `last`, nearer ones and those of the same clause heavier."""
    near: dict[str, float] = {}
    for place in range(max(0, first - _REACH), min(len(parsed.words), last + _REACH + 1)):
        word = parsed.words[place]
        if first <= place <= last or word.lower in STOPWORDS or not word.text.isalpha():
            continue
        distance = first - place if place < first else place - last
        weight = 2.0 if distance <= 2 else 1.0
        if parsed.clause[place] != parsed.clause[first]:
            weight *= 0.5
        near[word.stem] = max(near.get(word.stem, 0.0), weight)
    return near


def _span(parsed: Parsed, start: int, end: int) -> tuple[int, int] | None:
    inside = [i for i, word in enumerate(parsed.words) if start <= word.start < end]
    return (inside[0], inside[-1]) if inside else None


def _numbers(parsed: Parsed) -> list[tuple[str, dict[str, float]]]:
    made = []
    for quantity in parsed.quantities:
        span = _span(parsed, quantity.start, quantity.end)
        if span:
            made.append((str(quantity.value.normalize()), _context(parsed, *span)))
    return made


def _names(parsed: Parsed) -> list[tuple[str, dict[str, float]]]:
    made = []
    for name in parsed.names:
        start = parsed.text.find(name)
        while start >= 0:
            span = _span(parsed, start, start + len(name))
            if span:
                made.append((normalise_name(name), _context(parsed, *span)))
            start = parsed.text.find(name, start + len(name))
    return made
