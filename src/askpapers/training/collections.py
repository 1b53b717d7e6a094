"""Test collections as papers, questions and judgements, and an index of theirs in memory."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from askpapers.candidates import Kind
from askpapers.domain import Filters, Paper, Span
from askpapers.encoders.embedder import Embedder
from askpapers.passages import embedding_text, make_passages, make_sentences

NAMES = ("abstractqa", "scifact", "cranfield", "cisi")
TODAY = date(2026, 1, 1)
"""The day on which every question is asked, so that "last year" is the same year in every run."""
_CRANFIELD_GAIN = {1: 4, 2: 3, 3: 2, 4: 1}
_ENTRY = re.compile(r"^\.I (\d+)\s*$", re.MULTILINE)
_FIELD = re.compile(r"^\.([A-Z])\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its graded judgements; `evidence` are marked sentences of the gold paper."""

    question_id: str
    text: str
    judgements: Mapping[str, int]
    kind: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestCollection:
    """Papers and judged questions."""

    papers: tuple[Paper, ...]
    questions: tuple[Question, ...]


def load_collection(name: str, data: Path, *, split: str = "dev") -> TestCollection:
    """Read one of NAMES. `split` matters to abstractqa only; its papers are always all 1,440."""
    return {
        "abstractqa": lambda: _abstractqa(data, split),
        "scifact": lambda: _scifact(data),
        "cranfield": lambda: _cranfield(data),
        "cisi": lambda: _cisi(data),
    }[name]()


def _abstractqa(data: Path, split: str) -> TestCollection:
    folder = data / "abstractqa"
    rows = {row["paper"]: row for row in _read_lines(folder / "papers.jsonl")}
    papers = tuple(_paper(key, row["title"], row["sentences"]) for key, row in rows.items())
    questions = tuple(
        Question(
            row["id"],
            row["question"],
            {row["paper"]: 1} if row["kind"] != "unanswerable" else {},
            row["kind"],
            tuple(rows[row["paper"]]["sentences"][i] for i in row["evidence"]),
        )
        for row in _read_lines(folder / "questions.jsonl")
        if row["split"] == split
    )
    return TestCollection(papers, questions)


def _scifact(data: Path) -> TestCollection:
    folder = data / "retrieval" / "scifact"
    papers = tuple(
        _paper(str(row["doc_id"]), row["title"], row["abstract"])
        for row in _read_lines(folder / "corpus.jsonl.xz")
    )
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels_train.tsv").read_text("utf-8").splitlines()[1:]:
        question, paper, grade = line.split("\t")
        judged.setdefault(question, {})[paper] = int(grade)
    questions = tuple(
        Question(str(row["id"]), row["claim"], judged[str(row["id"])], "claim")
        for row in _read_lines(folder / "queries_train.jsonl")
        if str(row["id"]) in judged
    )
    return TestCollection(papers, questions)


def _cranfield(data: Path) -> TestCollection:
    """Cranfield codes relevance from 1 (best) to 4; here larger is better. Its -1 is 1."""
    folder = data / "retrieval" / "cranfield"
    papers = []
    for key, fields in _smart(folder / "cran.all.1400"):
        title, text = fields.get("T", ""), fields.get("W", "")
        papers.append(_paper(key, title, [text.removeprefix(title).strip()]))
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "cranqrel").read_text("utf-8").splitlines():
        question, paper, code = (int(part) for part in line.split()[:3])
        judged.setdefault(str(question), {})[str(paper)] = _CRANFIELD_GAIN.get(code, 1)
    questions = tuple(
        Question(str(number), fields["W"], judged[str(number)], "topic")
        for number, (_, fields) in enumerate(_smart(folder / "cran.qry"), 1)
        if str(number) in judged
    )
    return TestCollection(tuple(papers), questions)


def _cisi(data: Path) -> TestCollection:
    folder = data / "retrieval" / "cisi"
    papers = tuple(
        _paper(key, fields.get("T", ""), [fields.get("W", "")])
        for key, fields in _smart(folder / "CISI.ALL")
    )
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "CISI.REL").read_text("utf-8").splitlines():
        question, paper = line.split()[:2]
        judged.setdefault(question, {})[paper] = 1
    questions = tuple(
        Question(key, fields.get("W", ""), judged[key], "topic")
        for key, fields in _smart(folder / "CISI.QRY")
        if key in judged
    )
    return TestCollection(papers, questions)


@dataclass(frozen=True, slots=True)
class Item:
    """A passage or sentence with its cosine."""

    paper_id: str
    start: int
    end: int
    score: float


class MatrixIndex:
    """What the program's index does, exactly and in memory, for papers that are measured once."""

    def __init__(self, papers: Sequence[Paper], embedder: Embedder, *, cache: Path | None) -> None:
        self.papers: dict[str, Paper] = {paper.paper_id: paper for paper in papers}
        self._rows: dict[str, list[tuple[str, int, int]]] = {"passages": [], "sentences": []}
        texts: dict[str, list[str]] = {"passages": [], "sentences": []}
        limits: dict[str, Any] = {
            "count_tokens": embedder.count_tokens,
            "max_tokens": embedder.max_tokens,
        }
        for paper in papers:
            for kind, spans in (
                ("passages", make_passages(paper, **limits)),
                ("sentences", make_sentences(paper, **limits)),
            ):
                for span in spans:
                    self._rows[kind].append((paper.paper_id, span.start, span.end))
                    text = paper.abstract[span.start : span.end]
                    texts[kind].append(embedding_text(paper.title, text))
        self._vectors = {kind: _embed_cached(texts[kind], embedder, cache) for kind in texts}
        self._owned: dict[str, dict[str, list[int]]] = {"passages": {}, "sentences": {}}
        for kind, rows in self._rows.items():
            for i, (paper_id, _, _) in enumerate(rows):
                self._owned[kind].setdefault(paper_id, []).append(i)

    def query(
        self,
        kind: Kind,
        vector: np.ndarray,
        *,
        limit: int,
        paper_ids: Collection[str] | None = None,
    ) -> list[Item]:
        """The nearest items, best first."""
        scores = self._vectors[kind] @ vector
        if paper_ids is not None:
            wanted = [i for p in paper_ids for i in self._owned[kind].get(p, ())]
            masked = np.full_like(scores, -2.0)
            masked[wanted] = scores[wanted]
            scores, limit = masked, min(limit, len(wanted))
        best = np.argsort(-scores, kind="stable")[:limit]
        return [self._item(kind, int(i), scores[i]) for i in best]

    def score(self, kind: Kind, vector: np.ndarray, *, paper_ids: Collection[str]) -> list[Item]:
        """The cosine of every item of some papers."""
        rows = [i for p in paper_ids for i in self._owned[kind].get(p, ())]
        scores = self._vectors[kind][rows] @ vector
        return [self._item(kind, i, score) for i, score in zip(rows, scores, strict=True)]

    def _item(self, kind: Kind, row: int, score: float) -> Item:
        paper_id, start, end = self._rows[kind][row]
        return Item(paper_id, start, end, float(score))

    def sentences(self, paper_id: str) -> list[Span]:
        """The sentences of a paper's abstract, in order."""
        owned = self._owned["sentences"].get(paper_id, ())
        rows = (self._rows["sentences"][i] for i in owned)
        return [Span(start, end) for _, start, end in rows]

    def find_papers(self, filters: Filters) -> frozenset[str] | None:
        """The papers named by the filters; these collections know no dates or files."""
        return frozenset(filters.paper_ids) if filters.paper_ids else None


def _embed_cached(texts: Sequence[str], embedder: Embedder, cache: Path | None) -> np.ndarray:
    if cache is None:
        return embedder.embed_passages(texts)
    digest = hashlib.sha256("\0".join([embedder.fingerprint, *texts]).encode()).hexdigest()[:16]
    path = cache / f"{digest}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float32)
    vectors = embedder.embed_passages(texts)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors.astype(np.float16))
    return vectors


def _paper(key: str, title: str, sentences: Sequence[str]) -> Paper:
    abstract = " ".join(s for s in sentences if s)
    return Paper(paper_id=key, title=title, abstract=" ".join(abstract.split()))


def _smart(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Read a file of the SMART collections: `.I n` opens an entry, `.W` and the like a field."""
    pieces = _ENTRY.split(path.read_text("utf-8", errors="replace"))
    entries = []
    for key, body in zip(pieces[1::2], pieces[2::2], strict=True):
        parts = _FIELD.split(body)
        fields: dict[str, str] = {}
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            fields[name] = f"{fields.get(name, '')} {' '.join(text.split())}".strip()
        entries.append((key, fields))
    return entries


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
