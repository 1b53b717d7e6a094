"""What of a claim is found in its evidence, as numbers for the regression.

Overlap by weight of words, pairs of words, runs of letters and their order; what is missing and
how rare it is; the guard's findings by kind. Text matching of this sort is a strong baseline on
claims from other authors and blind to small edits, for which the guard and the network stand.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from askpapers.support.evidence_window import WordWeights
from askpapers.support.opposites import split_list
from askpapers.support.parsed import GuardFinding, parse_text
from askpapers.support.placement import find_misplacement
from askpapers.support.wording import STOPWORDS, Word, clean, split_words

LEXICAL_FEATURES = (
    "coverage", "best_coverage", "two_coverage", "plain_coverage", "pair_coverage",
    "letter_coverage", "longest_run", "order", "reverse_coverage", "missing_weight",
    "heaviest_missing", "missing_words", "claim_words", "evidence_words", "evidence_sentences",
    "has_number", "number", "unit", "negation", "direction", "opposite", "entity", "hard",
    "hard_in_copy", "copy", "negations_differ", "missing_run", "full", "number_in_covered",
    "negation_in_covered", "direction_in_covered", "opposite_in_covered", "entity_in_covered",
    "hard_in_covered", "entity_share", "misplaced", "only_name_missing", "only_number_missing",
)  # fmt: skip
"""Names of the numbers of `find_features`, in order."""

NETWORK_FEATURES = (
    "margin", "contradiction", "doubt", "margin_squashed", "margin_in_copy", "cosine",
)  # fmt: skip
"""Names of the numbers made from the network's logits."""

_LETTERS = 4
_NEGATIVE = frozenset(
    split_list("not no never without neither nor none unable fail fails lack lacks")
)


def find_features(
    claim: str,
    sentences: Sequence[str],
    weights: WordWeights,
    findings: Sequence[GuardFinding],
) -> list[float]:
    """The numbers named by `LEXICAL_FEATURES` for one claim.

    Args:
        claim: The sentence to be judged.
        sentences: The evidence, split into sentences.
        weights: Weights of words.
        findings: What the guard found for the same claim and evidence.
    """
    said = [word for word in parse_text(claim).words if word.lower not in STOPWORDS]
    stems = list(dict.fromkeys(word.stem for word in said))
    weight = {stem: weights[stem] for stem in stems}
    total = sum(weight.values()) or 1.0
    parsed = [parse_text(sentence) for sentence in sentences]
    read = [{word.stem for word in sentence.words} for sentence in parsed]
    union: set[str] = set().union(*read) if read else set()

    def covered(found: set[str]) -> float:
        return sum(weight[stem] for stem in stems if stem in found) / total

    by_sentence = [covered(found) for found in read]
    best = max(range(len(read)), key=by_sentence.__getitem__, default=-1)
    best_stems = read[best] if read else set()
    two = max((covered(best_stems | found) for found in read), default=0.0)
    missing = [stem for stem in stems if stem not in union]
    best_words = parsed[best].words if parsed else ()
    kinds = {kind: sum(finding.kind == kind for finding in findings) for kind in
             ("number", "unit", "negation", "direction", "opposite", "entity")}  # fmt: skip
    hard = float(sum(kinds.values()) - kinds["entity"] > 0)
    run = _longest_run(parse_text(claim).words, best_words)
    copy = run * covered(best_stems)
    near = [word.lower for word in best_words]
    whole = covered(union)
    names = parse_text(claim).names
    # A sentence whose names alone are not in the evidence is likely the evidence's, turned.
    strange = " ".join(finding.text for finding in findings if finding.kind == "entity")
    named = {word.stem for word in split_words(clean(strange))}
    return [
        whole,
        covered(best_stems),
        two,
        len([stem for stem in stems if stem in union]) / (len(stems) or 1),
        _pair_coverage(said, [sentence.words for sentence in parsed]),
        _letter_coverage(parse_text(claim).text, " ".join(s.text for s in parsed)),
        run,
        _order(stems, best_words),
        len(best_stems & set(stems)) / (len(best_stems) or 1),
        sum(weight[stem] for stem in missing) / 10,
        max((weight[stem] for stem in missing), default=0.0) / 5,
        min(len(missing), 8) / 4,
        math.log1p(len(said)),
        math.log1p(sum(len(sentence.words) for sentence in parsed)),
        math.log1p(len(parsed)),
        float(bool(parse_text(claim).quantities)),
        *(float(min(kinds[kind], 2)) for kind in
          ("number", "unit", "negation", "direction", "opposite", "entity")),
        hard,
        hard * copy,
        copy,
        float(bool({w.lower for w in said} & _NEGATIVE) != bool(set(near) & _NEGATIVE)),
        _missing_run([word.stem for word in said], union),
        float(whole >= 0.97),
        *(whole**2 * min(kinds[kind], 1) for kind in
          ("number", "negation", "direction", "opposite", "entity")),
        whole**2 * hard,
        kinds["entity"] / (len(names) or 1),
        find_misplacement(parse_text(claim), parsed),
        float(bool(missing) and not set(missing) - named),
        float(bool(missing) and not any(map(str.isalpha, missing))),
    ]  # fmt: skip


def network_features(logits: Sequence[float], copy: float) -> list[float]:
    """The numbers named by `NETWORK_FEATURES` from the logits of one pair."""
    supported, neither, contradicted, doubt, cosine = (float(value) for value in logits)
    margin = supported - float(math.log(math.exp(neither) + math.exp(contradicted)))
    return [
        margin,
        contradicted - neither,
        max(-8.0, min(8.0, doubt)),
        math.tanh(margin / 2),
        margin * copy,
        cosine,
    ]


def _missing_run(stems: Sequence[str], found: set[str]) -> float:
    """Length of the longest run of content words that are not found, in tens."""
    longest = run = 0
    for stem in stems:
        run = 0 if stem in found else run + 1
        longest = max(longest, run)
    return longest / 10


def _pair_coverage(said: Sequence[Word], read: Sequence[Sequence[Word]]) -> float:
    """Share of the claim's neighbouring content stems that are near each other in a sentence."""
    wanted = {(a.stem, b.stem) for a, b in pairwise(said)}
    if not wanted:
        return 0.0
    found: set[tuple[str, str]] = set()
    for words in read:
        content = [word.stem for word in words if word.lower not in STOPWORDS]
        for index, stem in enumerate(content):
            found.update((stem, other) for other in content[index + 1 : index + 4])
    return len(wanted & found) / len(wanted)


def _letter_coverage(claim: str, evidence: str) -> float:
    """Share of the claim's runs of four letters that are in the evidence."""
    claim, evidence = claim.lower(), evidence.lower()
    wanted = {claim[index : index + _LETTERS] for index in range(len(claim) - _LETTERS + 1)}
    return sum(run in evidence for run in wanted) / (len(wanted) or 1)


def _longest_run(claim: Sequence[Word], best: Sequence[Word]) -> float:
    """Length of the longest run of words that both share, as a share of the claim."""
    if not claim or not best:
        return 0.0
    longest, row = 0, [0] * (len(best) + 1)
    stems = [word.stem for word in best]
    for word in claim:
        before = row
        row = [0] * (len(best) + 1)
        for index, stem in enumerate(stems):
            if stem == word.stem:
                row[index + 1] = before[index] + 1
                longest = max(longest, row[index + 1])
    return longest / len(claim)


def _order(stems: Sequence[str], best: Sequence[Word]) -> float:
    """How much of the shared stems stands in the same order: longest rising run over all."""
    place: dict[str, int] = {}
    for index, word in enumerate(best):
        place.setdefault(word.stem, index)
    sequence = [place[stem] for stem in stems if stem in place]
    if len(sequence) < 2:
        return 1.0
    tails: list[int] = []
    for value in sequence:
        at = bisect_left(tails, value)
        tails[at : at + 1] = [value]
    return len(tails) / len(sequence)
