"""Sentences that only say where something is to be had: no evidence, unless that is asked."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)+/\S*|\bgit@\S+", re.IGNORECASE)
_THING = (
    r"\b(?:codes?|implementations?|models?|weights|checkpoints|data ?sets?|data|benchmarks?|demos?"
    r"|videos?|projects?|pages?|websites?|software|packages?|library|toolbox|resources|materials?"
    r"|scripts)\b"
)
_GIVEN = (
    r"\b(?:available|accessible|released?|open[- ]?sourced?|found|published|hosted|provided?|share"
    r"|visit|see)\b"
)
_IS_GIVEN = re.compile(rf"{_THING}.*{_GIVEN}", re.IGNORECASE)
_WE_GIVE = re.compile(rf"{_GIVEN}.*{_THING}", re.IGNORECASE)
_PLACE = re.compile(
    r"\b(?:publicly|online|github|here|available (?:at|on|from|upon))\b", re.IGNORECASE
)
_ASKS = re.compile(
    r"\b(?:codes?|repo(?:sitory|sitories)?|github|url|links?|download\w*|availab\w*|releas\w*"
    r"|open[- ]?sourc\w*|public\w*|where|web ?(?:page|site)|project page|demos?|licen[cs]\w*)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 22


def only_says_where(sentence: str) -> bool:
    """Tell whether a sentence says no more than where code, data or the like can be had."""
    text, addresses = _ADDRESS.subn(" ", sentence)
    if len(text.split()) > _MOST_WORDS:
        return False
    if _IS_GIVEN.search(text):
        return bool(addresses or _PLACE.search(text))
    return bool(addresses and _WE_GIVE.search(text))


def asks_where(question: str) -> bool:
    """Tell whether a question is about what can be had, or where."""
    return bool(_ASKS.search(question))
