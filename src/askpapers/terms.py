"""Turns text into the terms that BM25 counts: words, numbers, units and names, however printed.

`\\ell_1`, `$L_1$`, `ℓ1` and `L1` are one term; so are `fine-tuning` and `finetuning`, `1,024` and
`1024`, `7 billion` and `7B`. Terms are lower-case and not yet stemmed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

_STOP_WORDS = (
    "a an and any are as at be been being but by can could did do does doing for from had has have "
    "having he her here his how i if in into is it its just may me might more most my no nor of on "
    "or our out over own s same she should so some such t than that the their them then there "
    "these they this those through to too very was we were what when where which while who whom "
    "why will with would you your"
)
_STOP = frozenset(_STOP_WORDS.split())
_GREEK = {
    chr(code): unicodedata.name(chr(code)).rsplit(" ", 1)[-1].lower()
    for code in range(0x3B1, 0x3CA)
    if code != 0x3C2
}
_SCALES = {"thousand": "k", "million": "m", "billion": "b", "trillion": "t"}
_UNIT_WORDS = "k m b t x ms s min h hz khz mhz ghz kb mb gb tb db bit bits fps nm mm cm km"
_UNITS = frozenset(_UNIT_WORDS.split())
_MATH_ALPHABETS = re.compile(r"\\(?:mathcal|mathbb|mathrm|mathbf|text|textbf|textit|emph|mathsf)\b")
_SUBSCRIPT = re.compile(r"\b(l|ell)\s*_?\s*\{?\s*(\d+|infinity|infty|p|q)\b\}?")
_RUN = re.compile(r"[^\W_]+(?:[.,'\-_/+][^\W_]+)*[%+]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def normalise(text: str) -> str:
    """Lower-case, without accents, LaTeX dressing or typographic dashes."""
    text = unicodedata.normalize("NFKD", text.replace("ℓ", "l").replace("∞", "infinity"))
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    text = re.sub("[‐‑‒–—−]", "-", text).replace("’", "'")
    for letter, name in _GREEK.items():
        if letter in text:
            text = text.replace(letter, f" {name} ")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = _MATH_ALPHABETS.sub(" ", text).replace("$", " ").replace("\\", " ")
    text = _SUBSCRIPT.sub(
        lambda m: "l" + m[2].replace("infinity", "inf").replace("infty", "inf"), text
    )
    return re.sub(r"[{}]|(?<=\w)\^(?=\w)", " ", text)


def find_terms(text: str) -> list[str]:
    """List the terms of a text in order, stop words left out.

    A compound gives its parts and the parts joined ("gpt-4" gives gpt, 4, gpt4); a number with a
    unit gives both and the two joined ("100 ms" gives 100, ms, 100ms).
    """
    terms: list[str] = []
    before = ""
    for match in _RUN.finditer(normalise(text)):
        run = match[0]
        parts = [part for part in _split(run) if part]
        terms += [part for part in parts if part not in _STOP]
        joined = "".join(parts)
        if len(parts) > 1:
            terms.append(joined)
        unit = _SCALES.get(run, run)
        if before and (unit in _UNITS or run in _SCALES):
            terms.append(before + unit)
        before = parts[0] if len(parts) == 1 and _NUMBER.fullmatch(parts[0]) else ""
    return terms


def find_pairs(terms: Iterable[str]) -> list[str]:
    """Join neighbouring alphabetic terms: "fine tuning" may be printed "finetuning"."""
    words = list(terms)
    return [a + b for a, b in pairwise(words) if a.isalpha() and b.isalpha()]


def _split(run: str) -> list[str]:
    """Split a run at punctuation; a decimal point between digits stays."""
    pieces = re.split(r"[,\-_/+']|\.(?!\d)|(?<!\d)\.", run.removesuffix("'s"))
    parts = [piece.strip("%") for piece in pieces if piece.strip("%")]
    return [*parts, "percent"] if run.endswith("%") and parts else parts
