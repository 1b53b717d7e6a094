"""Passages: windows of whole sentences that the embedder reads to the end.

all-MiniLM-L6-v2 reads 256 word pieces and silently drops the rest; 42% of 1,000 title and
abstract texts are longer. So an abstract is embedded in windows, each together with its title,
and a sentence too long for one window is cut at whitespace. Offsets are characters of the
abstract: `abstract[start:end] == text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from askpapers.domain import Paper, Passage, Span
from askpapers.sentences import split_sentences

PASSAGE_RULE = "windows/2"
"""Version of the rules below and of `sentences`; a change of either changes every index."""

CountTokens = Callable[[str], int]
"""Word pieces of a text as the embedder reads it, its special tokens included."""

_TITLE_SHARE = 0.5
_CHARS_PER_TOKEN = 32
"""Text longer than this many characters a token is cut without counting it: time, not size."""


def embedding_text(title: str, text: str) -> str:
    """Return what the embedder reads for a passage or a sentence of a paper."""
    return f"{title}. {text}" if title else text


def make_passages(
    paper: Paper,
    *,
    count_tokens: CountTokens,
    max_tokens: int,
    target_tokens: int = 200,
    overlap: int = 1,
    sentences: Sequence[Span] | None = None,
) -> list[Passage]:
    """Pack the sentences of a paper's abstract into windows, in order.

    A window holds as many sentences as fit `target_tokens` with the title (at least one), and
    starts `overlap` sentences before the end of the window before it where that leaves room
    for a new one. No window exceeds `max_tokens`.

    Args:
        paper: its title is part of every window's size.
        count_tokens: the embedder's own count.
        max_tokens: what the embedder reads, special tokens included.
        target_tokens: preferred size, at most `max_tokens`.
        overlap: sentences shared by neighbouring windows.
        sentences: `make_sentences` of the same paper, where it is at hand.
    """
    target = min(target_tokens, max_tokens)
    title = passage_title(paper.title, count_tokens=count_tokens, max_tokens=max_tokens)
    abstract = paper.abstract

    def size(start: int, end: int) -> int:
        if end - start > max_tokens * _CHARS_PER_TOKEN:
            return max_tokens + 1
        return count_tokens(embedding_text(title, abstract[start:end]))

    units = (
        make_sentences(paper, count_tokens=count_tokens, max_tokens=max_tokens)
        if sentences is None
        else sentences
    )
    if units and size(units[0].start, units[-1].end) <= target:
        start, end = units[0].start, units[-1].end
        return [Passage(paper.paper_id, start, end, abstract[start:end])]
    passages = []
    first = 0
    while first < len(units):
        last = first
        while last + 1 < len(units) and size(units[first].start, units[last + 1].end) <= target:
            last += 1
        start, end = units[first].start, units[last].end
        passages.append(Passage(paper.paper_id, start, end, abstract[start:end]))
        if last + 1 == len(units):
            break
        first = _next_window(units, first, last, overlap, size, target)
    return passages


def make_sentences(paper: Paper, *, count_tokens: CountTokens, max_tokens: int) -> list[Span]:
    """Return the sentences of a paper's abstract, each short enough to be embedded whole."""
    title = passage_title(paper.title, count_tokens=count_tokens, max_tokens=max_tokens)
    abstract = paper.abstract

    def fits(start: int, end: int) -> bool:
        if end - start > max_tokens * _CHARS_PER_TOKEN:
            return False
        return count_tokens(embedding_text(title, abstract[start:end])) <= max_tokens

    return fit_spans(abstract, split_sentences(abstract), fits=fits)


def passage_title(title: str, *, count_tokens: CountTokens, max_tokens: int) -> str:
    """Return `title`, cut at a word when it alone would fill half of what the embedder reads."""
    words = title.split()
    while len(words) > 1 and count_tokens(" ".join(words)) > max_tokens * _TITLE_SHARE:
        words = words[: len(words) * 3 // 4]
    cut = " ".join(words)
    if cut and count_tokens(cut) > max_tokens * _TITLE_SHARE:
        cut = cut[:max_tokens]
        while cut and count_tokens(cut) > max_tokens * _TITLE_SHARE:
            cut = cut[: len(cut) // 2]
    return cut if len(cut) < len(" ".join(title.split())) else title


def fit_spans(text: str, spans: Sequence[Span], *, fits: Callable[[int, int], bool]) -> list[Span]:
    """Cut every span that does not fit, at whitespace where there is any.

    Args:
        text: what the spans point into.
        spans: in order, not overlapping.
        fits: tells whether `text[start:end]` is short enough; must accept one character.
    """
    fitted: list[Span] = []
    for span in spans:
        start = span.start
        while not fits(start, span.end):
            end = _longest_fit(text, start, span.end, fits)
            fitted.append(Span(start, end))
            start = end
            while start < span.end and text[start].isspace():
                start += 1
        if start < span.end:
            fitted.append(Span(start, span.end))
    return fitted


def _longest_fit(text: str, start: int, end: int, fits: Callable[[int, int], bool]) -> int:
    """Return the end of the longest piece from `start` that fits, at whitespace if possible."""
    ends = [start + m.start() for m in re.finditer(r"(?<=\S)\s", text[start:end])]
    found = _last_fitting(ends, start, fits)
    if found is None:
        stop = ends[0] if ends else end
        found = _last_fitting(range(start + 1, stop), start, fits) or start + 1
    return found


def _last_fitting(ends: Sequence[int], start: int, fits: Callable[[int, int], bool]) -> int | None:
    """Return the largest of the rising `ends` that fits, by bisection, or None."""
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if fits(start, ends[middle]):
            low = middle + 1
        else:
            high = middle
    return ends[low - 1] if low else None


def _next_window(
    units: Sequence[Span],
    first: int,
    last: int,
    overlap: int,
    size: Callable[[int, int], int],
    target: int,
) -> int:
    """Return the first sentence of the window after [first, last].

    It goes back by `overlap` sentences, less where those would leave no room for a new one.
    """
    for start in range(max(first + 1, last + 1 - overlap), last + 1):
        if size(units[start].start, units[last + 1].end) <= target:
            return start
    return last + 1
