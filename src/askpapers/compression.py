"""What may be left out of a sentence of an abstract without changing what it says.

A small model that words an answer itself changes its meaning more often than any judge sees, so it
is given a choice instead: a sentence becomes a sequence of parts, each with the texts that may
stand there, and every way through them says nothing that the sentence does not say. Deleting
material that the rest does not depend on is the safe half of sentence compression (Knight and
Marcu 2002, section 2; Filippova and Altun 2013); conditions, restrictions, negations and anything
that the question asks about are never on offer.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from askpapers.citations import capitalise
from askpapers.support.wording import STOPWORDS, split_words

_MIN_KEPT_WORDS = 6
_MAX_WORDINGS = 48

_ADDS = (
    r"and|also|further|furthermore|moreover|additionally|besides|namely|notably|importantly|crucially"
    r"|interestingly|remarkably|surprisingly|specifically|concretely|in addition|in particular"
    r"|finally|lastly|(?:more|most) (?:specifically|precisely|importantly|notably)|intuitively"
    r"|recently|lately|in recent years|currently|nowadays|so far|to date"
)
"""What says no more than that there is more, or when it was said ("Recently"); "However" and "Thus"
say what follows."""
_JOINER = re.compile(rf"(?:{_ADDS}),\s+", re.IGNORECASE)
_OPENER = re.compile(
    rf"(?:(?:{_ADDS}|but|so|yet|here|unfortunately|fortunately|first|firstly|second|secondly|third"
    r"|thirdly|next|then|overall|indeed|therefore|thus|hence|consequently|accordingly|however"
    r"|nevertheless|nonetheless|instead|meanwhile|conversely|alternatively"
    r"|(?:more|most) (?:concretely|interestingly)|in (?:summary|conclusion|short|fact|essence"
    r"|contrast|turn|response|this (?:paper|work|article|study|note|survey|report|thesis|regard"
    r"|context))|(?:for|as an) (?:example|instance)|as a (?:result|consequence)"
    r"|on the (?:other|one) hand|by contrast|at the same time|to this end"
    r"|to that end|to do so|to do this|with this in mind),\s+"
    r"|in this (?:paper|work|article|study|note|survey|report)\s+(?=the authors\b)"
    r"|\(?(?:[1-9]|[a-e]|i{1,3}|iv|v)\)[.:]?\s+)+",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:while|although|though|whereas|despite|unlike|in contrast to"
    r"|(?:motivated|inspired|driven) by) [^,;:]{8,160},\s+"
    r"(?=(?:the authors|they|the|this|these|it|their|most|many|existing|current) )",
    re.IGNORECASE,
)
_NEEDS_LEAD = re.compile(
    r"\b(?:such|this|these|those|both|the (?:former|latter|same))\b|^(?:it|its|they|their)\b"
    r"|\b(?:more|less|fewer|faster|slower|better|worse|cheaper|smaller|larger|higher|lower|simpler"
    r"|longer|shorter)\b(?! [^,;]*\bthan\b)",
    re.IGNORECASE,
)
"""What may stand for something in the lead, or be measured against it ("requires far less")."""
_FRAME = re.compile(
    r"(?:(?:the authors|the (?:paper|work)) (?:further |then )?(?:show|demonstrate|find"
    r"|observe|report|note|discover|reveal|verify|verifie|confirm)s?"
    r"|(?:(?:their|the authors'|the|these) )?(?:(?:extensive|empirical|experimental|experiment"
    r"|numerical|preliminary|main|further) )*(?:experiments|results|findings|analysis|analyses"
    r"|evaluations?|simulations|studies) (?:further )?(?:show|demonstrate|reveal|confirm)s?"
    r"|the (?:main|key|core|central|surprising|good) (?:result|observation|finding|insight|news)"
    r" (?:here )?is) that (?=[A-Za-z])",
    re.IGNORECASE,
)
_SHOWS_ON = re.compile(
    r"\band (?:\w+ly |also |further )?(?:show|demonstrate|find|observe|report|note|discover|reveal"
    r"|verify|confirm|indicate|suggest|validate|prove|establish|highlight|provide|underscore|support"
    r"|illustrate|give|propose|present|introduce|derive|offer|identify)\b|\bindeed\b",
)
"""What else is shown is shown by what the frame names ("experiments show that ... and confirm")."""
_ACRONYM = re.compile(r" \((?P<name>[A-Z][A-Za-z0-9]*[A-Z][A-Za-z0-9]*|[A-Z]{2,}s?)\)")
_ASIDE = re.compile(
    r" \((?:e\.g\.|i\.e\.|see |cf\.|[A-Z]\w+(?: et al\.| and \w+)?,? (?:19|20)\d\d)[^()$]{0,120}\)"
)
_TAIL = re.compile(
    r", (?:(?:thus|thereby|hence|therefore|ultimately|consequently|significantly) )?"
    r"(?:achieving|enabling|making|allowing|leading|outperforming|resulting|providing|reducing"
    r"|improving|demonstrating|showing|highlighting|yielding|offering|ensuring|establishing"
    r"|suggesting|indicating|opening|paving|including|surpassing|facilitating|eliminating"
    r"|avoiding|reaching|delivering|revealing|underscoring|illustrating|opening"
    r"|which|where|while|whereas|and (?:it|they|the authors|this)) [^,;:]+$"
    r"|; (?!(?:otherwise|thus|therefore|hence)\b)[^;]+$"
)
_LISTED = re.compile(r"\((?:[1-9]|[ivx]+|[a-e])\)")
# The items of a list of figures behind its first: ", 72% on CIFAR-100, and 92.7% on CIFAR-10".
_FIGURES = re.compile(r"(?:, (?:and )?[~$]?\d[^,;:]*)+$")
_RESTRICTS = re.compile(
    r"\b(?:not?|never|only|unless|except|without|if|when|provided|given|assuming|but|resp)\b|n't",
    re.IGNORECASE,
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|could|may|might|will|would|must|should|does|do"
    r"|(?:the authors|they) (?:\w+ly )?[a-z]+"
    r"|achieves?|outperforms?|improves?|reduces?|increases?|uses?|allows?|enables?|provides?"
    r"|requires?|leads?|yields?|shows?|demonstrates?|proposes?|introduces?|presents?|consists?"
    r"|combines?|learns?|obtains?|reach(?:es)?|takes?|makes?|gives?|becomes?|remains?|trains?"
    r"|achieved|outperformed|improved|reduced|reached|obtained)\b",
    re.IGNORECASE,
)
# What stands here for people in general, not for the authors.
_COMMON = (
    r"understanding|world|lives|life|society|brains?|daily|everyday|planet|universe|senses|bod(?:y|ies)"
    r"|eyes|ears|minds?|era|age|ability to (?:see|hear|speak|read)"
)
_ANYBODY = re.compile(
    r"\b[Ww]e (?:may|might|must|should|need|often|usually|typically|all|humans)\b"
    r"|\b[Aa]s (?:humans|people|individuals|readers|a society)\b|\b(?:[Hh]umans|[Pp]eople), we\b"
)
"""A "we" that is as likely people in general as the authors."""
_FIRST_PERSON = re.compile(
    r"\b(?P<we>[Ww]e)\b(?!')(?: (?:also|further|furthermore|then|thus|therefore|hence)\b)?"
    rf"|\b(?P<our>[Oo]ur)\b(?! (?:{_COMMON})\b)"
    r"|\b(?P<ourselves>ourselves)\b|\b(?P<ours>ours)\b|\b(?P<us>us)\b(?! (?:humans|all)\b)"
)
_PROPOSED = re.compile(r" proposed\b")
_THIS_PAPER = re.compile(
    r"(?<!makes )(?<!make )(?<!does )(?<!how )(?<!why )\b[Tt]his"
    r"(?= (?:paper|work|article|study|survey|report|thesis|note|tutorial|review)\b)"
)
_ALSO = re.compile(r"(?<!but )\balso (?=[a-z])")
# Others than the authors: beside them, "the authors" could be taken for anybody. (What the authors
# do to themselves is not done to "them".)
_OTHERS = re.compile(r"\b(?:they|theirs)\b|\bus\b.*\bthem\b|\bthem\b.*\bus\b", re.IGNORECASE)
_THEIR = re.compile(r"\b(?:their|themselves)\b(?P<owned>(?: [\w-]+){0,3})", re.IGNORECASE)
_THINGS = re.compile(r"\b[a-z][\w-]+[^\W_aius]s\b|\bdata\b")
"""Plurals, and verbs of a third person, between "we" and a "their"."""
_OF_AUTHORS = re.compile(
    r"\b(?:(?P<named>the authors)|(?P<they>they|their)|them|theirs|themselves)\b", re.IGNORECASE
)
_PLURAL = re.compile(r"\b\w+[^\W_aius]s\b|\b(?:data|people|criteria|phenomena|and|or)\b")
"""What a "they" behind it might stand for."""
_PEOPLES = re.compile(
    r"\b(?:methods?|procedures?|approach(?:es)?|laws?|hypothes[ie]s|claims?|papers?|works?|plots?"
    r"|findings?|results?|models?|frameworks?|algorithms?|estimat\w+|experiments?|analys[ei]s"
    r"|proofs?|code|data ?sets?|benchmarks?|reports?|assumptions?|theor\w+|conclusions?"
    r"|techniques?|systems?|stud(?:y|ies)|baselines?|first|second|third|own)\b",
    re.IGNORECASE,
)
"""What belongs to people more often than to things: "their method" may be that of other authors."""
_UNSAFE = re.compile(r"[?\[\]]")
_STYLED = re.compile(r"\{\\(?:em|it|bf|sl|tt)\s+([^{}$]*)\}")
_CALLED = re.compile(r"[A-Z][\w.+-]*[A-Z0-9][\w.+-]*|[A-Z][a-z]+[\w+-]*")
_THEIR_THING = re.compile(
    r"\b(?:[Tt]he proposed|[Tt]he authors'|[Tt]heir) (?:method|approach|algorithm|framework"
    r"|technique)\b(?! (?:is called|called|named|of))"
)


def is_fixed(sentence: str) -> bool:
    """Tell whether nothing of a sentence can be changed or left out safely.

    A question; one that may not be put into the third person, because it speaks of people in
    general or of others too; one with square brackets, which stand for citations in what the
    model writes.
    """
    return bool(
        _UNSAFE.search(sentence)
        or _ANYBODY.search(sentence)
        or (_FIRST_PERSON.search(sentence) and _speaks_of_others(sentence))
    )


def _speaks_of_others(sentence: str) -> bool:
    """Tell whether "the authors" and a "they" or "their" of others would stand in one sentence.

    A "their" behind a plural that is nearer to it than "we" is that one's ("we choose columns by
    their alignment"), unless it may as well be other people's.
    """
    if _OTHERS.search(sentence):
        return True
    for their in _THEIR.finditer(sentence):
        us = [m.end() for m in _FIRST_PERSON.finditer(sentence, 0, their.start())]
        if (
            not us
            or "et al" in sentence
            or not _THINGS.search(sentence, us[-1], their.start())
            or _PEOPLES.search(their["owned"])
        ):
            return True
    return False


def drop_opener(sentence: str, *, follows: bool = False) -> str:
    """Return a sentence without what joins it to the one before ("However, ").

    Behind that one (`follows`) only what says nothing goes ("Moreover, ").
    """
    opener = (_JOINER if follows else _OPENER).match(sentence)
    return sentence[opener.end() :] if opener else sentence


@dataclass(frozen=True, slots=True)
class Part:
    """One place in a sentence and the texts that may stand there; one of them may be empty."""

    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compressible:
    """A sentence as parts. Every way through them is entailed by the sentence."""

    parts: tuple[Part, ...]

    def wordings(self) -> Iterable[str]:
        """Yield every wording."""
        for chosen in itertools.product(*(part.choices for part in self.parts)):
            yield "".join(chosen)


def find_compressions(
    sentence: str,
    *,
    question: str = "",
    title: str = "",
    follows: bool = False,
    later: str = "",
) -> Compressible:
    """Return the ways to say a sentence with less, in the third person.

    Args:
        sentence: of an abstract, on one line.
        question: nothing that it asks about is left out.
        title: of the paper; where it opens with the name of a method and the sentence speaks of
            "our method", the name may stand there.
        follows: it is said right behind the one that it follows in the abstract, so that an
            opener ("However") still means what it did and stays; a mere joiner ("Moreover") goes.
        later: what is said behind it; nothing that this speaks of is left out either.
    """
    if is_fixed(sentence):
        return Compressible((Part((sentence.rstrip().removesuffix("."),)),))
    text = _STYLED.sub(r"\1", _in_third_person(sentence))
    text = capitalise(drop_opener(text, follows=follows)).rstrip().removesuffix(".").rstrip()
    text = _THIS_PAPER.sub(lambda this: "The" if this[0] == "This" else "the", text)
    text = _ALSO.sub("", text)
    asked = _content(f"{question} {later}")
    start, leads = _find_leads(text, asked)
    ends = _find_ends(text, start, asked)
    parts = [
        Part(leads),
        *_split_middle(text, start, ends[-1], asked, _find_name(title)),
        Part(tuple(text[ends[-1] : end] for end in ends)),
    ]
    return Compressible(tuple(_merge(_bound(parts))))


def _in_third_person(text: str) -> str:
    """Let the text speak of its authors, by "their" and "them" only behind "the authors".

    Not so beside a "them" or a "their" that stands for something else. "They" is said only where
    nothing between could be meant by it: "the authors show that they can".
    """
    named, other = False, re.search(r"\b(?:them|their|themselves)\b", text) is not None
    last = 0

    def rename(match: re.Match[str]) -> str:
        nonlocal named, last
        plain = not _PLURAL.search(text, last, match.start())
        last = match.end()
        if match["our"] and _PROPOSED.match(match.string, match.end()):
            word = "the"
        else:
            words = {
                "we": ("the authors", "they" if plain else "the authors"),
                "our": ("the authors'", "their"),
                "us": ("the authors", "them"),
                "ours": ("the authors' own", "theirs"),
                "ourselves": ("the authors themselves", "themselves"),
            }
            word = words[match.lastgroup or ""][named]
            named = not other
        return word[0].upper() + word[1:] if match[0][0].isupper() else word

    return _FIRST_PERSON.sub(rename, text)


def _find_leads(text: str, asked: frozenset[str]) -> tuple[int, tuple[str, ...]]:
    """Return where the fixed part begins, and the texts that may stand before it."""
    offers = {0: text}
    end = 0
    lead = _LEAD.match(text)
    if lead and not _RESTRICTS.search(lead[0]):
        rest = _name_authors(text, lead.end())
        if not _NEEDS_LEAD.search(rest) and not _asks_for(asked, lead[0], text[lead.end() :]):
            end = lead.end()
            offers[end] = rest
    frame = _FRAME.match(text, end)
    if frame and not _SHOWS_ON.search(text, frame.end()):
        end = frame.end()
        offers[end] = _name_authors(text, end)
    offers = {offer: rest for offer, rest in offers.items() if rest}
    if len(offers) < 2:
        return 0, ("",)
    # The word that changes with what stands before it, or the letter that becomes a capital.
    last = _OF_AUTHORS.match(text, max(offers))
    start = last.end() if last else max(offers) + 1
    kept = len(text) - start
    return start, tuple(capitalise(rest)[: len(rest) - kept] for rest in offers.values())


def _name_authors(text: str, start: int) -> str:
    """Return a text from `start` on with its authors named; empty if they can't be.

    Who "they" are may have been said in what goes.
    """
    rest = text[start:]
    of_authors = _OF_AUTHORS.search(rest)
    if of_authors is None or of_authors["named"] or "the authors" not in text[:start].lower():
        return rest
    if of_authors.start() > 0 or not of_authors["they"]:
        return ""
    name = "the authors'" if of_authors["they"].lower() == "their" else "the authors"
    return name + rest[of_authors.end() :]


def _find_ends(text: str, start: int, asked: frozenset[str]) -> list[int]:
    """Return where the sentence may end: behind all of it, then before each closing clause."""
    ends = [len(text)]
    if _LISTED.search(text):
        return ends
    while True:
        figures = _FIGURES.search(text, start, ends[-1])
        tail = _TAIL.search(text[: figures.start() if figures else ends[-1]], start)
        if tail is None:
            return ends
        left_out, head = text[tail.start() : ends[-1]], text[: tail.start()]
        if (
            _RESTRICTS.search(left_out)
            or len(head[start:].split()) < _MIN_KEPT_WORDS
            or not _FINITE.search(head)
            or head.count("$") % 2
            or head.count("(") != head.count(")")
            or _asks_for(asked, text[tail.start() :], head)
        ):
            return ends
        ends.append(tail.start())


def _split_middle(
    text: str, start: int, end: int, asked: frozenset[str], name: str | None
) -> list[Part]:
    """Split what lies between at the brackets and the names that give a choice."""
    places: list[tuple[int, int, tuple[str, ...]]] = []
    for match in itertools.chain(_ACRONYM.finditer(text, start), _ASIDE.finditer(text, start)):
        acronym = match.groupdict().get("name")
        again = acronym is not None and len(re.findall(rf"\b{acronym}\b", text)) > 1
        if match.end() <= end and not again and not _asks_for(asked, match[0], ""):
            places.append((match.start(), match.end(), (match[0], "")))
    if name is not None and name not in text:
        thing = _THEIR_THING.search(text, start)
        if thing and thing.end() <= end:
            places.append((thing.start(), thing.end(), (thing[0], name)))
    parts: list[Part] = []
    position = start
    for first, last, choices in sorted(places):
        if first < position:
            continue
        parts += [Part((text[position:first],)), Part(choices)]
        position = last
    return [*parts, Part((text[position:end],))]


def _bound(parts: Sequence[Part]) -> Iterable[Part]:
    """Take choices away from where there would be too many wordings."""
    count = 1
    for part in parts:
        count *= len(part.choices)
        if count > _MAX_WORDINGS:
            count //= len(part.choices)
            part = Part((max(part.choices, key=len),))
        yield part


def _merge(parts: Iterable[Part]) -> Iterable[Part]:
    """Join neighbours that give no choice."""
    for fixed, group in itertools.groupby(parts, key=lambda part: len(part.choices) == 1):
        if not fixed:
            yield from group
            continue
        joined = "".join(part.choices[0] for part in group)
        if joined:
            yield Part((joined,))


def _find_name(title: str) -> str | None:
    """Return the name a title opens with, as in "Mousetrap: Fooling Reasoning Models"."""
    head, colon, _ = title.partition(": ")
    return head if colon and _CALLED.fullmatch(head) else None


def _asks_for(asked: frozenset[str], left_out: str, kept: str) -> bool:
    """Tell whether a word of the question stands in what would be left out and nowhere else."""
    return bool(asked & _content(left_out) - _content(kept))


def _content(text: str) -> frozenset[str]:
    return frozenset(
        word.stem
        for word in split_words(text)
        if word.lower not in STOPWORDS and len(word.lower) > 1
    )
