"""A text as comparable parts: words with stems, names, sentences."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from askpapers.support.opposites import split_list
from askpapers.support.quantities import UNITS

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-") | {ord("’"): "'", ord("‘"): "'"}
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?|[%×]")
_CONTRACTION = re.compile(r"\b(can|could|do|does|did|is|are|was|were|has|have|had|wo|would|"
                          r"should|must|need)n't\b", re.IGNORECASE)  # fmt: skip
_TIMES = re.compile(r"\$?\s?\\times\s?\$?")
# "Yes: ..." answers a question; the statement is what follows.
_VERDICT_WORD = re.compile(r"^\s*(?:yes|no|not necessarily|partly|perhaps not alone)\s*[:,]\s+",
                           re.IGNORECASE)  # fmt: skip
_MARKS = re.compile(r"\[[\d\s,;]*\]")

STOPWORDS = frozenset(
    split_list(
        "a an the of in on for to and or is are was were be been being by with as at from "
        "that this these those it its their they we our us i he she his her them you your "
        "which who whom whose such into than then there here also can could may might "
        "will would shall should must do does did has have had having not no nor but if "
        "so while when where how what why both each other some any more most very just "
        "about over under between through during via per using used use however thus "
        "therefore hence moreover furthermore further additionally finally paper authors "
        "work study show shows shown propose proposed proposes present presented presents"
    )
)
"""Words that carry no claim of their own."""

_NAME = re.compile(
    r"(?<![\w.])(?:[A-Za-z][A-Za-z0-9]*(?:[-+./_][A-Za-z0-9]+)*\+*|\d+[A-Z][A-Za-z]*)"
)
_AMOUNT = re.compile(r"\d+[kKMBT]\Z")
_NAME_SHAPE = re.compile(r"[A-Z].*[A-Z]|[a-z].*[A-Z]|[A-Za-z].*\d|\d+[A-Z]")


@dataclass(frozen=True, slots=True)
class Word:
    """One token: as written, in lower case, its stem, and where it starts."""

    text: str
    lower: str
    stem: str
    start: int


def clean(text: str) -> str:
    """NFKC, plain dashes, no `[n]` marks, no leading "Yes:", contractions of "not" spelled out."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = text.replace("\\%", "%")
    text = _TIMES.sub("×", text)
    text = _VERDICT_WORD.sub("", text)
    text = _MARKS.sub(" ", text)
    return _CONTRACTION.sub(lambda m: ("will" if m[1] == "wo" else m[1]) + " not", text).replace(
        "cannot", "can not"
    )


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A crude stem of a lower-case word: endings cut, at least three letters kept."""
    for ending in ("ational", "ingly", "edly", "ations", "ation", "ments",
                   "ment", "ness", "ities", "ity", "ively", "ive", "ing", "ied", "ies", "ed",
                   "ers", "er", "est", "ely", "ly", "es", "s", "e", "y"):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "i" else word


def split_words(text: str) -> tuple[Word, ...]:
    """The words and numbers of a cleaned text, hyphens and punctuation dropped."""
    found = []
    for match in _WORD.finditer(text):
        lower = match[0].lower()
        found.append(
            Word(match[0], lower, stem(lower) if lower.isalpha() else lower, match.start())
        )
    return tuple(found)


_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|et al|vs|cf|approx|Fig|Eq|etc|Dr|Mr|Mrs|No|St)\.\s\Z")
_BOUNDARY = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\n+")


def split_sentences(text: str) -> list[str]:
    """Rough sentences of a text; enough for alignment, offsets are not kept."""
    pieces, start = [], 0
    for match in _BOUNDARY.finditer(text):
        if _ABBREVIATION.search(text[: match.end()]):
            continue
        pieces.append(text[start : match.end()].strip())
        start = match.end()
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def normalise_name(name: str) -> str:
    """A name without its joints, in lower case, plural s cut: "CIFAR-10" -> "cifar10"."""
    made = re.sub(r"[^a-z0-9+]", "", name.lower())
    return made[:-1] if len(made) > 3 and made.endswith("s") and name[-2:-1].isupper() else made


def find_names(text: str) -> tuple[str, ...]:
    """Acronyms, CamelCase, names with digits, and capitalised words inside a sentence."""
    found: list[str] = []
    for match in _NAME.finditer(text):
        word = match[0].rstrip(".-/_")
        before = text[: match.start()].rstrip(" \t\"'([")
        opens = not before or before[-1] in ".!?:\n"
        capital = word[0].isupper() and len(word) > 1 and not opens
        if word.lower() in STOPWORDS or word.lower() in UNITS or _AMOUNT.match(word):
            continue
        if _NAME_SHAPE.search(word) or capital:
            found.append(word)
    return tuple(dict.fromkeys(found))
