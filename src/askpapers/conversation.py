"""What carries over from turn to turn: source numbers, and what a follow-up refers to.

A follow-up ("and its memory cost?") is rewritten to a query that stands alone, by rule: the
reader can see and edit it, and nothing of the history takes room from the evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from askpapers.domain import Answer

_OPENINGS = re.compile(
    r"^(?:and|but|so|also|ok(?:ay)?|then|well|what about|how about|and what about|and how about)\b"
    r"[\s,:]*",
    re.IGNORECASE,
)
_REFERENCES = re.compile(
    r"\b(?:its|their|it|they|them|this|that|these|those|the same)"
    r"(?:\s+(?:paper|method|model|approach|work|framework|algorithm|authors?|one|ones|system))?\b"
    r"|\bthe (?:paper|method|model|approach|work|framework|algorithm|authors)\b",
    re.IGNORECASE,
)
_PRONOUNS = frozenset(["it", "its", "they", "them", "their"])
_CLAUSE = re.compile(r"\b(?:and|or|but|when|if|because|while)\b|[,;:]", re.IGNORECASE)
_WORD = re.compile(r"[^\W_][\w\-+/.]*")
_STOPWORDS = frozenset(
    """
    a an and any are as at be been but by can could did do does for from give had has have how
    i if in into is it its many me much my of on or our paper papers please should show so
    tell than that the their them then there these they this those to us use used uses using
    was we were what when where which who why will with would you your about also method model
    approach work same one ones other another else happen happens like get gets
    """.split()  # noqa: SIM905 a list of 90 strings is harder to read
)
_SHORT_QUESTION_WORDS = 3
_MAX_TOPIC_WORDS = 10


@dataclass(slots=True)
class Conversation:
    """The state of one conversation. Not shared between threads."""

    answers: list[Answer] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number_of(self, paper_id: str) -> int:
        """Return the paper's source number: the next free one at first sight, then always that."""
        return self.numbers.setdefault(paper_id, len(self.numbers) + 1)

    def rewrite(self, question: str) -> str:
        """Return `question` as a search query that stands alone."""
        return rewrite_follow_up(question, self.answers[-1]) if self.answers else question

    def add(self, answer: Answer) -> None:
        """Remember a finished turn."""
        self.answers.append(answer)


def rewrite_follow_up(question: str, previous: Answer) -> str:
    """Return `question` with what it leaves unsaid filled in from the turn before.

    A question counts as a follow-up when it opens like one, refers back ("it", "this method"), or
    has at most three words of its own. Its reference is replaced by the topic of the previous
    turn, or the topic is appended.
    """
    body = _OPENINGS.sub("", question.strip())
    opened = body != question.strip()
    reference = _find_reference(body, may_name=not opened)
    if not (opened or reference or len(_content_words(body)) <= _SHORT_QUESTION_WORDS):
        return question
    alike = reference is not None and reference[0].lower() == "the same"
    topic = _words_of(previous) if alike else _topic_of(previous)
    missing = [w for w in topic.split() if w.lower() not in body.lower()]
    if not topic or not missing:
        return question
    if not opened and reference is None and _names_something(body):
        return question
    if reference is not None:
        possessive = reference[0].lower() in ("its", "their")
        filler = f"{topic}'s" if possessive else topic
        return f"{body[: reference.start()]}{filler}{body[reference.end() :]}"
    return f"{body.rstrip(' ?.!')} — {topic}?"


def _find_reference(body: str, *, may_name: bool) -> re.Match[str] | None:
    """Find a word that refers back; "this" before a noun of its own does not count.

    Args:
        body: the question without its opening.
        may_name: nor does a pronoun for what an earlier clause of the same question names ("What
            is RITA and what does it improve?"); not so where it opens like a follow-up ("and for
            GANs, what happens beyond it?").
    """
    for match in _REFERENCES.finditer(body):
        word = match[0].lower()
        if word in ("this", "these", "those", "that") and body[match.end() :].strip(" ?.!"):
            continue
        if may_name and word in _PRONOUNS:
            clauses = list(_CLAUSE.finditer(body, 0, match.start()))
            if clauses and _names_something(body[: clauses[-1].start()]):
                continue
        return match
    return None


def _names_something(body: str) -> bool:
    """Tell whether a short question names its own subject: an acronym or a capitalised name."""
    words = _WORD.findall(body)
    return any(
        sum(c.isupper() for c in word) >= 2 or (i > 0 and word[0].isupper())
        for i, word in enumerate(words)
    )


def _content_words(text: str) -> list[str]:
    return [w for w in _WORD.findall(text) if w.lower() not in _STOPWORDS]


def _topic_of(previous: Answer) -> str:
    """Return a few words for what the previous turn was about.

    The short name of the paper that was cited first ("RITA" of "RITA: Group Attention …") when it
    has one, else the words of the question.
    """
    cited = [s for s in previous.sources if s.cited]
    if cited:
        head, colon, _ = cited[0].title.partition(":")
        if colon and len(head.split()) <= 4:
            return head.strip()
    return _words_of(previous)


def _words_of(previous: Answer) -> str:
    """Return the content words of the question before: "the same problem" is what it spoke of."""
    words = _content_words(previous.search_query)
    return " ".join(dict.fromkeys(words[:_MAX_TOPIC_WORDS]))
