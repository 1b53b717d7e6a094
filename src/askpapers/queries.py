"""Reads a question without a language model: dates, named papers and acronyms.

Date words and named papers become filters, which are shown and can be changed; an acronym brings
its expansion and an expansion its acronym, as abstracts define them. What is left is searched.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from askpapers.domain import Filters, Paper, Query
from askpapers.errors import IndexDamaged, IndexMissing

_MONTHS = "january february march april may june july august september october november december"
_MONTH_NUMBERS = {name: i for i, name in enumerate(_MONTHS.split(), 1)}
_MONTH_NUMBERS |= {name[:3]: i for name, i in _MONTH_NUMBERS.items()} | {"sept": 9}
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, "couple of": 2, "few": 3}
_YEAR = r"(?:19|20)\d\d"
_NAMES = "|".join(sorted(_MONTH_NUMBERS, key=len, reverse=True))
_DATE = rf"(?:(?:{_NAMES})\.?,?\s+{_YEAR}|{_YEAR}(?:-\d\d(?:-\d\d)?)?)(?![\w%-])"
_RANGE = re.compile(
    rf"[,(]?\s*\b(?:published |written |released )?"
    rf"(?:between|from)\s+({_DATE})\s*(?:and|to|until|till|-|–)\s*({_DATE})\)?",
    re.IGNORECASE,
)
_SINCE = re.compile(
    rf"[,(]?\s*\b(?:published |written |released )?"
    rf"(since|after|later than|newer than|from)\s+({_DATE})(\s+(?:on|onwards?))?\)?",
    re.IGNORECASE,
)
_UNTIL = re.compile(
    rf"[,(]?\s*\b(?:published |written |released )?"
    rf"(until|till|up to|before|earlier than|older than)\s+({_DATE})\)?",
    re.IGNORECASE,
)
_IN = re.compile(
    rf"[,(]?\s*\b(?:(?:published|written|released|appeared|posted)\s+(?:in|on)"
    rf"|(?<=papers )(?:in|of|from)|(?<=work )from|(?<=abstracts )(?:of|from))\s+({_DATE})\)?",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    r"[,(]?\s*\b(?:in|from|during|over|within)?\s*(?:the\s+)?\b"
    r"(?:(last|past|previous)\s+(?:(two|three|four|five|ten|couple of|few|\d{1,2})\s+)?"
    r"(years?|months?)|(this)\s+(year|month))\b\)?",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:the|this|from|in|by)\s+[\"“'‘]?([\w.+-]+(?:\s[\w.+-]+){0,3}?)[\"”'’]?\s+"
    r"(?:paper|abstract|article)(?:'s|’s)?(?!\w)",
)
_QUOTED = re.compile(r"[\"“]([^\"“”]{8,200})[\"”]")
_SHORT_FORM = re.compile(r"\(\s*([A-Za-z][\w./&+-]{1,11})\s*[);,]")
_WORDS = re.compile(r"[A-Za-z][\w-]*")
_KINDS = (
    "approach(?:es)?|methods|techniques|algorithms|strategies|ways|alternatives|solutions|benchmarks"
    "|data ?sets|systems|tools|defen[cs]es|attacks|works?|research|findings|evidence|applications"
)
_SEVERAL = re.compile(
    r"\b(?:papers|studies|articles|publications|literature)\b"
    r"|\b(?:other|several|recent|existing|related|prior|previous|which|two|three) works\b"
    rf"|^\W*(?:(?:list|show|recent|existing|current|known|different|various|the|all) ){{0,3}}"
    rf"(?:\S+ )?(?:{_KINDS}) (?:on|about|for|to|of|that|against)\b"
    rf"|\b(?:what|which) (?:\S+ ){{0,4}}?(?:{_KINDS}) (?:\S+ ){{0,8}}?"
    r"(?:are there|exist|have been (?:proposed|tried|studied|suggested|used)|are known)\b"
    rf"|\bwhat (?:\S+ ){{0,2}}?(?:{_KINDS}) (?:\S+ ){{0,12}}are there\b"
    r"|\bwhat (?:is|has been|(?:do|have) (?:we|people))"
    r" (?:known?|learn(?:ed|t)|done|tried|proposed)\b"
    r"|^\W*(?:compare|contrast|comparison|survey|overview|review|summari[sz]e)\b"
    r"|\b(?:overview|survey) of\b"
    r"|\bhow do \S.{0,80}? (?:and|or) \S.{0,80}? (?:differ|compare)\b|\bdifferences? between\b",
    re.IGNORECASE,
)
_EXPANSIONS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Understanding:
    """A question as read: the query with its filters, terms to add, papers called by name."""

    query: Query
    added: tuple[str, ...]
    named: frozenset[str]


class QueryVocabulary:
    """Acronyms as abstracts define them, and the names that titles give.

    `acronyms` maps a short form to its long forms and in how many papers each is defined;
    `names` maps a lower-case name to the papers whose title opens with it.
    """

    def __init__(
        self,
        acronyms: Mapping[str, Mapping[str, int]],
        names: Mapping[str, list[str]],
        titles: Mapping[str, list[str]],
    ) -> None:
        self.acronyms = acronyms
        self.names = names
        self.titles = titles
        self._shorts: dict[str, tuple[str, int]] = {}
        self._lower: dict[str, str] = {}
        for short, longs in acronyms.items():
            self._lower.setdefault(_singular(short).lower(), short)
            for long, count in longs.items():
                if count > self._shorts.get(long, ("", 0))[1]:
                    self._shorts[long] = (short, count)
        self._longest = max((len(long.split()) for long in self._shorts), default=0)

    @classmethod
    def build(cls, papers: Iterable[Paper]) -> QueryVocabulary:
        """Collect definitions and names from papers."""
        acronyms: dict[str, Counter[str]] = {}
        names: dict[str, list[str]] = {}
        titles: dict[str, list[str]] = {}
        for paper in papers:
            for short, long in find_definitions(f"{paper.title}. {paper.abstract}").items():
                acronyms.setdefault(short, Counter())[long] += 1
            for name in find_names(paper.title):
                names.setdefault(name.lower(), []).append(paper.paper_id)
            titles.setdefault(_letters(paper.title), []).append(paper.paper_id)
        kept = {short: dict(longs.most_common(8)) for short, longs in acronyms.items()}
        return cls(kept, names, titles)

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"acronyms": self.acronyms, "names": self.names, "titles": self.titles}
        path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: Path) -> QueryVocabulary:
        """Read a saved vocabulary.

        Raises:
            IndexMissing: there is none.
            IndexDamaged: it is malformed.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
            return cls(content["acronyms"], content["names"], content["titles"])
        except FileNotFoundError as exc:
            raise IndexMissing(f"There is no query vocabulary at {str(path)!r}.") from exc
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise IndexDamaged(f"The query vocabulary {str(path)!r} is damaged: {exc}.") from exc

    def expand(self, question: str) -> dict[str, list[str]]:
        """Long forms of the question's acronyms and short forms of its phrases.

        An acronym is expanded to the long forms that make up at least a third of its
        definitions; where the question itself spells one out, nothing is added.
        """
        added: dict[str, list[str]] = {}
        lower = " ".join(_WORDS.findall(question.lower()))
        for word in dict.fromkeys(_WORDS.findall(question)):
            short = word if word in self.acronyms else self._lower.get(_singular(word).lower(), "")
            if not short or not _is_written_as_acronym(word, short):
                continue
            longs = self.acronyms[short]
            total = sum(longs.values())
            frequent = [long for long, count in longs.items() if 3 * count >= total]
            if frequent and not any(long in lower for long in longs):
                added[word] = frequent[:_EXPANSIONS_KEPT]
        words = lower.split()
        for size in range(self._longest, 1, -1):
            for start in range(len(words) - size + 1):
                phrase = " ".join(words[start : start + size])
                short = self._shorts.get(phrase, ("", 0))[0]
                if short and short.lower() not in words and phrase not in added:
                    added[phrase] = [short]
        return added

    def find_named(self, question: str) -> tuple[frozenset[str], frozenset[str]]:
        """Papers that the question restricts itself to, and papers whose name it mentions."""
        asked: set[str] = set()
        for match in _QUOTED.finditer(question):
            asked |= set(self.titles.get(_letters(match[1]), ()))
        for match in _NAMED.finditer(question):
            words = match[1].split()
            for start in range(len(words)):
                name = " ".join(words[start:])
                found = self.names.get(name.lower(), ())
                if found and not name.islower():
                    asked |= set(found)
                    break
        mentioned: set[str] = set()
        for word in set(re.findall(r"[\w.+-]*[A-Z][\w.+-]*", question)):
            mentioned |= set(self.names.get(word.strip(".-").lower(), ()))
        return frozenset(asked), frozenset(mentioned | asked)


def understand(
    question: str, vocabulary: QueryVocabulary, *, today: date, filters: Filters | None = None
) -> Understanding:
    """Read a question. Filters given by the caller win over those found in the question.

    Args:
        question: as asked, standing alone.
        vocabulary: acronyms and names of the indexed papers.
        today: what "last year" counts from.
        filters: what the caller asked for.
    """
    given = filters or Filters()
    text, since, until = find_dates(question, today=today)
    notes = []
    if since or until:
        span = f"{since or 'the beginning'} to {until or 'now'}"
        notes.append(f"only papers dated {span}, as the question says")
    asked, mentioned = vocabulary.find_named(question)
    if asked and not given.paper_ids:
        plural = "s" if len(asked) > 1 else ""
        notes.append(f"only the {len(asked)} paper{plural} named in the question")
    expansions = vocabulary.expand(text)
    notes += [f"{word} read as {', '.join(longs)} too" for word, longs in expansions.items()]
    found = replace(
        given,
        since=given.since or (since if not given.until else None),
        until=given.until or (until if not given.since else None),
        paper_ids=given.paper_ids or tuple(sorted(asked)),
    )
    query = Query(question, text, found, tuple(notes), asks_for_several(question))
    added = tuple(long for longs in expansions.values() for long in longs)
    return Understanding(query, added, mentioned)


def find_dates(question: str, *, today: date) -> tuple[str, str | None, str | None]:
    """Take date words out of a question.

    A bare "in 2019" stays: it may belong to what is asked about ("the 2019 challenge").

    Returns:
        The rest of the question, and the inclusive bounds as ISO dates or prefixes.
    """
    if match := _RANGE.search(question):
        return _cut(question, match), _iso(match[1]), _iso(match[2])
    if match := _IN.search(question):
        return _cut(question, match), _iso(match[1]), _iso(match[1])
    if match := _RELATIVE.search(question):
        return _cut(question, match), *_relative(match, today)
    since = until = None
    match = _SINCE.search(question)
    if match and (match[1].lower() != "from" or match[3]):
        exclusive = match[1].lower() in ("after", "later than", "newer than")
        since = _iso(match[2], step=1 if exclusive else 0)
        question = _cut(question, match)
    if match := _UNTIL.search(question):
        exclusive = match[1].lower() in ("before", "earlier than", "older than")
        until = _iso(match[2], step=-1 if exclusive else 0)
        question = _cut(question, match)
    return question, since, until


def asks_for_several(question: str) -> bool:
    """Tell whether a question's words ask for several papers: a survey, a comparison, a list.

    It is so of 1 in 4 questions that were written to need several of abstractqa's papers, and of
    1 in 100 of its questions about one paper.
    """
    return _SEVERAL.search(question) is not None


def find_definitions(text: str) -> dict[str, str]:
    """Find "long form (SF)" definitions: short form to lower-case long form.

    The algorithm of Schwartz and Hearst (2003): the short form's letters must appear in order
    in the words before the bracket, its first letter at the start of a word.
    """
    found: dict[str, str] = {}
    for match in _SHORT_FORM.finditer(text):
        short = _singular(match[1])
        if sum(c.isupper() for c in short) < 2:
            continue
        before = re.split(r"[.;:!?()]\s", text[max(0, match.start() - 120) : match.start()])[-1]
        words = before.split()[-min(len(short) + 5, 2 * len(short)) :]
        long = _match_long_form(short, " ".join(words))
        if long is not None:
            found.setdefault(short, " ".join(_WORDS.findall(long.lower())))
    return found


def find_names(title: str) -> list[str]:
    """The names a title gives its subject: what stands before a colon, when it looks like one."""
    head, colon, _ = title.partition(":")
    words = head.split()
    if not colon or not 1 <= len(words) <= 3:
        return []
    coined = any(sum(c.isupper() or c.isdigit() for c in word) >= 2 for word in words)
    return [head.strip()] if len(words) == 1 or coined else []


def _match_long_form(short: str, text: str) -> str | None:
    letters = [c for c in short.lower() if c.isalnum()]
    at = len(text)
    lower = text.lower()
    for position in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and (
            lower[at] != letters[position] or (position == 0 and at > 0 and lower[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
    long = text[at:]
    enough = len(long) > len(short) and len(long.split()) <= len(letters) + 5
    return long if enough and short.lower() not in long.lower().split() else None


def _is_written_as_acronym(word: str, short: str) -> bool:
    """ "CBS", "cbs" and "GANs" are; "sam" isn't when it reads as a word in a sentence."""
    return _singular(word) == short or (
        word.islower() and len(short) >= 3 and word.isalpha() and not re.search(r"[aeiou]", word)
    )


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") and word[-2].isupper() else word


def _letters(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", title.lower())


def _iso(text: str, *, step: int = 0) -> str:
    """A printed date as ISO, moved by `step` units of its own precision."""
    text = text.strip().rstrip(",")
    if match := re.fullmatch(rf"([A-Za-z]+)\.?,?\s+({_YEAR})", text):
        parts = [int(match[2]), _MONTH_NUMBERS[match[1].lower()]]
    else:
        parts = [int(part) for part in text.split("-")]
    if step and len(parts) == 3:
        return date.fromordinal(date(*parts).toordinal() + step).isoformat()
    if step and len(parts) == 2:
        months = parts[0] * 12 + parts[1] - 1 + step
        parts = [months // 12, months % 12 + 1]
    elif step:
        parts = [parts[0] + step]
    return "-".join([f"{parts[0]:04d}", *(f"{part:02d}" for part in parts[1:])])


def _relative(match: re.Match[str], today: date) -> tuple[str, str | None]:
    """Bounds of "last year" (the calendar year before), "the past two years", "this month"."""
    if match[4]:
        return (str(today.year) if match[5].lower() == "year" else today.isoformat()[:7]), None
    count = match[2].lower() if match[2] else ""
    number = _NUMBERS.get(count) or (int(count) if count.isdigit() else 1)
    if match[3].lower().startswith("year"):
        if not count:
            return str(today.year - 1), str(today.year - 1)
        return str(today.year - number), None
    months = today.year * 12 + today.month - 1 - number
    return f"{months // 12:04d}-{months % 12 + 1:02d}", None


def _cut(question: str, match: re.Match[str]) -> str:
    rest = f"{question[: match.start()]} {question[match.end() :]}"
    return re.sub(r"\s+([?.,;!])", r"\1", re.sub(r"\s+", " ", rest)).strip(" ,")
