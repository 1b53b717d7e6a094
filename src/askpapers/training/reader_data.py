"""What the reader learns from: questions with the papers shown for each, and their labels.

An item is one question with a few sheets. A sheet is a paper as it is shown (perhaps with
sentences taken out) and what is true of it. Unknown labels are None and give no loss.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from askpapers.training.aspects import ask_by_rule
from askpapers.training.written import QUESTIONS, Abstract, load_written

OFF_TOPIC = Path(__file__).with_name("off_topic.txt")
"""Questions that no pile of machine learning abstracts answers, one a line."""
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z(\[])")
_NAME = re.compile(r"(?<![\w$\\{-])(?=\w*[A-Z][\w-]*[A-Z0-9])[A-Za-z][A-Za-z0-9-]{2,20}(?![\w$}])")
_NAME_QUESTIONS = (
    "{t}", "{t}?", "what is {t}?", "What is {t}?", "what does {t} do", "{t} meaning", "{t} method",
    "{t} framework", "What is {t} used for?", "how does {t} work", "explain {t}",
)  # fmt: skip
_TERM = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one abstract; no evidence means that the abstract doesn't answer it.

    One that is off topic is about none: its `paper` is empty.
    """

    key: str
    text: str
    paper: str
    kind: str
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One paper as shown for a question; `evidence` is None where sentences are not labelled."""

    title: str
    sentences: tuple[str, ...]
    relevant: bool | None
    answerable: bool | None
    evidence: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its sheets, the paper it is about first."""

    question: str
    sheets: tuple[Sheet, ...]


def load_abstractqa(
    folder: Path,
) -> tuple[dict[str, dict[str, Abstract]], dict[str, list[Question]]]:
    """Return abstracts by split and key, and questions by split."""
    papers: dict[str, dict[str, Abstract]] = defaultdict(dict)
    for line in (folder / "papers.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        paper = Abstract(row["paper"], row["title"], tuple(row["sentences"]))
        papers[row["split"]][paper.key] = paper
    questions: dict[str, list[Question]] = defaultdict(list)
    for line in (folder / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        questions[row["split"]].append(
            Question(row["id"], row["question"], row["paper"], row["kind"], tuple(row["evidence"]))
        )
    return dict(papers), dict(questions)


def join_splits(papers: Mapping[str, Mapping[str, Abstract]]) -> dict[str, Abstract]:
    """Return the abstracts of every split by key."""
    return {key: paper for part in papers.values() for key, paper in part.items()}


def load_written_questions(
    data: Path, path: Path = QUESTIONS
) -> tuple[dict[str, Abstract], list[Question]]:
    """Return the abstracts that questions were written over, by key, and those questions."""
    papers, questions = load_written(data, path)
    return (
        papers,
        [Question(q.key, q.question, q.paper, q.kind, q.evidence) for q in questions],
    )


def make_off_topic(texts: Iterable[str]) -> list[Question]:
    """Return questions that no paper is about."""
    return [Question(f"off{i}", text, "", "off topic", ()) for i, text in enumerate(texts)]


def load_off_topic() -> list[Question]:
    """Return the off-topic questions to learn from."""
    return make_off_topic(OFF_TOPIC.read_text("utf-8").splitlines())


def load_wider(path: Path, count: int, *, skip_titles: Iterable[str], seed: int) -> list[Abstract]:
    """Return `count` abstracts of `ml_abstracts.jsonl.xz`, drawn by seed, without known titles."""
    skip = {_plain(title) for title in skip_titles}
    with lzma.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    random.Random(seed).shuffle(rows)
    chosen: list[Abstract] = []
    for number, row in enumerate(rows):
        sentences = tuple(s.strip() for s in _BREAK.split(row["abstract"]) if s.strip())
        if _plain(row["title"]) in skip or not 3 <= len(sentences) <= 20:
            continue
        chosen.append(Abstract(f"w{number}", row["title"], sentences))
        if len(chosen) == count:
            break
    return chosen


def _plain(title: str) -> str:
    return " ".join(_TERM.findall(title.lower()))


def is_held_out_claim(claim_id: str) -> bool:
    """Say whether a SciFact training claim is kept for measuring: a fifth, by hash of its id."""
    return int(hashlib.sha1(claim_id.encode()).hexdigest(), 16) % 5 == 0


def load_scifact(path: Path, *, held_out: bool) -> tuple[dict[str, Abstract], list[Question]]:
    """Return SciFact's abstracts and claims (as questions) on one side of the held-out line."""
    papers: dict[str, Abstract] = {}
    questions: list[Question] = []
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            key = f"s{row['doc_id']}"
            papers[key] = Abstract(key, row["title"], tuple(s.strip() for s in row["sentences"]))
            if is_held_out_claim(row["id"].split("-")[0]) is held_out:
                evidence = tuple(sorted({i for group in row["rationales"] for i in group}))
                questions.append(Question(row["id"], row["claim"], key, row["label"], evidence))
    return papers, questions


class TermNeighbours:
    """Finds the abstracts that share the rarest terms with a question (sum of squared idf)."""

    def __init__(self, papers: Sequence[Abstract]) -> None:
        self._keys = [p.key for p in papers]
        postings: dict[str, list[int]] = defaultdict(list)
        for place, paper in enumerate(papers):
            for term in set(_TERM.findall(" ".join([paper.title, *paper.sentences]).lower())):
                postings[term].append(place)
        limit = max(50, len(papers) // 8)  # more frequent terms tell nothing and cost most
        self._postings = {t: places for t, places in postings.items() if len(places) <= limit}

    def find(self, text: str, count: int) -> list[str]:
        """Return the keys of the `count` best abstracts, best first."""
        scores: dict[int, float] = defaultdict(float)
        for term in set(_TERM.findall(text.lower())):
            places = self._postings.get(term, ())
            for place in places:
                scores[place] += math.log(1 + len(self._keys) / len(places)) ** 2
        ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [self._keys[place] for place, _ in ranked[:count]]


def crop(sheet: Sheet, rng: random.Random, share: float) -> Sheet:
    """Return the sheet, in `share` of the cases cut to a run of sentences that keeps its evidence.

    Positive and negative sheets are cut alike, so that length says nothing; it halves the cost.
    """
    count = len(sheet.sentences)
    if sheet.answerable and not sheet.evidence:
        return sheet  # what states the answer is not known, so nothing can be spared
    kept = sheet.evidence or ()
    low, high = (min(kept), max(kept)) if kept else (count, -1)
    size = max(high - low + 1, 3, round(count * rng.uniform(0.35, 0.7)))
    if rng.random() >= share or size >= count:
        return sheet
    first = rng.randint(max(0, high - size + 1), min(low, count - size))
    return replace(
        sheet,
        sentences=sheet.sentences[first : first + size],
        evidence=None if sheet.evidence is None else tuple(e - first for e in kept),
    )


def negative_sheet(paper: Abstract) -> Sheet:
    """Return the sheet of a paper that the question is not about."""
    return Sheet(paper.title, paper.sentences, False, False, ())


def question_item(
    question: Question,
    papers: Mapping[str, Abstract],
    neighbours: Sequence[str],
    rng: random.Random,
    *,
    negatives: int,
    share_removed: float,
    share_cropped: float,
) -> Item:
    """Return a question with its paper, some neighbours, and at times its paper without evidence.

    Without its evidence sentences the paper is still relevant and no longer answers: the
    hardest of near misses. A question that is off topic has neighbours only.
    """
    sheets: list[Sheet] = []
    if question.paper:
        paper = papers[question.paper]
        answerable = bool(question.evidence)
        sheets.append(Sheet(paper.title, paper.sentences, True, answerable, question.evidence))
        gone = set(question.evidence)
        if answerable and len(paper.sentences) - len(gone) >= 2 and rng.random() < share_removed:
            kept = tuple(s for i, s in enumerate(paper.sentences) if i not in gone)
            sheets.append(Sheet(paper.title, kept, None, False, ()))
    # the nearest neighbours are drawn more often than the far ones
    pool = list(neighbours)
    for _ in range(min(negatives, len(pool))):
        place = min(int(rng.expovariate(1.0) * len(pool) / 3), len(pool) - 1)
        sheets.append(negative_sheet(papers[pool.pop(place)]))
    return Item(question.text, tuple(crop(sheet, rng, share_cropped) for sheet in sheets))


def rule_item(paper: Abstract, other: Abstract, rng: random.Random) -> Item | None:
    """Return a question by rule on `paper`, in half of the cases unanswerable, with a neighbour."""
    asked = ask_by_rule(paper.title, paper.sentences, rng, answerable=rng.random() < 0.5)
    if asked is None:
        return None
    own = Sheet(paper.title, paper.sentences, True, bool(asked.evidence), asked.evidence)
    sheets = [own]
    if asked.evidence and rng.random() < 0.3:
        gone = set(asked.evidence)
        kept = tuple(s for i, s in enumerate(paper.sentences) if i not in gone)
        sheets.append(replace(own, sentences=kept, relevant=None, answerable=False, evidence=()))
    elif rng.random() < 0.5:
        sheets.append(negative_sheet(other))
    return Item(asked.question, tuple(sheets))


def name_item(paper: Abstract, other: Abstract, rng: random.Random) -> Item | None:
    """Return a terse question for a name that one or two sentences of the abstract hold.

    People type the bare name of a method, a format or a dataset; None where there is none.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, sentence in enumerate(paper.sentences):
        for name in set(_NAME.findall(sentence)):
            places[name].append(place)
    rare = sorted(name for name, found in places.items() if len(found) <= 2)
    if not rare:
        return None
    name = rng.choice(rare)
    question = rng.choice(_NAME_QUESTIONS).format(t=name)
    if rng.random() < 0.25:
        question = question.lower()
    sheets = (
        Sheet(paper.title, paper.sentences, True, True, tuple(places[name])),
        negative_sheet(other),
    )
    return Item(question, sheets)


def title_item(paper: Abstract, other: Abstract, rng: random.Random) -> Item:
    """Return a paper's title as the question for its own abstract, shown without the title."""
    words = paper.title.split()
    if len(words) > 6 and rng.random() < 0.5:  # people type a part of a title
        start = rng.randrange(len(words) - 4)
        words = words[start : start + rng.randint(4, 7)]
    sheets = (
        Sheet("", paper.sentences, True, None, None),
        Sheet("", other.sentences, False, False, ()),
    )
    return Item(" ".join(words), sheets)
