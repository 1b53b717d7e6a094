"""Builds a generation of the index from the corpus, beside the one in force."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from askpapers.corpus import EntryStore
from askpapers.domain import Paper, Span
from askpapers.errors import IndexDamaged, IndexMismatch
from askpapers.indexing.carrying import Forerunner
from askpapers.indexing.generations import sum_fields, sync_folder, write_whole
from askpapers.indexing.papers import Layout, PaperTable, PaperWriter, item_id
from askpapers.indexing.vectors import VectorFile, VectorPool, VectorWriter, digest_text
from askpapers.passages import (
    PASSAGE_RULE,
    embedding_text,
    make_passages,
    make_sentences,
    passage_title,
)
from askpapers.sealing import seal_database
from askpapers.store import DATABASE, KINDS, ChromaStore

INDEX_FORMAT = 3
"""2: the manifest holds its own sum, and the seal of Chroma's SQLite file. 3: sentences are parted
within quotation marks and lists too."""
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
    """A paper cut for embedding; `title` as it is embedded, `carried` where nothing need be."""

    paper: Paper
    title: str
    passages: tuple[Span, ...]
    sentences: tuple[Span, ...]
    carried: Layout | None = None

    def texts(self) -> Iterator[str]:
        for span in (*self.passages, *self.sentences):
            yield embedding_text(self.title, self.paper.abstract[span.start : span.end])


def build_generation(
    folder: Path,
    store: EntryStore,
    *,
    corpus_digest: str,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    pool: VectorPool,
    forerunner: Forerunner | None,
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
        forerunner: the generation in force, if what didn't change may be taken from it.
        progress: called with (papers done, papers in all, label).
    """
    total = store.count_papers()
    (folder / EMBEDDER).write_text(embedder.fingerprint, "utf-8")
    fingerprint = f"{embedder.fingerprint}/{PASSAGE_RULE}"
    embedded, reused = _embed_papers(folder, store, embedder, pool, forerunner, total, progress)
    papers = PaperTable(folder / PAPERS)
    try:
        vectors = VectorFile(folder, dimension=embedder.dimension)
        patched = (
            _patch_store(folder / STORE, papers, vectors, fingerprint, forerunner)
            if forerunner
            else None
        )
        if patched is None:
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
        "patched": patched or 0,
        "versions": {name: version(name) for name in ("chromadb", "bm25s", "sentencex")},
        "files": describe_files(folder),
        "database": list(astuple(seal_database(folder / STORE / DATABASE))),
    }
    manifest["sum"] = sum_fields(manifest)
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    sync_folder(folder)
    return Built(manifest, embedded, reused)


def describe_files(folder: Path) -> dict[str, list[int]]:
    """Return {relative path: [bytes, crc32]} of a generation's files.

    Left out are the lock, the manifest, which holds its own sum, and Chroma's SQLite file, which
    has a seal instead: Chroma writes in it even when it only reads.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_changing(name):
            files[name] = [path.stat().st_size, checksum_file(path)]
    return files


def is_changing(name: str) -> bool:
    """Tell whether a file of a generation may change after the build."""
    return name in (MANIFEST, "in-use.lock") or name.startswith(f"{STORE}/{DATABASE}")


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
    forerunner: Forerunner | None,
    total: int,
    progress: Progress | None,
) -> tuple[int, int]:
    """Write the papers and the vectors of their pieces; return (embedded, reused) counts."""
    papers = PaperWriter(folder / PAPERS)
    vectors = VectorWriter(folder, dimension=embedder.dimension)
    embedded = reused = done = 0
    started = time.monotonic()
    cut = (_cut(paper, embedder, forerunner) for paper in store.papers())
    try:
        while batch := _take(cut, _TEXTS_A_STEP):
            fresh = [text for pieces in batch if not pieces.carried for text in pieces.texts()]
            keys, rows, missing = _find_known(fresh, pool, embedder.dimension)
            if missing:
                rows[missing] = embedder.embed_passages([fresh[index] for index in missing])
            at = 0
            for pieces in batch:
                count = len(pieces.passages) + len(pieces.sentences)
                if pieces.carried and forerunner:
                    vectors.append(*forerunner.carry(pieces.paper.paper_id, pieces.carried))
                else:
                    vectors.append(keys[at : at + count], rows[at : at + count])
                    at += count
                papers.add(pieces.paper, pieces.passages, pieces.sentences)
                reused += count
            embedded += len(missing)
            reused -= len(missing)
            done += len(batch)
            if progress:
                progress(done, total, _label(done, total, time.monotonic() - started))
    finally:
        vectors.close()
        papers.close()
    return embedded, reused


def _find_known(
    texts: Sequence[str], pool: VectorPool, dimension: int
) -> tuple[list[bytes], np.ndarray, list[int]]:
    """Return the keys of texts, their vectors as far as known, and which are not."""
    keys = [digest_text(text) for text in texts]
    rows = np.empty((len(texts), dimension), dtype=np.float32)
    missing = []
    for index, key in enumerate(keys):
        known = pool.find(key)
        if known is None:
            missing.append(index)
        else:
            rows[index] = known
    return keys, rows, missing


def _cut(paper: Paper, embedder: PassageEmbedder, forerunner: Forerunner | None) -> _Pieces:
    """Return a paper's pieces, those of the forerunner where its text is the same."""
    layout = forerunner.find(paper) if forerunner else None
    if layout:
        return _Pieces(paper, "", layout.passages, layout.sentences, layout)
    count, most = embedder.count_tokens, embedder.max_tokens
    sentences = make_sentences(paper, count_tokens=count, max_tokens=most)
    passages = make_passages(paper, count_tokens=count, max_tokens=most, sentences=sentences)
    title = passage_title(paper.title, count_tokens=count, max_tokens=most)
    spans = tuple(Span(passage.start, passage.end) for passage in passages)
    return _Pieces(paper, title, spans, tuple(sentences))


def _take(cut: Iterator[_Pieces], texts: int) -> list[_Pieces]:
    """Return the next papers, with about `texts` pieces in all."""
    batch = []
    size = 0
    for pieces in cut:
        batch.append(pieces)
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


def _patch_store(
    folder: Path,
    papers: PaperTable,
    vectors: VectorFile,
    fingerprint: str,
    forerunner: Forerunner,
) -> int | None:
    """Copy the forerunner's Chroma store and put the difference in.

    Returns:
        How many papers the graph was patched by since it was made whole; None: it must be made
        whole now, because too much changed or the copy is not what it should be.
    """
    removed = forerunner.find_removed()
    added = [paper_id for paper_id in papers if paper_id not in forerunner.carried]
    patched = forerunner.count_patched(len(removed) + len(added), papers=len(papers))
    if patched is None:
        return None
    try:
        with ChromaStore.extend(forerunner.store, folder, fingerprint=fingerprint) as store:
            for kind in KINDS:
                store.remove(kind, forerunner.find_items(kind, removed))
            _add_items(store, papers, vectors, added)
            store.finish()
        with ChromaStore.open(folder, fingerprint=fingerprint) as store:
            if all(set(store.ids(kind)) == _find_item_ids(papers, kind) for kind in KINDS):
                return patched
    except (IndexDamaged, IndexMismatch):
        pass
    shutil.rmtree(folder)
    return None


def _find_item_ids(papers: PaperTable, kind: str) -> set[str]:
    return {
        item_id(paper_id, kind, index)
        for paper_id in papers
        for index in range(len(papers.layout(paper_id).spans(kind)))
    }


def _add_items(
    store: ChromaStore, papers: PaperTable, vectors: VectorFile, paper_ids: Sequence[str]
) -> None:
    """Write the vectors of some papers into a Chroma store."""
    for kind in KINDS:
        ids: list[str] = []
        rows: list[int] = []
        for paper_id in paper_ids:
            for index, row in enumerate(papers.layout(paper_id).rows(kind)):
                ids.append(item_id(paper_id, kind, index))
                rows.append(row)
        if ids:
            store.add(kind, ids, np.asarray(vectors.rows[rows]))


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
            _add_items(store, papers, vectors, some)
            done += len(some)
            if progress:
                progress(done, len(papers), "filling the vector index")
        store.finish()
    except BaseException:
        store.close()
        raise
