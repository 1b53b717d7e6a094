"""Examples for the answer adapter: a question, numbered sources, the answer with its marks.

Every example has the gold evidence among distractor sentences of the same abstract and of
lexically close abstracts. What a small model must learn is to copy: so a share of the examples
is edited consistently in the evidence and in the answer (another figure, another name, the
opposite direction), which makes copying from the sources the only way to be right.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from askpapers.citations import escape_brackets
from askpapers.errors import CorpusError
from askpapers.training.written import load_written

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9'-]*")
_NUMBER = re.compile(r"(?<![\w.,/^_{-])\d+(?:\.\d+)?(?![\w/^_}]|[.,]\d)")
_NAME = re.compile(r"(?<![\w$\\{-])(?=\w*[A-Z]\w*[A-Z])[A-Za-z][A-Za-z0-9]{2,15}(?![\w$}])")
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_POLARITY = re.compile(r"^(?:yes|no)[:,;] (?:but )?", re.IGNORECASE)
_SAFE_TEXT = re.compile(
    r"^(?:[^\[\]\n.]|\.(?=[^ \[\]\n])|(?:\b(?:al|vs|e\.g|i\.e|cf|resp|etc|approx|w\.r\.t))\. )+$"
)
_FUNCTION_WORDS = (
    "a an the of in on to for and or is are was were be by with that this it its as at from than "
    "into which can not no yes there their they these those also both has have had do does we "
    "our such other when where while using use used based"
)
_STOP = frozenset(_FUNCTION_WORDS.split())
_SMALL_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight")
_OPPOSITES = {
    one: other
    for pair in (
        ("increases", "decreases"),
        ("increase", "decrease"),
        ("improves", "degrades"),
        ("higher", "lower"),
        ("larger", "smaller"),
        ("faster", "slower"),
        ("more", "less"),
        ("better", "worse"),
        ("upper", "lower"),
        ("positive", "negative"),
        ("best", "worst"),
        ("maximum", "minimum"),
        ("stronger", "weaker"),
        ("outperforms", "underperforms"),
        ("convex", "nonconvex"),
        ("linear", "nonlinear"),
        ("supervised", "unsupervised"),
        ("offline", "online"),
    )
    for one, other in (pair, pair[::-1])
} | {"without": "with"}

ANSWER_COVERAGE = 0.75
"""Least share of an answer's content words that its evidence, title and question must hold."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question over one abstract; `gold` are indexes into `sentences`."""

    id: str
    paper: str
    title: str
    sentences: tuple[str, ...]
    question: str
    gold: tuple[int, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Block:
    """One numbered source: a paper's title and its chosen sentences in the abstract's order."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the blocks shown (number 1 first), and the target with its marks."""

    id: str
    question: str
    blocks: tuple[Block, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of examples, each in 0..1.

    `numbers`, `names` and `directions` are chances of an edit where one is possible;
    `repeated_numbers` of answers with figures come a second time, with other figures; `pairs`
    asks about two papers at once; `loose_question` drops capitals and the question mark.
    """

    numbers: float = 0.5
    repeated_numbers: float = 0.5
    names: float = 0.12
    directions: float = 0.5
    pairs: float = 0.06
    loose_question: float = 0.1


def render_sources(blocks: Sequence[Block]) -> str:
    """Return the numbered lines that stand for `$sources` in the answer prompt."""
    return "\n".join(
        f"[{n}] {escape_brackets(block.title)}: {' '.join(map(escape_brackets, block.sentences))}"
        for n, block in enumerate(blocks, start=1)
    )


def render_target(answer: str, n: int) -> str:
    """Return `answer` with the mark `[n]` before each sentence's period."""
    sentences = _SENTENCE_END.split(escape_brackets(answer))
    return " ".join(f"{sentence.rstrip(' .')} [{n}]." for sentence in sentences)


def load_items(folder: Path, split: str) -> list[Item]:
    """Read the answerable questions of one split of `abstractqa`.

    Args:
        folder: holds `abstractqa/papers.jsonl` and `abstractqa/questions.jsonl`.
        split: train, dev or test (split by paper).

    Raises:
        CorpusError: a file is missing or is not what its README says.
    """
    root = folder / "abstractqa"
    try:
        papers = {row["paper"]: row for row in _rows(root / "papers.jsonl")}
        return [
            Item(
                id=row["id"],
                paper=row["paper"],
                title=papers[row["paper"]]["title"],
                sentences=tuple(papers[row["paper"]]["sentences"]),
                question=row["question"],
                gold=tuple(row["evidence"]),
                answer=row["answer"],
            )
            for row in _rows(root / "questions.jsonl")
            if row["split"] == split and row["answer"]
        ]
    except (OSError, KeyError, json.JSONDecodeError) as exc:
        raise CorpusError(
            f"The folder {str(root)!r} does not hold abstractqa: {exc}.",
            hint="python -m askpapers.training.adapter --data DIR",
        ) from exc


def load_written_items(folder: Path, count: int) -> list[Item]:
    """Read the first `count` answerable questions that were written over other abstracts.

    Raises:
        CorpusError: an abstract is not in `folder`.
    """
    papers, questions = load_written(folder)
    return [
        Item(
            id=question.key,
            paper=question.paper,
            title=papers[question.paper].title,
            sentences=papers[question.paper].sentences,
            question=question.question,
            gold=question.evidence,
            answer=question.answer,
        )
        for question in questions
        if question.answer
    ][:count]


def drop_polarity(answer: str) -> str:
    """Return `answer` without a leading "Yes:" or "No,".

    A model of this size says yes to nearly everything, and nothing checks that word.
    """
    rest = _POLARITY.sub("", answer)
    return rest[:1].upper() + rest[1:]


def content_words(text: str) -> list[str]:
    """Return the lower-cased words of `text` without function words, repeats kept."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _STOP]


def coverage(answer: str, sources: str) -> float:
    """Return the share (0..1) of the content words of `answer` that occur in `sources`."""
    known = set(content_words(sources))
    words = content_words(answer)
    return sum(word in known for word in words) / len(words) if words else 1.0


class Distractors:
    """Finds sentences that a retriever would take for evidence, by BM25 over one split."""

    def __init__(self, items: Iterable[Item]) -> None:
        import bm25s

        self._papers = {item.paper: item for item in items}
        self._keys = [
            (paper, index)
            for paper, item in self._papers.items()
            for index in range(len(item.sentences))
        ]
        texts = [
            f"{self._papers[paper].title} {self._papers[paper].sentences[index]}"
            for paper, index in self._keys
        ]
        self._tokenize: Callable[[list[str]], object] = lambda texts: bm25s.tokenize(
            texts, stopwords="en", show_progress=False
        )
        self._index = bm25s.BM25()
        self._index.index(self._tokenize(texts), show_progress=False)

    def find(self, item: Item, count: int = 40) -> tuple[list[int], list[tuple[str, int]]]:
        """Return ranked distractors: indexes in the same abstract, (paper, index) elsewhere."""
        ranked, _ = self._index.retrieve(
            self._tokenize([f"{item.question} {item.title}"]),
            k=min(count, len(self._keys)),
            show_progress=False,
        )
        keys = [self._keys[int(i)] for i in ranked[0]]
        same = [index for paper, index in keys if paper == item.paper]
        same += [i for i in range(len(item.sentences)) if i not in same]
        return (
            [i for i in same if i not in item.gold],
            [(paper, index) for paper, index in keys if paper != item.paper],
        )

    def block_of(self, keys: Sequence[tuple[str, int]]) -> Block:
        """Return the block of sentences of one paper, in the abstract's order."""
        item = self._papers[keys[0][0]]
        return Block(item.title, tuple(item.sentences[i] for _, i in sorted(keys)))


def make_example(
    item: Item, distractors: Distractors, rng: random.Random, mix: Mix | None = None
) -> Example | None:
    """Return one example of `item`, or None when its answer is not faithful or not plain text.

    Args:
        item: the question with its gold evidence.
        distractors: where the other sentences come from.
        rng: decides everything that is drawn.
        mix: shares of edited examples; None: nothing is edited (for measuring).
    """
    gold = _shown_gold(item, rng)
    shown = f"{item.title} {' '.join(item.sentences[i] for i in gold)}"
    if coverage(item.answer, f"{shown} {item.question}") < ANSWER_COVERAGE:
        return None
    if not all(map(_SAFE_TEXT.match, _sentences(item.answer))):
        return None
    same, other = distractors.find(item)
    count = rng.choices((2, 3, 4, 5, 6), (15, 40, 32, 8, 5))[0]
    spare = max(0, count - len(gold))
    from_same = min(len(same), rng.choices((0, 1, 2, 3), (25, 40, 25, 10))[0], spare)
    own = sorted([*gold, *rng.sample(same[: from_same + 2], from_same)])
    blocks = [Block(item.title, tuple(item.sentences[i] for i in own))]
    blocks += _other_blocks(distractors, other, spare - from_same, rng)
    question, answer = item.question, drop_polarity(item.answer)
    if mix is not None:
        question, blocks, answer = _edit(question, blocks, answer, rng, mix)
        if rng.random() < mix.loose_question:
            question = question.rstrip("?").lower()
    order = rng.sample(range(len(blocks)), len(blocks))
    target = render_target(answer, order.index(0) + 1)
    return Example(item.id, question, tuple(blocks[i] for i in order), target)


def make_pair(first: Item, second: Item, rng: random.Random) -> Example | None:
    """Return an example that asks two things of two papers, one sentence and mark for each."""
    parts = []
    for item in (first, second):
        shown = " ".join([item.title, item.question, *(item.sentences[i] for i in item.gold)])
        sentences = _sentences(item.answer)
        if len(sentences) != 1 or not _SAFE_TEXT.match(sentences[0]):
            return None
        if coverage(item.answer, shown) < ANSWER_COVERAGE:
            return None
        parts.append(Block(item.title, tuple(item.sentences[i] for i in item.gold)))
    order = rng.sample((0, 1), 2)
    targets = [
        render_target(drop_polarity(item.answer), order.index(i) + 1)
        for i, item in enumerate((first, second))
    ]
    return Example(
        f"{first.id}+{second.id}",
        f"{first.question} {second.question}",
        tuple(parts[i] for i in order),
        " ".join(targets),
    )


def make_epoch(
    items: Sequence[Item], distractors: Distractors, *, seed: int, epoch: int, mix: Mix
) -> list[Example]:
    """Return one pass over `items`; other epochs draw other distractors, numbers and edits."""
    rng = random.Random(f"{seed}:{epoch}")
    examples = [make_example(item, distractors, rng, mix) for item in items]
    figures = [item for item in items if _NUMBER.search(item.answer)]
    always = replace(mix, numbers=1.0)
    for item in rng.sample(figures, round(mix.repeated_numbers * len(figures))):
        examples.append(make_example(item, distractors, rng, always))
    for _ in range(round(mix.pairs * len(items))):
        first = rng.choice(items)
        _, close = distractors.find(first)
        papers = {paper for paper, _ in close[:8]}
        partners = [item for item in items if item.paper in papers] or list(items)
        examples.append(make_pair(first, rng.choice(partners), rng))
    return [example for example in examples if example is not None]


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _sentences(answer: str) -> list[str]:
    return [sentence.rstrip(" .") for sentence in _SENTENCE_END.split(escape_brackets(answer))]


def _shown_gold(item: Item, rng: random.Random) -> tuple[int, ...]:
    """Return the gold sentences to show: sometimes only one, when it alone holds the answer."""
    if len(item.gold) > 1 and rng.random() < 0.5:
        alone = [
            i
            for i in item.gold
            if coverage(item.answer, f"{item.title} {item.sentences[i]}") >= 0.9
        ]
        if alone:
            return (rng.choice(alone),)
    return item.gold


def _other_blocks(
    distractors: Distractors,
    ranked: Sequence[tuple[str, int]],
    count: int,
    rng: random.Random,
) -> list[Block]:
    """Return up to three blocks of other papers with `count` sentences in all."""
    papers = list(dict.fromkeys(paper for paper, _ in ranked))[:8]
    chosen = rng.sample(papers, min(len(papers), rng.choice((1, 2, 2, 3)), count))
    blocks = []
    for position, paper in enumerate(chosen):
        own = [key for key in ranked if key[0] == paper]
        share = count // len(chosen) + (position < count % len(chosen))
        blocks.append(distractors.block_of(own[:share]))
    return blocks


def _edit(
    question: str, blocks: list[Block], answer: str, rng: random.Random, mix: Mix
) -> tuple[str, list[Block], str]:
    """Edit figures, names and directions alike wherever they stand in one example."""
    swaps: dict[str, str] = {}
    evidence = " ".join(blocks[0].sentences)
    if rng.random() < mix.numbers:
        asked = set(_NUMBER.findall(f"{question} {blocks[0].title}"))
        shared = (set(_NUMBER.findall(answer)) & set(_NUMBER.findall(evidence))) - asked
        for number in sorted(shared):
            swaps[number] = _other_number(number, rng)
        words = set(_WORD.findall(answer)) & set(_WORD.findall(evidence))
        words -= set(_WORD.findall(f"{question} {blocks[0].title}"))
        for word in sorted(words & set(_SMALL_NUMBERS)):
            swaps[word] = rng.choice([w for w in _SMALL_NUMBERS if w != word])
    if rng.random() < mix.directions:
        common = set(_WORD.findall(answer)) & set(_WORD.findall(evidence)) & set(_OPPOSITES)
        common -= set(_WORD.findall(f"{question} {blocks[0].title}"))
        for word in sorted(common):
            if rng.random() < 0.4:
                swaps[word] = _OPPOSITES[word]
    if rng.random() < mix.names:
        own = set(_NAME.findall(answer)) & set(_NAME.findall(evidence))
        others = sorted(
            {n for b in blocks[1:] for n in _NAME.findall(f"{b.title} {' '.join(b.sentences)}")}
        )
        for name in sorted(own):
            swaps[name] = _other_name(name, rng, others)
    if not swaps:
        return question, blocks, answer
    pattern = re.compile(
        r"(?<![\w.-])(?:"
        + "|".join(map(re.escape, sorted(swaps, key=len, reverse=True)))
        + r")(?!\w|[.,]\d)"
    )

    def swap(text: str) -> str:
        return pattern.sub(lambda match: swaps[match[0]], text)

    edited = Block(swap(blocks[0].title), tuple(map(swap, blocks[0].sentences)))
    return swap(question), [edited, *blocks[1:]], swap(answer)


def _other_number(number: str, rng: random.Random) -> str:
    """Return a plausible other figure with as many decimals."""
    whole, _, decimals = number.partition(".")
    size = len(whole)
    if not decimals and 1900 <= int(number) <= 2100:
        return str(rng.randint(1985, 2025))
    low, high = (0 if decimals else 2) if size == 1 else 10 ** (size - 1), 10**size - 1
    drawn = str(rng.randint(low, high))
    if decimals:
        drawn += "." + "".join(rng.choice("0123456789") for _ in decimals)
    return drawn


def _other_name(name: str, rng: random.Random, others: Sequence[str]) -> str:
    """Return another name: one of the distractors', or `name` with letters changed."""
    if others and rng.random() < 0.3:
        return rng.choice(others)
    letters = list(name)
    for position in rng.sample(range(len(letters)), min(2, len(letters))):
        pool = "ABCDEGHKLMNPRST" if letters[position].isupper() else "aeioulnrstm"
        letters[position] = rng.choice(pool)
    return "".join(letters)
