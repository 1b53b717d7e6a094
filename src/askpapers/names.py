"""Says whether texts mention the names in a question, and name what a question wants named.

What a question is about has a name that its abstract mentions; "which datasets" is not answered
by an abstract that names none. Both can be read off the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from askpapers.support.wording import stem

_WORD = re.compile(r"\w+")
_NAME = re.compile(
    r"(?<!\b[Mm]y )(?<!\b[Oo]ur )\b(?:[A-Z][A-Za-z]+-\d+[A-Za-z]{0,2}"
    r"|\w*[A-Z]\w*[A-Z]\w*|\w*[A-Z]\w*\d\w*|\w*\d\w*[A-Z]\w*)\b"
    r"(?!-(?:like|style|type)\b)"
)
_LONG_NAME = re.compile(
    r"(?<!^)(?<![.?!:\"] )\b(?!(?:(?:South|North|East|West|Central|Middle|Latin)(?:ern|east|west)?"
    r"|Monte)\b)[A-Z][a-z]+(?: (?:(?:of|in|for|on|the) )?[A-Z][a-z]+)+\b(?!-(?:like|style|type)\b)"
)
"""Capitalised words inside a sentence; "South Asian" and "Monte Carlo" name nothing of the kind."""
_AMOUNT = re.compile(r"\d[\d.]*[A-Za-z]{1,2}")
"""An amount with its unit ("30B", "96K", "9000X") is no name."""
_SMALL = (
    "do|does|did|is|are|was|were|has|have|had|can|could|will|would|of|in|for|on|per|from|to|with|at"
    "|by|than|that|when|if|the|a|an|it|its|and|or"
)
_NAMED_KINDS = (
    "data ?sets?|benchmarks?|corpus|corpora|simulators?|language models?|llms?|environments?|games?"
    "|languages?|countr(?:y|ies)|platforms?|hardware|gpus?"
)
_WANTS_NAME = re.compile(
    rf"^\W*(?:(?:on|in|from|for|with|under|by|to|at)\s+)?(?:which|what) "
    r"(?:(?:is|are|was|were) the names? of (?:the )?)?"
    rf"(?:(?!(?:{_SMALL})\b)[\w./+-]+ ){{0,3}}?(?P<kind>{_NAMED_KINDS})(?=\s|\?)",
    re.IGNORECASE,
)
_WANTS_MAKER = re.compile(
    r"^\W*who (?:first |originally |currently )?(?:maintains|maintained|made|created|developed"
    r"|invented|founded|built|released|owns|owned|funds|funded|sponsors|sponsored|published"
    r"|authored|(?:is|are|was|were) the (?:[\w-]+ )?(?:author|creator|inventor|developer|maker"
    r"|maintainer|founder|owner)s?)\b",
    re.IGNORECASE,
)
_MAKER = "person or organisation"
_NAMES_MAKER = re.compile(
    r"\bet al\b|\b(?:by|of|from|at|with) (?:the )?[A-Z][a-z]+\b|\b[A-Z][a-z]+['’]s\b"
    r"|\([A-Z][a-z]+[^)]*(?:19|20)\d\d[a-z]?\)"
    r"|\b(?:Google|OpenAI|Microsoft|Meta|DeepMind|Facebook|NVIDIA|IBM|Amazon|Apple|Anthropic"
    r"|Alibaba|Tencent|Baidu)\b"
    r"|(?i:\b(?:universit|institut|teams?\b|communit|volunteers|researchers|compan|organi[sz]ation"
    r"|experts?\b|workers\b|participants\b|annotators\b))"
)
"""A name where a person's or an organisation's stands, or a word for either."""
_WRITTEN = re.compile(r"\w[\w./-]*")
_ENDS = frozenset(".!?:")


def find_unmentioned(question: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a question that none of the texts mentions, in order.

    A name has two capitals, or a capital and a digit ("ImageNet", "R1", "CIFAR-100"), or several
    capitalised words ("Penn Treebank"); an amount ("30B"), a likeness ("GPS-like") or what the
    asker has ("my GPU") is none. It is mentioned as a word, as part of a compound, by the initials
    of consecutive words, and one of several words by these, wherever they stand.
    """
    words = [word.lower() for text in texts for word in _WORD.findall(text)]
    known = {word.rstrip("s") for word in words}
    joined = "".join(words)
    initials = "".join(word[0] for word in words)

    def is_mentioned(name: str) -> bool:
        bare = name.lower().replace("-", "").rstrip("s")
        return bare in known or bare in joined or bare in initials

    def is_spelled(name: str) -> bool:
        own = _WORD.findall(name)
        short = "".join(word[0] for word in own if word[0].isupper()).lower()
        return short in known or {stem(word.lower()) for word in own} <= stems

    long_names = _LONG_NAME.findall(question)
    stems = {stem(word) for word in words} if long_names else set()
    short_names = [name for name in _NAME.findall(question) if not _AMOUNT.fullmatch(name)]
    return (
        *(name for name in short_names if not is_mentioned(name)),
        *(name for name in long_names if not is_spelled(name)),
    )


def find_unnamed(question: str, titles: Sequence[str], abstracts: Sequence[str]) -> str | None:
    """Return what a question wants named ("datasets") where no abstract names anything of the kind.

    Names of the question and of the titles are no news; one in an abstract has a capital inside a
    sentence, or letters and digits. Of the questions of abstractqa and of this project that ask so,
    18% of the unanswerable ones and 1% of the others ask it of an abstract without a name. Who made
    something ("Who maintains PyTorch?") is told by a person, an organisation or a word for them.
    """
    if _WANTS_MAKER.search(question):
        return None if any(map(_NAMES_MAKER.search, abstracts)) else _MAKER
    wanted = _WANTS_NAME.search(question)
    if wanted is None:
        return None
    known = {_bare(word) for text in (question, *titles) for word in _WRITTEN.findall(text)}
    found = {name for abstract in abstracts for name in _find_names(abstract)}
    return None if found - known else wanted["kind"].lower()


def _find_names(text: str) -> Iterator[str]:
    before = 0
    for match in _WRITTEN.finditer(text):
        word = match[0]
        opens = not before or bool(_ENDS & set(text[before - 1 : match.start()]))
        before = match.end()
        mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
        inside = any(c.isupper() for c in word[1:])
        if word not in ("I", "We") and (inside or mixed or (word[0].isupper() and not opens)):
            yield _bare(word)


def _bare(word: str) -> str:
    return word.lower().rstrip("s.")
