"""Whether a sentence only leaves words of its source out."""

from __future__ import annotations

from collections import Counter

from askpapers.support.wording import STOPWORDS, clean, split_words, stem

# Verbs for what authors do: "we obtain X" becomes "X is obtained", and neither claims more.
_LIGHT = frozenset(
    map(
        stem,
        (
            "use", "obtain", "give", "given", "provide", "develop", "employ", "devise",
            "investigate", "introduce", "formulate", "design", "achieve", "achieved", "conduct",
        ),
    )
)  # fmt: skip


def is_compression(claim: str, source: str, title: str) -> bool:
    """Tell whether the content words of a claim stand in its source, in the same order.

    Words are compared by their stems. Words of the title may stand anywhere, since they name what
    the abstract calls "we" or "our method"; none comes more often than in source and title. A
    model that recombines the words of a sentence changes what it says more often than not, in
    ways that no measure of overlap sees.

    Args:
        claim: what was written.
        source: one sentence of an abstract.
        title: the title of its paper.
    """
    words, held, named = _content(claim), _content(source), set(_content(title))
    known = Counter(held)
    if any(count > known[word] + (word in named) for word, count in Counter(words).items()):
        return False
    left = iter(held)
    return all(word in left for word in words if word not in named)


def _content(text: str) -> list[str]:
    return [
        word.stem
        for word in split_words(clean(text))
        if word.lower not in STOPWORDS and word.stem not in _LIGHT
    ]
