"""Says whether texts give the figure that a question asks for.

A question that asks how many prompts there are is not answered by texts without a figure beside
"prompts", one that asks for an accuracy not by texts without a share or a score, and that can be
read off the page. Texts whose figures are formulas or rates of growth are left to the reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|hundreds?"
    "|thousands?|millions?|billions?|dozens?|half|halves?|halved|twice|thrice|doubl\\w+|tripl\\w+"
    "|single|orders? of magnitude"
)
_FORMULA = r"\\?(?:\b(?:O|Omega|Theta|poly|log)|[ΩΘ])\s?\([^()]*\)|\$[^$]+\$"
_FIGURE = re.compile(
    rf"(?<![\w-])\d[\d.,]*(?:times|\w)?(?![\w-])|\b(?:{_NUMBER_WORDS})\b|{_FORMULA}",
    re.IGNORECASE,
)
"""A number by itself, or a formula; the one in "CIFAR-10" or "1x1" is part of a name. Abstracts
that lost their markup have "20times"."""
AUXILIARY = (
    "do|does|did|is|are|was|were|has|have|had|can|could|will|would|shall|should|must|may|might"
)
_SMALL = (
    f"{AUXILIARY}|of|in|for|on|per|from|to|with|at|by|under|over|between|into|than|that|when|if"
    "|the|a|an|it|its|you|i|we|they|and|or|each|as"
)
PHRASE = rf"(?:(?!(?:{_SMALL})\b)[\w/+'-]+\s+){{0,4}}?(?!(?:{_SMALL})\b)[\w/+'-]+"
PHRASE_END = rf"(?=\s+(?:{_SMALL})\b|\s*[?,.;:]|\s*$)"
_MEASURES = (
    "accuracy|accuracies|percentage|percent|number|rate|score|f1|bleu|rouge|map|auc|perplexity"
    "|error|size|factor|fraction|share|proportion|speed-?up|cost|throughput|latency|exponent"
    "|dimension|length|ratio|coefficient|temperature|width|depth"
)
_ASKS_FIGURE = re.compile(
    r"\bhow (?:many|fast|large|big|often|deep|far|high|small|few|old|accurate(?:ly)?)\b"
    r"|\bhow (?:much|long) (?!(?:is|must|should|can|could)\b)"
    rf"|\b(?:what|which) (?:(?!(?:{_SMALL})\b)[\w./+-]+ ){{0,4}}(?:{_MEASURES})\b"
    rf"|\bwhat (?:is|was|are|were) (?:the|its) (?:(?!(?:{_SMALL})\b)[\w./+-]+ ){{0,4}}"
    rf"(?:{_MEASURES})\b"
    r"|^\W*number of\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    rf"(?:^|[:;,?]\s)\W*(?:\w+ )?how many (?P<what>{PHRASE}){PHRASE_END}", re.IGNORECASE
)
_UNCOUNTABLE = frozenset(("percent", "percentage", "point", "time", "fold"))
_NEAR_WORDS = 6

_SHARES = (
    r"accurac(?:y|ies)|percentage|percent|f1(?:[- ]score)?|f-score|bleu(?: score)?|rouge(?:-\w)?"
    r"|auc|auroc|wer|(?:error|success|win|hit|recall|refusal) rate|test error|recall|perplexity"
    r"|share|fraction|proportion|score"
)
_FORMULAS = (
    r"\$[^$]+\$|[OΘΩ]\s?\(|\\(?:alpha|epsilon|Theta)|\b(?:half|third|quarter|(?:sub)?logarithmic\w*"
    r"|exponential\w*|polynomial\w*|linearly|zero|constant|chance|no loss|without loss)\b"
)
_GROWTH = re.compile(
    r"\b(?:(?:poly)?log(?:arithmic\w*)?|quadratic\w*|cubic\w*|exponential\w*|polynomial\w*"
    r"|(?:sub|super|near-?)?-?linear\w*|infinit\w*|few|constant|zero|none|slow(?:er|ly)?|little"
    r"|degradation|finite|every|all|rounds?|independent|square[- ]root|tiny|degree|grows?"
    r"|depends?)\b|fold\b",
    re.IGNORECASE,
)
# What a question wants, how it asks for that, and what a text that may give it holds.
_KINDS = (
    (
        "a share or a score",
        rf"\b(?:what|which|how high an?|how (?:large|big|high) (?:is|was|were)) "
        rf"(?:(?:is|was|are|were) )?(?:the |its |their )?"
        rf"(?:(?!(?:{_SMALL})\b)[\w./@+'’-]+ ){{0,4}}?(?:{_SHARES})(?! (?:is|are|was|were) used)\b"
        r"|\bhow accurate(?:ly)? (?:is|was|does|do|did|are|can)\b|\bby how (?:many percent|much)\b",
        r"\d\s?(?:\\?%|percent)|\.\d|\bpercent|\bpoints?\b|100|\b\d{2}\b|times\b|fold\b|\d ?[x×]"
        rf"|magnitude|\bperfect|human-level|\d (?:cm|mm|ms|s|m|pixels?|degrees?)\b|{_FORMULAS}",
    ),
    (
        "a time",
        r"\bhow long (?:does|did|do|is|was|were|are|can|will)\b"
        r"|\bhow (?:many|much) (?:hours|days|minutes|seconds|weeks|time)\b"
        r"|\bwhat (?:is|was) the (?:training|inference|running|run|computation) time\b",
        r"\b(?:hours?|days?|minutes?|seconds?|weeks?|months?|years?|ms|milliseconds?|microseconds?"
        r"|real[- ]time|faster|speed|times?|episodes?|steps?|iterations?|epochs?|frames?|tokens?"
        r"|lengths?|long)\b|O\(|\d ?(?:s|h|ms|min)\b|\$[^$]+\$",
    ),
    (
        "an amount of memory",
        r"\bhow much (?:memory|ram|storage|disk)\b",
        r"\b\d[\d.]*\s?(?:[KMGT]i?B|bytes?|bits?|%|x|×)|fold|times|percent|half|fraction|O\("
        r"|linear|constant|quadratic|log|\$",
    ),
)
_ASKS_KIND = tuple(
    (name, re.compile(asks, re.IGNORECASE), re.compile(given, re.IGNORECASE))
    for name, asks, given in _KINDS
)


def asks_figure(question: str) -> bool:
    """Tell whether a question asks for a figure."""
    return _ASKS_FIGURE.search(question) is not None


def lacks_figure(question: str, shown: Sequence[str]) -> bool:
    """Tell whether a figure is asked for and the evidence holds none but the question's own."""
    if not asks_figure(question):
        return False
    known = {figure.lower().strip(".,") for figure in _FIGURE.findall(question)}
    found = {figure.lower().strip(".,") for text in shown for figure in _FIGURE.findall(text)}
    return not found - known


def find_uncounted(question: str, sentences: Sequence[str]) -> str | None:
    """Return what the question asks the number of ("prompts") where no sentence counts it.

    A figure within a few words of the counted noun counts it, whether 4,600 or "four". What is
    measured rather than counted (percent, times) is not looked for. Of the questions of
    abstractqa (train and dev), 25% of the unanswerable ones and 0.2% of the others ask for a
    number that their abstract does not give.
    """
    match = _COUNTED.search(question)
    words = _WORD.findall(match["what"]) if match else []
    plurals = [word for word in words if _singular(word) != word.lower()]
    if not plurals or _singular(plurals[-1]) in _UNCOUNTABLE:
        return None
    counted = _singular(plurals[-1])
    for sentence in sentences:
        for figure in _FIGURE.finditer(sentence):
            after = _WORD.findall(sentence[figure.end() :])[:_NEAR_WORDS]
            before = _WORD.findall(sentence[: figure.start()])[-_NEAR_WORDS:]
            if counted in map(_singular, (*before, *after)):
                return None
    return plurals[-1]


def find_unmeasured(question: str, texts: Sequence[str]) -> str | None:
    """Return the kind of figure that a question asks for where no text gives one of it.

    Of the questions of abstractqa (train and dev) whose abstract names and counts what they do, 20%
    of the unanswerable ones and 0.1% of the others ask for such a figure; of those that were
    written for this project 13% and 0.1%.
    """
    for name, asks, given in _ASKS_KIND:
        if asks.search(question):
            return None if any(given.search(text) for text in texts) else name
    if not lacks_figure(question, texts) or any(_GROWTH.search(text) for text in texts):
        return None
    return "such a figure"


def _singular(word: str) -> str:
    word = word.lower()
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
