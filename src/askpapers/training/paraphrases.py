"""Changes that leave a sentence true: synonyms, dropped asides, another voice."""

from __future__ import annotations

import random
import re

from askpapers.support.opposites import inflect

_VERB_GROUPS = """propose introduce present|show demonstrate reveal illustrate|improve enhance|
employ utilize apply|achieve attain reach obtain|reduce decrease lower diminish|
increase raise|outperform surpass exceed beat|enable allow permit|evaluate assess test|
examine investigate explore analyze|address tackle|develop create devise|
require need demand|provide offer supply|learn acquire|predict forecast|
leverage exploit utilize|generate produce create|prove establish|suggest indicate imply|
help aid assist|train optimize|combine merge integrate|extend broaden expand|contain include|
start begin commence|stop halt cease|buy purchase|ask request|tell inform notify|
explain clarify describe|discuss debate consider|choose select pick|fix repair resolve|
build construct|remove eliminate delete|prevent avoid|compare contrast|compute calculate|
guarantee ensure|maintain keep preserve retain|highlight emphasize stress underline|
accelerate hasten|select choose|capture grasp|reveal disclose uncover|believe think|
arrive come|leave depart|inspect examine check|finish complete conclude|attack assault|
destroy demolish|criticize condemn|announce declare|collect gather assemble|
occur happen|identify detect recognize|simplify streamline|mitigate alleviate lessen|
require necessitate|facilitate ease|align match|estimate approximate"""
_WORD_GROUPS = """method approach technique|results findings outcomes|
significantly substantially considerably markedly|
existing current prior|novel new|large big sizable|small little|important crucial key vital|
many numerous|several multiple various|often frequently|rapid quick fast|however nevertheless yet|
also additionally|because since as|although though|about approximately around roughly|
about regarding concerning|framework system|experiments evaluations tests|dataset corpus|
datasets corpora|methods approaches techniques|humans people|difficult hard challenging|
easy simple|robust resilient|effective successful|efficient economical|main primary principal|
different distinct|whole entire|only solely merely|requires needs|almost nearly|
generally usually typically|limited restricted|error mistake|errors mistakes|goal aim objective|
benefit advantage|drawback disadvantage shortcoming|entire complete full|recently lately|
particularly especially|therefore thus hence|example instance|correct right|mixed varied|
meeting gathering|friend pal|child kid|children kids|firm company|money funds|
city town|street road|anniversary commemoration|protesters demonstrators activists|doctor physician|
drug medication|illness disease|patients sufferers|decrease decline reduction|
improvement gain enhancement|capability ability|comprehensive extensive thorough|
extensive broad wide|state-of-the-art leading best-performing|real-world practical|
sufficient adequate enough|appropriate suitable proper|subsequently then later|
first initially|finally lastly|clear evident|strategy policy|concept idea|
component module part|characteristics properties features|relationship relation link|
cost expense|speed pace|size scale|amount quantity|beginning start|huge enormous massive"""

_OPENERS = re.compile(
    r"^(?:However|Moreover|Furthermore|In addition|Additionally|Also|Thus|Therefore|Hence|"
    r"Specifically|In particular|To this end|Finally|Consequently|As a result|In this "
    r"(?:paper|work|article)|Here|Notably|"
    r"Importantly|In summary|Overall|Indeed|Besides|First|"
    r"Second|To address this issue|To solve this problem|Interestingly|Empirically|For example|"
    r"For instance),?\s+"
)
_ASIDE = re.compile(
    r"\s\((?![^)]*\d+%)[^()]{2,80}\)|,\s(?:e\.g\.|i\.e\.|for example|namely),?[^,.;]*"
)
_TAIL = re.compile(
    r",\s(?:which|while|where|whereas|leading to|thus|thereby|making|resulting in|enabling|"
    r"allowing|and thus|as well as|including|with|such as)\b[^.;]{8,}(?=[.;]?$)"
)
_ACTIVE = re.compile(
    r"^(?:[Ww]e)\s(?P<verb>propose|introduce|present|develop|describe|study|consider|investigate|"
    r"analyze|design|evaluate|address|prove|derive|establish|provide)\s(?P<object>(?:an?|the)\s"
    r"(?:[\w-]+\s){0,5}?[\w-]+)(?P<rest>(?:\s(?:that|which|for|to|of|based|with|by|in|called|on|"
    r"where)\b|,|\.).*)$"
)
_TITLES = ("The paper", "This paper", "The authors", "The work", "The study", "The researchers")


def _groups() -> dict[str, tuple[str, ...]]:
    made: dict[str, set[str]] = {}
    for group in _VERB_GROUPS.replace("\n", "").split("|"):
        forms = [inflect(verb) for verb in group.split()]
        for index in range(4):
            same = {form[index] for form in forms}
            for word in same:
                made.setdefault(word, set()).update(same - {word})
    for group in _WORD_GROUPS.replace("\n", "").split("|"):
        words = set(group.split())
        for word in words:
            made.setdefault(word, set()).update(words - {word})
    return {word: tuple(sorted(others)) for word, others in made.items()}


SYNONYMS: dict[str, tuple[str, ...]] = _groups()
"""Lower-case word -> words that may stand in its place."""


def swap_synonyms(text: str, rng: random.Random, *, share: float = 0.5) -> str:
    """Exchange each word that has synonyms with probability `share`."""

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        others = SYNONYMS.get(word.lower())
        if not others or rng.random() > share:
            return word
        new = rng.choice(others)
        return new[0].upper() + new[1:] if word[0].isupper() else new

    changed = re.sub(r"[A-Za-z]+(?:-[a-z]+)*", swap, text)
    return re.sub(
        r"\b([Aa])(n?) (?=([A-Za-z]))",
        lambda m: m[1] + ("n" if m[3].lower() in "aeio" else "n" if m[2] and m[3] in "uUhHFLMNRSX"
                          else "") + " ",
        changed,
    )  # fmt: skip


def drop_asides(text: str, rng: random.Random) -> str:
    """Drop the opening word, an aside in brackets, or the last clause."""
    changed = _OPENERS.sub("", text)
    if rng.random() < 0.6:
        changed = _ASIDE.sub("", changed)
    if rng.random() < 0.5 and len(changed.split()) > 16:
        changed = _TAIL.sub("", changed)
    return changed[:1].upper() + changed[1:]


def change_voice(text: str, rng: random.Random) -> str:
    """Passive for "We propose X", or the paper in the place of "we"."""
    match = _ACTIVE.match(text)
    if match and rng.random() < 0.6:
        past = inflect(match["verb"])[2]
        noun = match["object"][0].upper() + match["object"][1:]
        return f"{noun} is {past}{match['rest']}"
    third = re.match(r"^[Ww]e ([a-z]+)\b(?!\s(?:also|then|further))", text)
    if third and third[1] not in {"are", "have", "can", "do", "will", "were", "had"}:
        name = rng.choice(_TITLES)
        verb = third[1] if name.endswith("s") else inflect(third[1])[1]
        return f"{name} {verb}{text[third.end() :]}"
    text = re.sub(r"\b[Oo]ur\b", lambda m: "The" if m[0][0] == "O" else "the", text)
    return re.sub(r"^We\b", "The authors", text)


def paraphrase(text: str, rng: random.Random) -> str:
    """A random mix of the changes above; sometimes the sentence itself."""
    if rng.random() < 0.15:
        return text
    changed = text
    if rng.random() < 0.6:
        changed = drop_asides(changed, rng)
    if rng.random() < 0.6:
        changed = change_voice(changed, rng)
    if rng.random() < 0.7:
        changed = swap_synonyms(changed, rng, share=rng.choice([0.2, 0.5, 0.9]))
    return changed
