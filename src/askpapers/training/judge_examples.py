"""Supervision made by rule: true sentences about a text, and sentences one change away."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence

from askpapers.support.evidence_window import content_stems
from askpapers.support.wording import find_names
from askpapers.training.corruptions import Corruption, make_corruptions
from askpapers.training.judge_data import Example, Label, Source, find_changes
from askpapers.training.paraphrases import paraphrase

_LABELS: dict[str, Label] = {
    "number": "contradicted",
    "unit": "unsupported",
    "negation": "contradicted",
    "direction": "contradicted",
    "entity": "unsupported",
    "role": "contradicted",
    "quantifier": "unsupported",
    "addition": "neither",
}


class Neighbours:
    """Finds another source on a like subject, by the rare stems that titles share."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for index, source in enumerate(sources):
            for stem in sorted(content_stems(source.title)):
                self._by_stem[stem].append(index)

    def pick(self, source: Source, rng: random.Random) -> Source:
        """A neighbour of `source` that is not of its group."""
        scores: dict[int, float] = defaultdict(float)
        for stem in sorted(content_stems(source.title)):
            posting = self._by_stem[stem]
            if 1 < len(posting) < 2000:
                for index in rng.sample(posting, min(60, len(posting))):
                    scores[index] += 1.0 / len(posting)
        ranked = sorted(scores, key=lambda index: -scores[index])[:6]
        ranked = [index for index in ranked if self._sources[index].group != source.group]
        if not ranked:
            while True:
                other = rng.choice(self._sources)
                if other.group != source.group:
                    return other
        return self._sources[rng.choice(ranked)]


def _proof(source: Source, needed: Sequence[int], rng: random.Random) -> tuple[str, ...]:
    everything = range(len(source.sentences))
    if not needed or rng.random() < 0.15:
        kept = set(everything)
    else:
        kept = set(needed)
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            kept.add(rng.choice(everything))
    return tuple(source.sentences[index] for index in sorted(kept))


def _tails(source: Source) -> list[str]:
    found = []
    for sentence in source.sentences:
        clause = re.split(r",\s(?:which|and|while|where)\s", sentence)[-1]
        if 4 <= len(clause.split()) <= 16:
            found.append(clause)
    return found


def make_examples(
    sources: Sequence[Source],
    rng: random.Random,
    *,
    per_truth: int,
    per_source: int,
    prefix: str,
) -> list[Example]:
    """True sentences and their corruptions, about as many of each.

    Args:
        sources: Texts; neighbours are looked for among them.
        rng: Source of all choices.
        per_truth: Corruptions taken of each truth at most.
        per_source: Truths taken of each source at most.
        prefix: Becomes the `source` of the examples.
    """
    neighbours = Neighbours(sources)
    made: list[Example] = []
    for source in sources:
        other = neighbours.pick(source, rng)
        names = [
            name
            for text in (f"{other.title}. {' '.join(other.sentences)}", *source.sentences)
            for name in find_names(text)
            if re.search(r"[A-Z].*[A-Z0-9]", name)
        ]
        own_tails, other_tails = _tails(source), _tails(other)
        truths = list(source.truths)
        rng.shuffle(truths)
        for truth, needed in truths[:per_source]:

            def add(
                claim: str, proof: tuple[str, ...], label: Label, kind: str,
                changed: tuple[tuple[int, int], ...] | None, group: str = source.group,
            ) -> None:  # fmt: skip
                made.append(Example(claim, proof, label, prefix, kind, group, changed))

            said = truth if source.written and rng.random() < 0.7 else paraphrase(truth, rng)
            if len(truths) > 1 and rng.random() < 0.08:
                second, more = rng.choice(truths)
                if second != truth:
                    said, needed = f"{said} {second}", (*needed, *more)
            add(said, _proof(source, needed, rng), "supported", "true", ())
            corrupted = make_corruptions(said, rng, names=names, tails=other_tails)
            for change in _choose(corrupted, per_truth, rng):
                add(change.text, _proof(source, needed, rng), _LABELS[change.kind], change.kind,
                    find_changes(said, change.text))  # fmt: skip
            if corrupted and rng.random() < 0.5:
                # The same sentence again, said otherwise: truths and changes stay balanced.
                add(paraphrase(truth, rng), _proof(source, needed, rng), "supported", "true", ())
            draw = rng.random()
            if draw < 0.2:
                some = rng.sample(range(len(other.sentences)), min(2, len(other.sentences)))
                add(said, _proof(other, some, rng), "neither", "wrong-paper", None)
            elif draw < 0.4 and needed:
                rest = tuple(s for i, s in enumerate(source.sentences) if i not in needed)
                rest = tuple(s for s in rest if len(content_stems(s) & content_stems(said)) < 6)
                if rest:
                    add(said, rest, "neither", "same-paper", None)
            elif draw < 0.46 and own_tails and needed:
                # An addition that the text does hold is no fault.
                tail = rng.choice(own_tails).rstrip(" .")
                joined = f"{said.rstrip(' .')}, and {tail[0].lower() + tail[1:]}."
                add(joined, source.sentences, "supported", "true", ())
    return made


def _choose(made: Sequence[Corruption], count: int, rng: random.Random) -> list[Corruption]:
    # Kinds that few sentences allow come first, so that all kinds are well represented.
    rare = {"unit": 5.0, "role": 5.0, "number": 2.5, "entity": 1.2, "quantifier": 0.7,
            "addition": 0.7}  # fmt: skip
    keyed = sorted(made, key=lambda change: -rng.random() * rare.get(change.kind, 1.0))
    return keyed[:count]
