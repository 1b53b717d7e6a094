"""Where an abstract brings in the names and the things that one of its sentences takes as known.

"The update rule favours simple skills" is a whole sentence, and says nothing to a reader who was
not told which rule: a definite description mostly repeats the noun of its antecedent (Poesio and
Vieira, "A corpus-based investigation of definite description use", Computational Linguistics
24(2), 1998), so an earlier sentence that has the noun, in an abstract whose told sentences and
title have not, is where the reader must be taken. An acronym goes back to where it is spelled
out, a variable to where it first stands, "our approach" to what is proposed, and a result to the
setting that it holds for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from askpapers.domain import Evidence, Paper
from askpapers.injections import find_fault
from askpapers.queries import find_definitions
from askpapers.sentences import quote_sentences
from askpapers.support.opposites import split_list
from askpapers.support.wording import STOPWORDS, stem

_TOKEN = re.compile(
    r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*(?=['’]s)|['’]s\b"
    r"|[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*|\d+|[^\w\s]"
)
_ENDS_PHRASE = STOPWORDS | frozenset(
    split_list(
        "against across along although among because before after behind beyond due like unlike "
        "since toward towards until unless upon within without onto yet per even only too all "
        "every few many much several one two three four based cannot "
        "achieves allows demonstrate demonstrates enables outperforms indicate indicates suggest "
        "suggests reveal reveals yields provides requires makes gives takes becomes"
    )
)
_EXPLAINS = frozenset(
    split_list(
        "of in for that which between among to from with when where on behind underlying across "
        "over against under such whose at within into by"
    )
)
"""What follows a noun that is explained behind it: "the gap between A and B"."""
_KNOWN_THINGS = frozenset(
    split_list(
        "method methods approach approaches algorithm algorithms framework frameworks model models "
        "paper work works study result results finding findings experiment experiments evaluation "
        "evaluations analysis analyses technique techniques system systems contribution "
        "contributions proof proofs code solution solutions procedure architecture formulation "
        "theory theorem theorems proposal knowledge observations insights goal aim proposed new "
        "novel full main previous existing prior art literature state-of-the-art same performance "
        "process"
    )
)
"""What a paper may call its own without a word of where it comes from, and what any paper has."""
_KNOWN_NAMES = frozenset(
    split_list(
        "AI ML DL RL NLP LLM CNN DNN RNN LSTM GAN VAE GNN SVM PCA SGD GPU CPU GP MDP MCMC KL QA "
        "NN RGB MSE ReLU BERT GPT API SOTA AUC IID MLP SVD BLEU MRI CT EEG NP ResNet ImageNet "
        "CIFAR MNIST COCO"
    )
)
"""The commonest of those that abstracts of the field leave unexplained."""
_NAME = re.compile(
    r"(?<![\w\\{-])(?:[A-Z]-)?(?:[A-Z][A-Za-z]*[A-Z][A-Za-z0-9]*|[A-Z][a-z]+[A-Z]\w*)(?:-[A-Z]\w*)*"
)
_THING = (
    r"(?:approach(?:es)?|(?:method|model|framework|algorithm|system|technique|architecture"
    r"|procedure|scheme)s?)"
)
_PROPOSED = re.compile(
    rf"\b(?:our|the proposed) (?:[\w-]+ ){{0,2}}?{_THING}\b|^(?:the|this) (?:[\w-]+ )?{_THING}\b",
    re.IGNORECASE,
)
_PROPOSES = re.compile(
    r"\b(?:we|paper|work|article|study|report|survey|note)\b[^.]{0,60}?\b(?:propos|introduc|present"
    r"|develop|design|describ|devis|construct|formulat|suggest|explor|investigat)\w*",
    re.IGNORECASE,
)
_SETS = re.compile(
    r"\b(?:we|attention|ourselves|paper|work|article|study)\b[^.]{0,40}?\b(?:restrict|confin"
    r"|limit (?:ourselves|attention|our)|speciali[sz]|concentrat\w+ on"
    r"|(?:consider|stud(?:y|ies)|focus(?:es|ing)? on) (?:the (?:\w+ ){0,3}problem"
    r"|(?:(?:the|an?) )?(?:[\w-]+ ){0,3}(?:case|setting|regime)s?)\b)",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(?:prove|show|result|rate|bound|theorem|guarantee|convergence|complexity|regret|optimal)",
    re.IGNORECASE,
)
_SYMBOL = re.compile(
    r"(?<![\w\\'’.-])(?:[b-zB-HJ-Z]|\\?(?:alpha|beta|gamma|delta|epsilon|eta|lambda|mu|rho|sigma"
    r"|tau|theta))(?![^\W_]|['’+#-]|\.\w)"
)
_COINS = (
    r"\b(?:call(?:ed)?|nam(?:ed|ely)|term(?:ed)?|dub(?:bed)?|propos\w*|introduc\w*|present\w*"
    r"|develop\w*|describ\w*|design\w*|releas\w*|as|:|,) (?:the |an? )?(?:\w+ )?"
)
_BRINGS_IN = r"\b(?:an?|two|three|several|some|new|novel|different|these) (?:[\w-]+ ){0,3}"
_ACT = re.compile(r"[\w-]+(?:ness|ity|ion|ment|[ae]nce)")
_LONG = 5
"""So many first letters make a verb and its noun one: "we compare", "our comparison"."""
_SHORT = 3
_MOST_WORDS = 5


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A noun phrase behind "the" or "our": its words, the word behind it, those before it."""

    possessive: bool
    words: tuple[str, ...]
    behind: str
    before: frozenset[str]

    @property
    def names_act(self) -> bool:
        """Whether it is a short name of an act or a property, not explained behind it."""
        return (
            len(self.words) <= 2
            and self.behind not in _EXPLAINS
            and _ACT.fullmatch(self.words[0]) is not None
        )


def find_antecedents(
    evidence: Evidence, paper: Paper, *, told: Sequence[Evidence], known: str
) -> tuple[Evidence, ...]:
    """Return the untold sentences that bring in what a sentence takes as known, in order.

    Args:
        evidence: a sentence that will be shown.
        paper: whose it is.
        told: sentences of the same paper that are shown before it.
        known: other text that the reader has seen (the question).
    """
    untold = [
        s
        for s in quote_sentences(paper, evidence.score)
        if s.end <= evidence.start
        and not any(s.overlaps(t) for t in told)
        and find_fault(s.quote) is None
    ]
    if not untold:
        return ()
    said = " ".join(t.quote for t in told)
    seen = " ".join([paper.title, known, said])
    texts = [sentence.quote for sentence in untold]
    places = [
        *_place_names(evidence.quote, texts, seen, said),
        *_place_proposal(evidence.quote, texts, said),
        *_place_setting(evidence.quote, untold, told),
        *_place_symbols(evidence.quote, texts, seen),
        *_place_things(evidence.quote, texts, seen),
    ]
    return tuple(untold[place] for place in sorted(set(places)))


def _place_names(sentence: str, untold: Sequence[str], seen: str, said: str) -> Iterator[int]:
    """Yield the place of the sentence that brings in each name the reader hasn't seen.

    An acronym is known, too, where all the words that it stands for were told.
    """
    for match in _NAME.finditer(sentence):
        name = match[0].removesuffix("s")
        if len(name) < 2 or name in _KNOWN_NAMES or re.search(rf"\b{name}s?\b", seen, re.I):
            continue
        if f"({match[0]}" in sentence or f"{match[0]} (" in sentence:
            continue  # spelled out where it stands
        coined = re.compile(
            rf"{_COINS}{name}\b|\({name}s?\)|^{name}(?: \([^)]*\))? (?:is|are) (?:an?|one|the)\b"
        )
        for place, text in enumerate(untold):
            spelled = find_definitions(text).get(name)
            if spelled is not None or coined.search(text):
                words = {word for word in (spelled or name).split() if word not in STOPWORDS}
                if not set(map(stem, words)) <= _stems(said):
                    yield place
                break


def _place_proposal(sentence: str, untold: Sequence[str], said: str) -> Iterator[int]:
    """Yield the place of what the paper proposes, where "our approach" is told before it."""
    if _PROPOSED.search(sentence) and not _PROPOSES.search(f"{said} {sentence}"):
        yield from [place for place, text in enumerate(untold) if _PROPOSES.search(text)][:1]


def _place_setting(
    sentence: str, untold: Sequence[Evidence], told: Sequence[Evidence]
) -> list[int]:
    """Return the place of the setting that a result holds for: the last one brought in before it.

    None where that one was told, or where the result brings in its own.
    """
    if not _RESULT.search(sentence) or _SETS.search(sentence):
        return []
    last = max((t.end for t in told if _SETS.search(t.quote)), default=0)
    return [p for p, s in enumerate(untold) if s.start >= last and _SETS.search(s.quote)][-1:]


def _place_symbols(sentence: str, untold: Sequence[str], seen: str) -> Iterator[int]:
    """Yield the place of the sentence that brings in each variable the reader hasn't seen."""
    known = _SYMBOL.findall(seen)
    for symbol in dict.fromkeys(_SYMBOL.findall(sentence)):
        if symbol in known:
            continue
        for place, text in enumerate(untold):
            if symbol in _SYMBOL.findall(text):
                yield place
                break


def _place_things(sentence: str, untold: Sequence[str], seen: str) -> Iterator[int]:
    """Yield the place of the sentence that brings in each thing the reader hasn't seen."""
    stems, pairs = _stems(seen), _pairs(seen)
    for phrase in _split_phrases(sentence):
        known = stems | phrase.before
        place = _place_pair(phrase, untold, known, pairs)
        if place is None and len(phrase.words) <= 2:
            place = _place_noun(phrase, untold, known)
        if place is None and (phrase.possessive or phrase.names_act):
            place = _place_act(phrase, untold, known)
        if place is not None:
            yield place


def _place_pair(
    phrase: _Phrase,
    untold: Sequence[str],
    known: frozenset[str],
    pairs: frozenset[tuple[str, str]],
) -> int | None:
    """Find two neighbouring words of a phrase ("update rule") where they first stood together."""
    for first, second in itertools.pairwise(phrase.words):
        if first in _KNOWN_THINGS:
            continue
        pair = (stem(first), stem(second))
        if pair in pairs or set(pair) <= known:
            continue
        for place, text in enumerate(untold):
            if pair in _pairs(text):
                return place
    return None


def _place_noun(phrase: _Phrase, untold: Sequence[str], known: frozenset[str]) -> int | None:
    """Find the noun of a short phrase where it came in, as "a rule" or as "rules".

    The second of two words may be the verb ("the criterion approximates").
    """
    if any(stem(word) in known for word in phrase.words):
        return None
    behind = phrase.behind
    for noun in reversed(phrase.words):
        if len(noun) <= _SHORT or noun in _KNOWN_THINGS:
            return None
        came = re.compile(rf"{_BRINGS_IN}{noun}(?:e?s)?\b|\b{noun}e?s\b", re.IGNORECASE)
        for place, text in enumerate(untold):
            if behind not in _EXPLAINS and came.search(text):
                return place
        behind = noun
    return None


def _place_act(phrase: _Phrase, untold: Sequence[str], known: frozenset[str]) -> int | None:
    """Find the nearest sentence with a word of the same root ("rich enough", "the richness")."""
    if len(phrase.words) > _SHORT:
        return None
    for word in phrase.words:
        if word in _KNOWN_THINGS or len(word) <= _SHORT or stem(word) in known:
            continue
        root = stem(word)[:_LONG]
        for place in reversed(range(len(untold))):
            held = _stems(untold[place])
            if root in held or (len(root) == _LONG and any(h.startswith(root) for h in held)):
                return place
    return None


def _split_phrases(sentence: str) -> Iterator[_Phrase]:
    tokens = [token.lower() for token in _TOKEN.findall(sentence)]
    for place, token in enumerate(tokens):
        if token not in ("the", "our"):
            continue
        end = place + 1
        while end < min(len(tokens), place + 1 + _MOST_WORDS) and (
            tokens[end] not in _ENDS_PHRASE and tokens[end][0].isalpha()
        ):
            end += 1
        words = tuple(tokens[place + 1 : end])
        if words and words[0] not in ("first", "second", "third"):
            behind = tokens[end] if end < len(tokens) else "."
            before = frozenset(map(stem, tokens[:place]))
            yield _Phrase(token == "our", words, behind, before)


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(token.lower()) for token in _TOKEN.findall(text))


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    stems = [stem(token.lower()) for token in _TOKEN.findall(text)]
    return frozenset(itertools.pairwise(stems))
