"""The sentence before one that only points back: what "it", "this" or "such" stands for.

Taken out of its abstract, "It thus reduces the cost" says nothing, or worse, speaks of whatever
stands before it in the answer. The abstract's own sentence before it says what is meant (dangling
anaphors in extracts: Mani, "Automatic Summarization", 2001).
"""

from __future__ import annotations

import re
from dataclasses import replace

from askpapers.compression import drop_opener
from askpapers.domain import Evidence, Paper
from askpapers.injections import find_fault
from askpapers.sentences import split_sentences

_PAPER = (
    r"(?! (?:(?:position |survey )?paper|work|article|study|survey|report|thesis|note|tutorial"
    r"|review|manuscript|chapter)\b)"
)
"""The paper itself is known by its number."""
_POINTS_BACK = re.compile(
    r"(?:(?:and|but|so|yet|thus|hence) )?"
    r"(?:(?:it|its|they|their|the (?:former|latter)|both of (?:them|these))\b"
    # Later words of a sentence seldom stand for something before it.
    rf"|(?:[^\s,;:]+ ){{0,5}}(?:this|these|those|such)\b(?! as\b){_PAPER})",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(
    r"it (?:is|was|has been|remains|becomes|can be|turns out|seems|appears)(?: \w+){0,2}?"
    r" (?:known|shown|unclear|possible|impossible|important|difficult|hard|common|crucial"
    r"|necessary|challenging|essential|natural|desirable|believed|assumed|observed|argued|that)\b",
    re.IGNORECASE,
)


def points_back(sentence: str) -> bool:
    """Tell whether a sentence opens with a word that stands for something said before it."""
    text = drop_opener(sentence.lstrip())
    return _POINTS_BACK.match(text) is not None and _EMPTY_IT.match(text) is None


def find_forerunner(evidence: Evidence, paper: Paper) -> Evidence | None:
    """Return the sentence before one that points back, with the same score.

    None where it doesn't point back, opens the abstract, or follows a sentence that may not be
    evidence.
    """
    if not points_back(evidence.quote):
        return None
    before = [s for s in split_sentences(paper.abstract) if s.end <= evidence.start]
    if not before:
        return None
    quote = paper.abstract[before[-1].start : before[-1].end]
    if find_fault(quote) is not None:
        return None
    return replace(evidence, start=before[-1].start, end=before[-1].end, quote=quote)
