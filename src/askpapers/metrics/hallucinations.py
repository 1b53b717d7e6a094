"""What a claim says that its evidence does not: numbers, entities, negations, directions.

Deterministic and deliberately independent of the guard that the answering pipeline uses, so that
a fault of the guard shows here. The kinds follow the error types that FactCC (Kryscinski et al.,
EMNLP 2020) and FRANK (Pagnoni et al., NAACL 2021) found in generated summaries.
"""

import re
from collections.abc import Sequence
from typing import Literal

from askpapers.metrics.facts import find_numbers, is_number, normalise

Kind = Literal["number", "entity", "negation", "direction", "unsupported"]
KINDS: tuple[Kind, ...] = ("number", "entity", "negation", "direction", "unsupported")

_CUE_WORDS = "not no never without cannot neither nor none hardly unable fail lack"
_CUES = frozenset(_CUE_WORDS.split())
_CONTRACTED = re.compile(r"\b(\w+)n[’']t\b")
_FILLER_WORDS = (
    "a an the any be been being to of in on for with that this it its do doe did have ha had is "
    "are was were can could will would may might shall should only just also even yet very much "
    "all necessarily always"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
_NEGATED_WORDS = 1
_STEM = 5

_OPPOSITES: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (frozenset(up.split()), frozenset(down.split()))
    for up, down in (
        (
            "increase increasing increased grow growing rise rising raise raised higher greater "
            "larger more improve improving improved enhance enhancing enhanced boost boosting",
            "decrease decreasing decreased reduce reducing reduced shrink fall falling drop "
            "dropping lower lowered lowering decline declining smaller fewer less degrade "
            "degrading degraded worsen worsening hurt hurting harm",
        ),
        ("faster quicker accelerate speedup", "slower slow slowdown"),
        ("better superior outperform outperforming outperformed", "worse inferior underperform"),
        ("positive positively", "negative negatively"),
        ("above exceed exceeding", "below"),
    )
)

# "one of them", "zero-shot": words, not figures that evidence would have to hold.
_PRONOUN = re.compile(r"\b(?:one|zero)\b", re.IGNORECASE)

_NAME = re.compile(r"[A-Za-z][\w]*(?:[-+./][\w]+)*\+*")
_INNER_CAPITAL = re.compile(r"[A-Z].*[A-Z]|[a-z].*[A-Z]|[A-Za-z].*\d")


def find_entities(text: str) -> tuple[str, ...]:
    """Names in a text: acronyms, CamelCase, names with digits, capitals inside a sentence.

    A merely capitalised word that opens the text or a sentence is not taken for a name.
    """
    found: list[str] = []
    for match in _NAME.finditer(text):
        word = match[0]
        before = text[: match.start()].rstrip(" \t\n\"'“”‘’([")
        opens = not before or before[-1] in ".!?:"
        if _INNER_CAPITAL.search(word) or (word[0].isupper() and len(word) > 1 and not opens):
            found.append(word)
    return tuple(dict.fromkeys(found))


def _has_entity(entity: str, tokens: Sequence[str]) -> bool:
    wanted = normalise(entity)
    if not wanted:
        return True
    joined, glued = " ".join(tokens), "".join(wanted)
    # "CIFAR10" and "CIFAR-10" are the same name: compare without the joints too.
    return f" {' '.join(wanted)} " in f" {joined} " or glued in joined.replace(" ", "")


def _negated(tokens: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Stems of the content words right behind a negation, and of all others."""
    inside: set[str] = set()
    outside: set[str] = set()
    left = 0
    for token in tokens:
        if token in _CUES:
            left = _NEGATED_WORDS
        elif token in _FILLERS or is_number(token):
            continue
        elif left:
            inside.add(token[:_STEM])
            left -= 1
        else:
            outside.add(token[:_STEM])
    return frozenset(inside), frozenset(outside)


def _tokens_with_negation(text: str) -> tuple[str, ...]:
    text = _CONTRACTED.sub(lambda match: ("ca" if match[1] == "ca" else match[1]) + " not", text)
    return tuple("fail" if token in {"failed", "failing"} else token for token in normalise(text))


def has_flipped_negation(claim: str, evidence: str) -> bool:
    """Whether a word is negated on one side and stands without negation on the other only."""
    claim_in, claim_out = _negated(_tokens_with_negation(claim))
    proof_in, proof_out = _negated(_tokens_with_negation(evidence))
    added = (claim_in & proof_out) - proof_in
    removed = (proof_in & claim_out) - claim_in - proof_out
    return bool(added or removed)


def has_flipped_direction(claim: str, evidence: str) -> bool:
    """Whether the claim has a direction word whose opposite, and not itself, is in the evidence."""
    said = set(normalise(claim))
    read = set(normalise(evidence))
    for pair in _OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if said & one and not read & one and read & other and not said & other:
                return True
    return False


def find_hallucinations(
    claim: str, evidence: Sequence[str], context: Sequence[str] = (), *, supported: bool = True
) -> frozenset[Kind]:
    """Kinds of statements in a claim that its evidence does not hold.

    Args:
        claim: One sentence, with or without marks.
        evidence: The texts that it cites.
        context: Texts that may name things without proving them (titles of the cited papers, the
            question); they excuse names, not numbers or directions.
        supported: The judge's word on the claim; without support the kind "unsupported" is added.

    Returns:
        The kinds, empty for a claim without fault.
    """
    proof = "\n".join(evidence)
    tokens = [*normalise(proof), *normalise("\n".join(context))]
    kinds: set[Kind] = set()
    names = find_entities(claim)
    numbers = find_numbers(_PRONOUN.sub(" ", claim)) - find_numbers(proof)
    # A number inside a name ("CIFAR-10", "Llama-2") is judged with the name.
    for name in names:
        numbers -= find_numbers(name)
    if numbers:
        kinds.add("number")
    if any(not _has_entity(name, tokens) for name in names):
        kinds.add("entity")
    if has_flipped_negation(claim, proof):
        kinds.add("negation")
    if has_flipped_direction(claim, proof):
        kinds.add("direction")
    if not supported:
        kinds.add("unsupported")
    return frozenset(kinds)
