"""Which sentences of a long evidence a claim is read against.

Rare words count more; the table of document frequencies was counted over paper abstracts and is
shipped as a list of word stems in classes of falling frequency.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from askpapers.support.wording import STOPWORDS, clean, split_sentences, split_words

MAX_WINDOW_WORDS = 140
"""Words of evidence that are read at most; about 200 word pieces."""
_CLASS_WIDTH = 0.5


class WordWeights:
    """Inverse document frequencies of stems; unknown stems get the weight of the rarest class."""

    def __init__(self, weights: Mapping[str, float], unknown: float) -> None:
        self._weights = weights
        self._unknown = unknown

    def __getitem__(self, stem: str) -> float:
        return self._weights.get(stem, self._unknown)

    @classmethod
    def load(cls, path: Path) -> WordWeights:
        """Read the table: one line a class, `<weight> <stem> <stem> ...`."""
        weights: dict[str, float] = {}
        unknown = 0.0
        for line in path.read_text(encoding="utf-8").splitlines():
            number, *stems = line.split()
            unknown = max(unknown, float(number))
            weights.update(dict.fromkeys(stems, float(number)))
        return cls(weights, unknown + 1.0)


def count_words(texts: Iterable[str], *, size: int) -> str:
    """The table for `WordWeights.load`, of the `size` stems found in most texts."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += 1
        counts.update({word.stem for word in split_words(clean(text)) if word.stem.isalpha()})
    classes: dict[float, list[str]] = {}
    for stem, count in counts.most_common(size):
        weight = round(math.log(total / count) / _CLASS_WIDTH) * _CLASS_WIDTH
        classes.setdefault(weight, []).append(stem)
    return "".join(
        f"{weight:g} {' '.join(sorted(stems))}\n" for weight, stems in sorted(classes.items())
    )


@lru_cache(maxsize=4096)
def content_stems(text: str) -> frozenset[str]:
    """Stems of the words of a raw text that are not stopwords, numbers included."""
    return frozenset(word.stem for word in split_words(clean(text)) if word.lower not in STOPWORDS)


def as_sentences(evidence: Sequence[str]) -> list[str]:
    """The evidence as sentences, whatever the units it came in."""
    return [sentence for unit in evidence for sentence in split_sentences(clean(unit))]


def select_window(
    claim: str,
    sentences: Sequence[str],
    weights: WordWeights,
    *,
    max_words: int = MAX_WINDOW_WORDS,
) -> list[str]:
    """Sentences of the evidence that say most of what the claim says, in their order.

    Greedy: each step takes the sentence with the largest weight of claim words, words already
    found counting a quarter, until `max_words` are full. Short evidence is returned whole.
    """
    lengths = [len(sentence.split()) for sentence in sentences]
    if sum(lengths) <= max_words:
        return list(sentences)
    wanted = {stem: weights[stem] for stem in content_stems(claim)}
    shared = [
        {stem for stem in content_stems(sentence) if stem in wanted} for sentence in sentences
    ]
    found: set[str] = set()
    chosen: set[int] = set()
    room = max_words
    while room > 0:
        best, best_gain = -1, 0.0
        for index, stems in enumerate(shared):
            if index in chosen:
                continue
            gain = sum(wanted[stem] * (0.25 if stem in found else 1.0) for stem in stems)
            # The sentence beside a chosen one often completes it.
            if index - 1 in chosen or index + 1 in chosen:
                gain += 0.5
            gain /= 1.0 + lengths[index] / 120
            if gain > best_gain:
                best, best_gain = index, gain
        if best < 0:
            break
        chosen.add(best)
        found |= shared[best]
        room -= lengths[best]
    if not chosen:
        chosen = {0}
    kept = []
    for index in sorted(chosen):
        words = sentences[index].split()
        kept.append(" ".join(words[:max_words]))
    return kept
