"""Turns a true sentence into a false one by one small change, each of a named kind.

Every function takes a sentence and a random source and returns the changed sentence, or None when
there is nothing of its kind to change. The kinds are those the judge is measured on: number, unit,
negation, direction, entity, role (who did what to whom), quantity words, and additions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from askpapers.support.opposites import OPPOSITES, inflect, split_list
from askpapers.support.wording import find_names

_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?![\w]*[-][A-Za-z]{4})")
_COUNT_WORDS = split_list("two three four five six seven eight nine ten twelve twenty")
_COUNT = re.compile(r"\b(" + "|".join(_COUNT_WORDS) + r")\b", re.IGNORECASE)

_UNIT_SWAPS = {
    "%": (" points", "x", " dB"), "percent": ("points", "percent more", "dB"), "ms": ("s", "us"),
    "milliseconds": ("seconds", "minutes"), "seconds": ("minutes", "milliseconds", "hours"),
    "second": ("minute", "hour"), "s": ("ms", "min"), "minutes": ("seconds", "hours"),
    "minute": ("second", "hour"), "hours": ("minutes", "days", "weeks"), "hour": ("minute", "day"),
    "days": ("hours", "weeks", "months"), "day": ("week", "hour"), "weeks": ("days", "months"),
    "months": ("years", "weeks"), "years": ("months", "decades"), "year": ("month", "decade"),
    "GB": ("MB", "TB"), "MB": ("GB", "KB"), "TB": ("GB", "MB"), "KB": ("MB", "GB"),
    "k": ("M", "B"), "K": ("M", "B"), "M": ("B", "K"), "B": ("M", "K"), "x": ("%", " points"),
    "×": ("%", " points"), "times": ("percent", "points"), "million": ("billion", "thousand"),
    "billion": ("million", "trillion"), "thousand": ("million", "hundred"),
    "trillion": ("billion", "million"), "points": ("times", "dB"), "point": ("percent", "dB"),
    "mm": ("cm", "m"), "cm": ("mm", "m"), "m": ("cm", "km"), "km": ("m", "cm"),
    "meters": ("kilometers", "centimeters"), "kg": ("g", "mg"), "mg": ("g", "kg"),
    "dB": ("%", " Hz"), "Hz": ("kHz", "MHz"), "kHz": ("Hz", "MHz"), "MHz": ("GHz", "kHz"),
    "FPS": ("ms", "Hz"), "fps": ("ms", "Hz"), "bits": ("bytes", "layers"),
    "bit": ("byte", "layer"), "tokens": ("words", "characters", "bytes"),
    "parameters": ("tokens", "layers"), "layers": ("heads", "neurons", "epochs"),
    "epochs": ("hours", "steps"), "GPUs": ("CPUs", "TPUs", "GPU hours"),
    "GPU": ("CPU", "TPU"), "images": ("videos", "pixels"), "samples": ("classes", "features"),
    "degrees": ("radians", "meters"), "iterations": ("epochs", "seconds"),
}  # fmt: skip
_UNIT = re.compile(
    r"(?P<number>(?<![\w.])\d[\d,.]*\d|(?<![\w.])\d)(?P<gap>[\s-]?)(?P<unit>"
    + "|".join(sorted(map(re.escape, _UNIT_SWAPS), key=len, reverse=True))
    + r")(?![A-Za-z0-9])"
)

_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|could|may|might|should|will|would|has|have|had|does|do|did|must)\b"
    r"(?!\s+(?:not|no|n't|also not))",
    re.IGNORECASE,
)
_VERBS = split_list(
    "improve outperform achieve reduce show require provide introduce propose enable "
    "allow use learn demonstrate yield generalize lead increase decrease depend help "
    "perform need support exploit address capture preserve converge guarantee ensure "
    "handle employ exceed surpass match offer produce generate predict combine rely "
    "include consist contain apply operate work exhibit suffer incorporate integrate "
    "extend transfer scale maintain remain retain eliminate remove avoid prevent "
    "outdo beat encode map focus model adapt select optimize optimise minimize "
    "maximize find prove establish estimate obtain admit satisfy hold affect "
    "influence contribute benefit benefits track detect recover identify leverage "
    "utilize treat present assign compute train speed accelerate run cover describe "
    "develop give make take"
)
# Their third persons are plural nouns more often.
_NOUNS = {"models", "estimates", "benefits", "focuses", "needs", "supports", "works", "covers"}
_THIRD = {inflect(verb)[1]: verb for verb in _VERBS if inflect(verb)[1] not in _NOUNS}
_PAST = {inflect(verb)[2]: verb for verb in _VERBS}
_FINITE = re.compile(r"\b(" + "|".join(sorted({*_THIRD, *_PAST}, key=len, reverse=True)) + r")\b")
_BASE_AFTER_SUBJECT = re.compile(
    r"\b(we|they|models|methods|networks|results|algorithms|approaches|authors|techniques|which|"
    r"that|experiments|agents|policies|systems|transformers)\s(" + "|".join(_VERBS) + r")\b"
)
_DROPS = (
    (re.compile(r"\b(is|are|was|were|can|could|may|might|should|will|would|has|have|had|must)"
                r"(?:\s+not\b|n't\b)"), r"\1"),
    (re.compile(r"\b(?:does|do|did) not\s+"), ""),
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"\bwithout\b"), "with"),
    (re.compile(r"\bno\s+(?=[a-z])"), ""),
    (re.compile(r"\bfails? to\s+"), ""),
    (re.compile(r"\bunable to\b"), "able to"),
    (re.compile(r"\bnever\s+"), ""),
    (re.compile(r"\bnot\s+(?!only)"), ""),
    (re.compile(r"\black(?:s|ing)?\s+"), "has "),
)  # fmt: skip

_QUANTIFIERS = {
    "all": ("some", "few", "no"), "some": ("all", "no"), "most": ("few", "all"),
    "many": ("few", "all"), "several": ("all", "two"), "few": ("many", "most"),
    "both": ("neither", "one of the"), "every": ("almost no", "one"), "each": ("only one",),
    "only": ("not only", "mostly"), "always": ("sometimes", "rarely"),
    "often": ("always", "rarely"),
    "may": ("must", "will"), "can": ("always", "must"), "might": ("will",), "could": ("must",),
    "usually": ("always", "rarely"), "typically": ("never", "always"), "significantly": ("barely",),
    "any": ("only a specific",), "mostly": ("exclusively",), "generally": ("never",),
    "at least": ("at most",), "at most": ("at least",), "up to": ("at least", "only"),
    "more than": ("less than", "fewer than"), "less than": ("more than",), "fewer": ("more",),
    "nearly": ("more than",), "about": ("exactly twice",), "first": ("second", "latest"),
    "and": ("instead of", "but not"), "or": ("but not",), "also": ("only",),
}  # fmt: skip
_QUANTIFIER = re.compile(
    r"\b(" + "|".join(sorted(_QUANTIFIERS, key=len, reverse=True)) + r")\b", re.IGNORECASE
)

_SIDE = r"(?:[\w-]+\s){0,3}[\w-]+"
_SHORT_SIDE = r"(?:[\w-]+\s){0,3}?[\w-]+"
_ROLES = (
    re.compile(
        rf"\b(?P<head>from)\s(?P<a>{_SHORT_SIDE})\s(?P<mid>to|into)\s(?P<b>{_SHORT_SIDE})(?=[,.;]|$)"
    ),
    re.compile(
        rf"(?P<a>\b{_SIDE})\s(?P<mid>(?:significantly\s|consistently\s|substantially\s)?"
        r"(?:outperforms?|outperformed|surpass(?:es|ed)?|exceed(?:s|ed)?|beats?|is better than|"
        r"are better than|is faster than|dominates?|precedes?|subsumes?|generalizes?|extends?|"
        rf"replaces?|causes?))\s(?P<b>{_SHORT_SIDE})(?=\s(?:on|in|by|with|for|at|when|and|while)\b|[,.;]|$)"
    ),
    re.compile(
        r"(?P<a>\b[\w-]+(?:\s[\w-]+)?)\s(?P<mid>rather than|instead of|as opposed to|but not)\s"
        r"(?P<b>[\w-]+(?:\s[\w-]+)?)"
    ),
    re.compile(r"\b(?P<head>between|both)\s(?P<a>[\w-]+)\s(?P<mid>but not|over)\s(?P<b>[\w-]+)"),
)

_ADDITIONS = (
    "in less than a day", "on a single GPU", "on ImageNet", "without any training",
    "for the first time", "by a large margin", "in the real world", "on mobile devices",
    "with human-level accuracy", "in only a few lines of code", "at no extra cost",
    "under all conditions", "at twice the speed", "for every dataset tested",
    "even with noisy labels", "on several public benchmarks", "in low-resource languages",
    "without human supervision", "in clinical practice", "with provable guarantees",
    "for autonomous driving", "in zero-shot settings", "using reinforcement learning",
    "with a transformer", "compared with human experts", "in medical imaging",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Corruption:
    """A changed sentence and the kind of change."""

    text: str
    kind: str


def _keep_case(old: str, new: str) -> str:
    return new[0].upper() + new[1:] if old[:1].isupper() and new else new


def corrupt_number(text: str, rng: random.Random) -> str | None:
    """Change one number: drop the decimal point, change a digit, shift, or swap two numbers."""
    matches = [
        m for m in _NUMBER.finditer(text) if not re.search(r"[A-Za-z]-?\Z", text[: m.start()])
    ]
    counts = list(_COUNT.finditer(text))
    if not matches and not counts:
        return None
    distinct = {m[0] for m in matches}
    if len(distinct) > 1 and rng.random() < 0.2:
        one, other = rng.sample(sorted(distinct), 2)
        swap = {one: other, other: one}
        return _NUMBER.sub(lambda m: swap.get(m[0], m[0]), text)
    match = rng.choice([*matches, *counts])
    old = match[0]
    if not old[0].isdigit():
        new = _keep_case(old, rng.choice([w for w in _COUNT_WORDS if w != old.lower()]))
    else:
        new = _change_digits(old, rng)
    return text[: match.start()] + new + text[match.end() :]


def _change_digits(old: str, rng: random.Random) -> str:
    choices = []
    if "." in old:
        choices.append(old.replace(".", ""))
        whole, _, part = old.rpartition(".")
        choices.append(f"{whole}.{(int(part) + rng.randint(1, 8)) % 10 ** len(part):0{len(part)}d}")
    position = rng.randrange(len(old))
    while not old[position].isdigit():
        position = rng.randrange(len(old))
    digit = str((int(old[position]) + rng.randint(1, 8)) % 10)
    if position == 0 and digit == "0":
        digit = "9"
    choices.append(old[:position] + digit + old[position + 1 :])
    if "." not in old and "," not in old:
        choices.append(old + "0")
    if "," not in old:
        value = float(old)
        scaled = value * rng.choice([0.5, 0.7, 1.2, 1.5, 2, 3])
        choices.append(f"{scaled:.{len(old.partition('.')[2])}f}")
    value = float(old.replace(",", ""))
    changed = [choice for choice in choices if float(choice.replace(",", "")) != value]
    return rng.choice(changed) if changed else f"{old}1"


def corrupt_unit(text: str, rng: random.Random) -> str | None:
    """Exchange the unit behind a number."""
    matches = list(_UNIT.finditer(text))
    if not matches:
        return None
    match = rng.choice(matches)
    new = rng.choice(_UNIT_SWAPS[match["unit"]])
    gap = match["gap"]
    if not gap and len(new) > 2 and not new.startswith(" "):
        gap = " "
    return text[: match.start("gap")] + (gap + new).replace("  ", " ") + text[match.end() :]


def corrupt_negation(text: str, rng: random.Random) -> str | None:
    """Drop a negation, or deny the sentence's verb."""
    drops = [(pattern, new) for pattern, new in _DROPS if pattern.search(text)]
    if drops and rng.random() < 0.7:
        pattern, new = rng.choice(drops)
        return pattern.sub(new, text, count=1)
    options: list[tuple[int, int, str]] = []
    for match in _AUXILIARY.finditer(text):
        options.append((match.end(), match.end(), " not"))
    for match in _FINITE.finditer(text):
        base = _THIRD.get(match[0])
        if base:
            options.append((match.start(), match.end(), f"does not {base}"))
    for match in _BASE_AFTER_SUBJECT.finditer(text):
        options.append((match.start(2), match.end(2), f"do not {match[2]}"))
    if " with " in text:
        start = text.index(" with ")
        options.append((start, start + 6, " without "))
    if not options:
        return None
    start, end, new = rng.choice(options[:4])
    return text[:start] + new + text[end:]


def corrupt_direction(text: str, rng: random.Random) -> str | None:
    """Exchange one word for its opposite."""
    matches = [m for m in re.finditer(r"[A-Za-z]+(?:-[a-z]+)?", text) if m[0].lower() in OPPOSITES]
    if not matches:
        return None
    match = rng.choice(matches)
    new = rng.choice(OPPOSITES[match[0].lower()])
    return text[: match.start()] + _keep_case(match[0], new) + text[match.end() :]


def corrupt_quantifier(text: str, rng: random.Random) -> str | None:
    """Exchange a quantifier, a hedge or a conjunction."""
    matches = [m for m in _QUANTIFIER.finditer(text) if m[0].lower() not in {"and", "or"}]
    if not matches or rng.random() < 0.15:
        matches = list(_QUANTIFIER.finditer(text))
    if not matches:
        return None
    match = rng.choice(matches)
    new = _keep_case(match[0], rng.choice(_QUANTIFIERS[match[0].lower()]))
    return text[: match.start()] + new + text[match.end() :]


def corrupt_role(text: str, rng: random.Random) -> str | None:
    """Exchange the two sides of a comparison or a transfer ("A outperforms B")."""
    matches = [m for pattern in _ROLES if (m := pattern.search(text)) and m["a"] != m["b"]]
    if not matches:
        return None
    match = rng.choice(matches)
    a, b = match["a"], match["b"]
    first = _keep_case(a, b)
    second = a if find_names("x " + a) else a[0].lower() + a[1:]
    return (
        text[: match.start("a")] + first + text[match.end("a") : match.start("b")]
        + second + text[match.end("b") :]
    )  # fmt: skip


def corrupt_entity(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """Exchange a name for one of `names` (of other papers, or others of the same text)."""
    own = find_names(text)
    others = [name for name in names if name not in own and name.lower() not in text.lower()]
    if not own or (not others and len(own) < 2):
        return None
    old = rng.choice(own)
    if len(own) > 1 and (not others or rng.random() < 0.25):
        other = rng.choice([name for name in own if name != old])
        swap = {old: other, other: old}
        pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, sorted(swap, key=len,
                             reverse=True))) + r")(?!\w)")  # fmt: skip
        return pattern.sub(lambda m: swap[m[0]], text)
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: rng.choice(others), text)


def corrupt_addition(text: str, rng: random.Random, tails: Sequence[str]) -> str | None:
    """Append a statement that nothing supports: a stock phrase or the tail of another sentence."""
    body = text.rstrip(" .")
    if tails and rng.random() < 0.6:
        joint = rng.choice([", and ", ", while ", ", which ", " because ", " and "])
        tail = rng.choice(tails).rstrip(" .")
        return f"{body}{joint}{tail[0].lower() + tail[1:]}."
    return f"{body} {rng.choice(_ADDITIONS)}."


def make_corruptions(
    text: str,
    rng: random.Random,
    *,
    names: Sequence[str] = (),
    tails: Sequence[str] = (),
) -> list[Corruption]:
    """One corruption of every kind that the sentence allows, in a fixed order of kinds."""
    makers: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("number", lambda: corrupt_number(text, rng)),
        ("unit", lambda: corrupt_unit(text, rng)),
        ("negation", lambda: corrupt_negation(text, rng)),
        ("direction", lambda: corrupt_direction(text, rng)),
        ("entity", lambda: corrupt_entity(text, rng, names)),
        ("role", lambda: corrupt_role(text, rng)),
        ("quantifier", lambda: corrupt_quantifier(text, rng)),
        ("addition", lambda: corrupt_addition(text, rng, tails)),
    )
    made = []
    for kind, maker in makers:
        changed = maker()
        if changed and changed.strip() != text.strip():
            made.append(Corruption(changed, kind))
    return made
