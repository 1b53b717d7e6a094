"""Questions written for training over abstracts of `ml_abstracts.jsonl.xz`.

The questions, their evidence numbers and answers ship as `questions.jsonl` beside this module;
the abstracts do not. An abstract is known by a digest of its text, and evidence numbers are
those of `split_sentences`.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

from askpapers.errors import CorpusError
from askpapers.sentences import split_sentences

QUESTIONS = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True, slots=True)
class Abstract:
    """A paper to learn from; `key` is unique over all sources."""

    key: str
    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrittenQuestion:
    """A question about one abstract; without evidence where it doesn't say.

    Of those that it answers, some have an `answer` in words, the others an empty one.
    """

    key: str
    paper: str
    kind: str
    question: str
    evidence: tuple[int, ...]
    answer: str


def digest(abstract: str) -> str:
    """Return the key of an abstract: twelve hexadecimal digits of its text's sha1."""
    return hashlib.sha1(abstract.encode()).hexdigest()[:12]


def load_written(
    data: Path, questions: Path = QUESTIONS
) -> tuple[dict[str, Abstract], list[WrittenQuestion]]:
    """Return the papers by key and the questions in the file's order.

    Args:
        data: the folder that holds `ml_abstracts.jsonl.xz`.
        questions: the file of questions.

    Raises:
        CorpusError: an abstract that questions were written for is not in the folder.
    """
    asked = []
    for number, line in enumerate(questions.read_text("utf-8").splitlines()):
        row = json.loads(line)
        asked.append(
            WrittenQuestion(
                f"w{number}", row["paper"], row["kind"], row["question"],
                tuple(row["evidence"]), row["answer"],
            )
        )  # fmt: skip
    wanted = {question.paper for question in asked}
    papers: dict[str, Abstract] = {}
    with lzma.open(data / "ml_abstracts.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            key = digest(row["abstract"])
            if key in wanted:
                spans = split_sentences(row["abstract"])
                told = tuple(row["abstract"][span.start : span.end] for span in spans)
                papers[key] = Abstract(key, row["title"], told)
    if wanted - set(papers):
        raise CorpusError(
            f"{len(wanted - set(papers))} abstracts of the written questions are not in {data}."
        )
    return papers, asked
