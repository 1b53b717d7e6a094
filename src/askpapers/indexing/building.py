"""Builds a generation of the index from the corpus, beside the one in force."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from askpapers.corpus import EntryStore
from askpapers.domain import Paper, Span
from askpapers.indexing.generations import sync_folder, write_whole
from askpapers.indexing.papers import PaperTable, PaperWriter, item_id
from askpapers.indexing.vectors import VectorFile, VectorPool, VectorWriter, digest_text
from askpapers.passages import (
    PASSAGE_RULE,
    embedding_text,
    make_passages,
    make_sentences,
    passage_title,
)
from askpapers.store import KINDS, ChromaStore

INDEX_FORMAT = 1
MANIFEST = "manifest.json"
PAPERS = "papers.sqlite"
STORE = "chroma"
EMBEDDER = "embedder.txt"
"""Names the embedder from the start, so that a killed build's vectors can be used."""
_TEXTS_A_STEP = 512

Progress = Callable[[int, int, str], None]
BuildLexical = Callable[[Mapping[str, Paper], Path], None]


class PassageEmbedder(Protocol):
    """What a build needs of an embedder; see `encoders.embedder.Embedder`."""

    dimension: int
    max_tokens: int
    fingerprint: str

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, dimension), unit length."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the word pieces of a text, the two marks included."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    manifest: dict[str, Any]
    embedded: int
    reused: int


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A paper cut for embedding."""

    paper: Paper
    passages: tuple[Span, ...]
    sentences: tuple[Span, ...]

    def texts(self, title: str) -> Iterator[str]:
        for span in (*self.passages, *self.sentences):
            yield embedding_text(title, self.paper.abstract[span.start : span.end])


def build_generation(
    folder: Path,
    store: EntryStore,
    *,
    corpus_digest: str,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    pool: VectorPool,
    progress: Progress | None,
) -> Built:
    """Fill a new generation's folder; its manifest is written last.

    Args:
        folder: empty but for its lock.
        store: the listings.
        corpus_digest: `CorpusHead.digest` of the same listings.
        embedder: makes the vectors that `pool` lacks.
        build_lexical: writes the lexical index into `folder`.
        pool: vectors of earlier builds with the same embedder.
        progress: called with (papers done, papers in all, label).
    """
    total = store.count_papers()
    (folder / EMBEDDER).write_text(embedder.fingerprint, "utf-8")
    fingerprint = f"{embedder.fingerprint}/{PASSAGE_RULE}"
    embedded, reused = _embed_papers(folder, store, embedder, pool, total, progress)
    papers = PaperTable(folder / PAPERS)
    try:
        vectors = VectorFile(folder, dimension=embedder.dimension)
        _fill_store(folder / STORE, papers, vectors, fingerprint, progress)
        if progress:
            progress(total, total, "indexing words")
        build_lexical(papers, folder)
        passages, sentences = papers.count_pieces()
    finally:
        papers.close()
    manifest: dict[str, Any] = {
        "format": INDEX_FORMAT,
        "corpus": corpus_digest,
        "embedder": embedder.fingerprint,
        "dimension": embedder.dimension,
        "passage_rule": PASSAGE_RULE,
        "fingerprint": fingerprint,
        "digest": hashlib.sha256(f"{corpus_digest}/{fingerprint}".encode()).hexdigest()[:16],
        "papers": total,
        "listings": len(store),
        "passages": passages,
        "sentences": sentences,
        "versions": {name: version(name) for name in ("chromadb", "bm25s", "sentencex")},
        "files": describe_files(folder),
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    sync_folder(folder)
    return Built(manifest, embedded, reused)


def describe_files(folder: Path) -> dict[str, list[int]]:
    """Return {relative path: [bytes, crc32]} of a generation's files.

    Left out are the lock, the manifest, and Chroma's SQLite file, in which Chroma writes even
    when it only reads.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_changing(name):
            files[name] = [path.stat().st_size, checksum_file(path)]
    return files


def is_changing(name: str) -> bool:
    """Tell whether a file of a generation may change after the build."""
    return name in (MANIFEST, "in-use.lock") or name.startswith(f"{STORE}/chroma.sqlite3")


def checksum_file(path: Path) -> int:
    """Return the crc32 of a file."""
    checksum = 0
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _embed_papers(
    folder: Path,
    store: EntryStore,
    embedder: PassageEmbedder,
    pool: VectorPool,
    total: int,
    progress: Progress | None,
) -> tuple[int, int]:
    """Write the papers and the vectors of their pieces; return (embedded, reused) counts."""
    papers = PaperWriter(folder / PAPERS)
    vectors = VectorWriter(folder, dimension=embedder.dimension)
    embedded = reused = done = 0
    started = time.monotonic()
    cut = (_cut(paper, embedder) for paper in store.papers())
    try:
        while batch := _take(cut, _TEXTS_A_STEP):
            texts = [text for title, pieces in batch for text in pieces.texts(title)]
            keys = [digest_text(text) for text in texts]
            rows = np.empty((len(texts), embedder.dimension), dtype=np.float32)
            missing = []
            for index, key in enumerate(keys):
                known = pool.find(key)
                if known is None:
                    missing.append(index)
                else:
                    rows[index] = known
            if missing:
                rows[missing] = embedder.embed_passages([texts[index] for index in missing])
            vectors.append(keys, rows)
            for _, pieces in batch:
                papers.add(pieces.paper, pieces.passages, pieces.sentences)
            embedded += len(missing)
            reused += len(texts) - len(missing)
            done += len(batch)
            if progress:
                progress(done, total, _label(done, total, time.monotonic() - started))
    finally:
        vectors.close()
        papers.close()
    return embedded, reused


def _cut(paper: Paper, embedder: PassageEmbedder) -> tuple[str, _Pieces]:
    """Return the title as it is embedded, and the paper's pieces."""
    count, most = embedder.count_tokens, embedder.max_tokens
    sentences = make_sentences(paper, count_tokens=count, max_tokens=most)
    passages = make_passages(paper, count_tokens=count, max_tokens=most, sentences=sentences)
    title = passage_title(paper.title, count_tokens=count, max_tokens=most)
    spans = tuple(Span(passage.start, passage.end) for passage in passages)
    return title, _Pieces(paper, spans, tuple(sentences))


def _take(cut: Iterator[tuple[str, _Pieces]], texts: int) -> list[tuple[str, _Pieces]]:
    """Return the next papers, with about `texts` pieces in all."""
    batch = []
    size = 0
    for title, pieces in cut:
        batch.append((title, pieces))
        size += len(pieces.passages) + len(pieces.sentences)
        if size >= texts:
            break
    return batch


def _label(done: int, total: int, seconds: float) -> str:
    """Return the progress label with rate and time left."""
    if seconds < 2 or not done:
        return "embedding"
    rate = done / seconds
    left = (total - done) / rate
    return f"embedding, {rate:,.0f} papers/s, {left // 60:.0f}:{left % 60:02.0f} left"


def _fill_store(
    folder: Path,
    papers: PaperTable,
    vectors: VectorFile,
    fingerprint: str,
    progress: Progress | None,
) -> None:
    """Write all vectors into a new Chroma store."""
    store = ChromaStore.create(folder, fingerprint=fingerprint)
    try:
        remaining = iter(papers)
        done = 0
        while some := list(islice(remaining, 500)):
            for kind in KINDS:
                ids: list[str] = []
                rows: list[int] = []
                for paper_id in some:
                    for index, row in enumerate(papers.layout(paper_id).rows(kind)):
                        ids.append(item_id(paper_id, kind, index))
                        rows.append(row)
                if ids:
                    store.add(kind, ids, np.asarray(vectors.rows[rows]))
            done += len(some)
            if progress:
                progress(done, len(papers), "filling the vector index")
        store.finish()
    except BaseException:
        store.close()
        raise
