"""Numbers of a text by value, with their units.

Numbers are compared by value, never as strings inside strings: "21" is not "2.1" and "1,000" is
"1000".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from askpapers.support.opposites import split_list

_NUMBER_WORDS = {
    word: Decimal(value)
    for value, word in enumerate(
        split_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
    )
} | {word: Decimal(30 + 10 * step) for step, word in enumerate(
    split_list(
    "thirty forty fifty sixty seventy eighty ninety"
))} | {"dozen": Decimal(12)}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9,
           "trillion": 10**12}  # fmt: skip
_SUFFIXES = {"k": 1_000, "K": 1_000, "M": 10**6, "B": 10**9, "T": 10**12}
_FACTORS: dict[str, int | Decimal] = {
    **dict.fromkeys(("twice", "double", "doubles", "doubled", "doubling", "twofold"), 2),
    **dict.fromkeys(("triple", "triples", "tripled", "threefold"), 3),
    "fourfold": 4,
    "fivefold": 5,
    "tenfold": 10,
    **dict.fromkeys(("half", "halves", "halved", "halving"), Decimal("0.5")),
}

_UNIT_FORMS = {
    "%": "% percent percentage pct percents",
    "points": "point points pp",
    "x": "x × times fold -fold",
    "ms": "ms millisecond milliseconds msec",
    "us": "µs μs microsecond microseconds",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
    "KB": "kb kib kilobyte kilobytes",
    "MB": "mb mib megabyte megabytes",
    "GB": "gb gib gigabyte gigabytes",
    "TB": "tb tib terabyte terabytes",
    "bit": "bit bits",
    "byte": "byte bytes",
    "nm": "nm nanometer nanometers nanometre nanometres",
    "um": "µm μm micron microns micrometer micrometers",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "mg": "mg milligram milligrams",
    "g": "g gram grams",
    "kg": "kg kilogram kilograms",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "l": "l liter liters litre litres",
    "hz": "hz hertz",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "db": "db decibel decibels",
    "fps": "fps",
    "w": "w watt watts",
    "kw": "kw kilowatt kilowatts",
    "v": "v volt volts",
    "degree": "degree degrees °",
    "radian": "radian radians rad",
    "decade": "decade decades",
    "usd": "$ dollar dollars usd",
    "eur": "€ euro euros eur",
    "token": "token tokens",
    "parameter": "parameter parameters param params",
    "layer": "layer layers",
    "epoch": "epoch epochs",
    "iteration": "iteration iterations",
    "step": "step steps",
    "bp": "bp kb/s",
}
UNITS = {form: unit for unit, forms in _UNIT_FORMS.items() for form in forms.split()}
"""Lower-case written form -> unit."""

_QUANTITY = re.compile(
    r"(?P<currency>[$€]\s?)?(?<![\w.])(?P<sign>(?<![\w)\]])-)?"
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:(?P<suffix>[kKMBT])(?![A-Za-z0-9])|\s?(?P<scale>hundred|thousand|million|billion|trillion)"
    r"s?\b)?"
    r"(?P<tail>\s?%|\s?[x×](?![A-Za-z])|[-\s]?(?:fold|times)\b|[-\s]?[A-Za-zµμ°]+)?"
)
_NUMBER_WORD = re.compile(
    r"\b(?P<word>" + "|".join(_NUMBER_WORDS) + r")(?:[-\s](?P<second>one|two|three|four|five|six|"
    r"seven|eight|nine))?(?:\s(?P<scale>hundred|thousand|million|billion|trillion))?\b"
    r"(?P<tail>\s?%|[-\s]?(?:fold|times)\b|[-\s][A-Za-z]+)?",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s*(?:-|to|and|or)\s*\Z")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number by value with its unit ("" when none was recognised) and the noun behind it."""

    value: Decimal
    unit: str
    noun: str
    start: int
    end: int
    text: str


def _unit_of(tail: str | None) -> tuple[str, str]:
    word = (tail or "").strip(" -")
    unit = UNITS.get(word.lower(), "")
    # A capital letter behind a number is a name or a symbol more often than metres or grams.
    if len(word) == 1 and word.isupper() and unit not in {"x", "s"}:
        unit = ""
    return unit, "" if unit else word.lower()


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:  # pragma: no cover - the pattern only lets numbers through
        return Decimal(0)


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Numbers of a cleaned text in order; digits inside names ("CIFAR-10", "3D") are left out.

    "one" is read as a pronoun unless a unit or a scale follows. A range shares its unit
    ("5 to 7%").
    """
    found: list[Quantity] = []
    for match in _QUANTITY.finditer(text):
        before = text[: match.start("number")]
        if re.search(r"[A-Za-z][-_]?\Z", before) and not match["currency"]:
            continue
        tail = match["tail"] or ""
        glued = tail[:1].isalpha() and tail[:1] not in "x×"
        unit, noun = _unit_of(tail)
        if glued and not unit:
            if re.match(r"(?:st|nd|rd|th)\b", tail):
                noun = "ordinal"
            else:
                continue
        value = _decimal(match["number"])
        value *= _SUFFIXES.get(match["suffix"] or "", 1) * _SCALES.get(match["scale"] or "", 1)
        if match["sign"]:
            value = -value
        if match["currency"]:
            unit = UNITS[match["currency"].strip()]
        end = match.end() if unit or not tail else match.start("tail")
        found.append(Quantity(value, unit, noun, match.start(), end, text[match.start() : end]))
    for match in _NUMBER_WORD.finditer(text):
        value = _NUMBER_WORDS[match["word"].lower()]
        if match["second"] and value >= 20:
            value += _NUMBER_WORDS[match["second"].lower()]
        unit, noun = _unit_of(match["tail"])
        if match["scale"]:
            value *= _SCALES[match["scale"].lower()]
        elif match["word"].lower() in {"one", "zero"} and not unit:
            continue
        end = match.end() if unit or not match["tail"] else match.start("tail")
        found.append(Quantity(value, unit, noun, match.start(), end, text[match.start() : end]))
    for match in re.finditer(r"\b(?:" + "|".join(_FACTORS) + r")\b", text, re.IGNORECASE):
        factor = Decimal(_FACTORS[match[0].lower()])
        found.append(Quantity(factor, "x", "", match.start(), match.end(), match[0]))
    found.sort(key=lambda quantity: quantity.start)
    for index in range(len(found) - 1, 0, -1):
        left, right = found[index - 1], found[index]
        if right.unit and not left.unit and _RANGE.match(text[left.end : right.start]):
            found[index - 1] = Quantity(left.value, right.unit, "", left.start, left.end, left.text)
    return tuple(found)
