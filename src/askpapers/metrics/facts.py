"""The normal form of text in which facts are compared, and key-fact recall.

"1,000", "1000" and "one thousand" are the same number, "98 %", "98%" and "98 percent" the same
share, "2x", "2×", "two times" and "twofold" the same factor; but "21" is not "2.1", "7B" is not
"7", and a number is never a part of another number.
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: 20 + 10 * step for step, word in enumerate(_TENS.split())
}
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
    "trillion": 1_000_000_000_000,
}
# Glued to the number, "m" is metres more often than millions, so only the capital counts.
_SUFFIXES = {"k": 1_000, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000, "T": 1_000_000_000_000}

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]*\d)")
_TOKEN = re.compile(
    r"(?P<number>(?:(?<![\w.)\]])-)?(?:\d+(?:\.\d+)?|(?<!\d)\.\d+))"
    r"(?:(?P<suffix>[kKMBT])(?![A-Za-z0-9])|(?P<times>[x×])(?![A-Za-z0-9]))?"
    r"|(?P<percent>%|\bper ?cent\b)"
    r"|(?P<word>[^\W\d_]+)"
)
_NUMBER_WORD = re.compile(r"-?\d+(?:\.\d+)?\Z")
_FOLD = re.compile(r"([a-z]+)fold\Z")


def _canonical(number: Decimal) -> str:
    text = format(number.normalize(), "f")
    return "0" if text in {"-0", "0"} else text


def _singular(word: str) -> str:
    """Without a plural s; both sides are treated alike, so a wrong guess does no harm."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _split(text: str) -> list[str]:
    """Raw tokens: canonical digits, "%", "x" (times) and lower-case words."""
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = _GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["number"]:
            value = Decimal(match["number"])
            if match["suffix"]:
                value *= _SUFFIXES[match["suffix"]]
            tokens.append(_canonical(value))
            if match["times"]:
                tokens.append("x")
        elif match["percent"]:
            tokens.append("%")
        else:
            word = match["word"].lower()
            fold = _FOLD.match(word)
            if word == "fold" and tokens and is_number(tokens[-1]):
                tokens.append("x")
            elif fold and fold[1] in _WORDS:
                tokens += [str(_WORDS[fold[1]]), "x"]
            elif word == "twice":
                tokens += ["2", "x"]
            else:
                tokens.append(word)
    return tokens


def is_number(token: str) -> bool:
    """Whether a token of the normal form is a number."""
    return _NUMBER_WORD.match(token) is not None


def normalise(text: str) -> tuple[str, ...]:
    """The text as comparable tokens: numbers canonical, words lower-case and singular.

    Args:
        text: Any text; marks, punctuation and white space are dropped.

    Returns:
        Tokens in order. Numbers are decimal digits without padding ("0.5", "-3", "1500000").
    """
    tokens = _split(text)
    made: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        value = Decimal(token) if is_number(token) else None
        # "two" is a number word; "twenty five" and "twenty-five" are one number.
        if value is None and token in _WORDS:
            value = Decimal(_WORDS[token])
            following = tokens[index + 1] if index + 1 < len(tokens) else ""
            if value >= 20 and 1 <= _WORDS.get(following, 0) <= 9:
                value += _WORDS[following]
                index += 1
        if value is None:
            made.append(_singular(token))
            index += 1
            continue
        while index + 1 < len(tokens) and tokens[index + 1] in _SCALES:
            value *= _SCALES[tokens[index + 1]]
            index += 1
        made.append(_canonical(value))
        if index + 1 < len(tokens) and tokens[index + 1] == "times":
            made.append("x")
            index += 1
        index += 1
    return tuple(made)


def find_numbers(text: str) -> frozenset[str]:
    """All numbers of a text in canonical form, without those that are part of a mark `[n]`."""
    return frozenset(filter(is_number, normalise(re.sub(r"\[[\d\s,;]*\]", " ", text))))


def is_stated(fact: str, text: str) -> bool:
    """Whether one of the alternatives of a fact ("77|seventy-seven") stands in the text.

    An alternative stands in the text when its tokens follow each other there.
    """
    tokens = normalise(text)
    for alternative in fact.split("|"):
        wanted = normalise(alternative)
        width = len(wanted)
        if width and any(
            tokens[start : start + width] == wanted for start in range(len(tokens) - width + 1)
        ):
            return True
    return False


def key_fact_recall(text: str, facts: Sequence[str]) -> float | None:
    """Share of the key facts that the text states; `None` for a case without key facts.

    Source: the recall of nuggets, Voorhees, "Overview of the TREC 2003 Question Answering Track",
    section 3, with matching by normalised strings instead of an assessor.
    """
    if not facts:
        return None
    return sum(is_stated(fact, text) for fact in facts) / len(facts)
