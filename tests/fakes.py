"""Stand-ins for the parts that take seconds to load. A script that runs out raises."""

import re
import zlib
from collections import deque

import numpy as np

from askpapers.domain import Evidence, Filters, Hit, Paper, Query, SearchResult
from askpapers.support import Judgement


def made_paper(paper_id, title, abstract, **fields):
    return Paper(paper_id=paper_id, title=title, abstract=abstract, **fields)


def evidence_of(paper, quote, score=0.9):
    start = paper.abstract.index(quote)
    return Evidence(paper.paper_id, start, start + len(quote), quote, score)


class ScriptedSearcher:
    """Returns the results it was given, one a call, and remembers what was searched."""

    def __init__(self, *results):
        self._results = deque(results)
        self.queries = []

    def search(self, question, *, limit=None, filters=None):
        self.queries.append(question)
        if not self._results:
            raise AssertionError(f"no result is left for {question!r}")
        return self._results.popleft()


class ScriptedGenerator:
    """Writes the texts it was given, one a call, character by character.

    A text that it is to choose must be on offer.
    """

    name = "scripted"
    digest = "0" * 64
    control_tokens = frozenset({"<|im_start|>", "<|im_end|>"})

    def __init__(self, *texts, context_tokens=2048):
        self._texts = deque(texts)
        self.context_tokens = context_tokens
        self.prompts = []
        self.grammars = []
        self.offers = []
        self.samplings = []
        self.closed = 0

    def render(self, messages, *, prefill=""):
        parts = [f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages]
        return "".join(parts) + "<|im_start|>assistant\n" + prefill

    def count_tokens(self, rendered):
        return len(re.findall(r"\S+", rendered))

    def choose(self, rendered, candidates, *, sampling):
        self.prompts.append(rendered)
        self.offers.append(list(candidates))
        if not self._texts:
            raise AssertionError("no text is left to choose")
        text = self._texts.popleft()
        if text not in candidates:
            raise AssertionError(f"{text!r} is not on offer: {candidates!r}")
        try:
            yield from text
        finally:
            self.closed += 1

    def write(self, rendered, *, grammar, sampling):
        self.prompts.append(rendered)
        self.grammars.append(grammar)
        self.samplings.append(sampling)
        if not self._texts:
            raise AssertionError("no text is left to write")
        try:
            yield from self._texts.popleft()
        finally:
            self.closed += 1


class WordJudge:
    """Supports a claim whose every word is in the evidence."""

    name = "words"

    def judge(self, pairs):
        verdicts = []
        for claim, evidence in pairs:
            words = set(re.findall(r"\w+", claim.lower()))
            found = words & set(re.findall(r"\w+", " ".join(evidence).lower()))
            share = len(found) / max(len(words), 1)
            verdicts.append(Judgement("supported" if share == 1 else "unsupported", share, ()))
        return verdicts


def made_result(papers, evidence, *, answerability=0.9, relevant=1, question="q"):
    hits = tuple(
        Hit(rank, paper, 1.0 / rank, tuple(e for e in evidence if e.paper_id == paper.paper_id))
        for rank, paper in enumerate(papers, 1)
    )
    query = Query(question=question, search_query=question, filters=Filters())
    return SearchResult(query, hits, tuple(evidence), answerability, relevant, 0.01)


class HashEmbedder:
    """Vectors of hashed words: texts that share words are near. No model, no lock, no time."""

    dimension = 64
    max_tokens = 256
    fingerprint = "hash-embedder"

    def count_tokens(self, text):
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def embed_questions(self, texts):
        return self.embed_passages(texts)

    def embed_passages(self, texts):
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1.0
            vectors[row, 0] += 0.01
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
