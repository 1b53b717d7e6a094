"""An index that is in use: its papers, its searches, and the checks that it is sound."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from askpapers.domain import Filters, Match, Span
from askpapers.errors import AskPapersError, CorpusError, IndexDamaged, IndexMismatch
from askpapers.indexing.building import (
    INDEX_FORMAT,
    MANIFEST,
    PAPERS,
    STORE,
    checksum_file,
)
from askpapers.indexing.carrying import Forerunner
from askpapers.indexing.generations import Hold, read_current, sum_fields
from askpapers.indexing.papers import PaperTable, item_id, split_item_id
from askpapers.indexing.truth import is_head_altered, read_entries, read_head
from askpapers.indexing.vectors import VectorFile
from askpapers.passages import PASSAGE_RULE
from askpapers.sealing import Seal, is_sealed
from askpapers.store import DATABASE, KINDS, ChromaStore

_ALWAYS_SUMMED_BYTES = 128 * 2**20
"""So much of an index is checked byte by byte at opening (0.1 s), the smallest files first."""

_EXACT_ITEMS = 20_000
"""Up to so many items a filtered search computes every cosine instead of asking Chroma."""

_COMPARED_ITEMS = 20_000
"""Up to so many items all ids of the vector index are compared at opening."""

_PROBES = 3
_PROBE_LIMIT = 5
_SAME_SCORE = 1e-3


class Index:
    """One generation, open for reading. Use as a context manager, or `close` it.

    Safe to share between threads. A newer generation does not disturb it.
    """

    def __init__(self, folder: Path, hold: Hold) -> None:
        """Open a generation whose files are those that were written.

        Raises:
            IndexDamaged: they are not.
        """
        self._hold = hold
        self.folder = folder
        self.manifest = _read_manifest(folder)
        # Files first: no library should meet one that is not whole.
        for finding in _check_files(folder, self.manifest, summed=None):
            raise IndexDamaged(f"The index is damaged: {finding}.")
        self._table = PaperTable(folder / PAPERS)
        self._vectors = VectorFile(folder, dimension=int(self.manifest["dimension"]))
        self._store = ChromaStore.open(folder / STORE, fingerprint=self.manifest["fingerprint"])

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files, so that a writer may remove an old generation."""
        self._store.close()
        self._table.close()
        self._hold.release()

    @property
    def papers(self) -> PaperTable:
        """The papers by id, in corpus order, each read when it is asked for."""
        return self._table

    def hand_on(self) -> Forerunner | None:
        """Return what the next generation may take over; None when a file is not as written."""
        if next(_check_files(self.folder, self.manifest, summed=True), None) is not None:
            return None
        return Forerunner(self.folder / STORE, self.manifest, self._table, self._vectors)

    def sentences(self, paper_id: str) -> tuple[Span, ...]:
        """Return the sentences of a paper's abstract; KeyError for an unknown id."""
        return self._table.layout(paper_id).sentences

    def passages(self, paper_id: str) -> tuple[Span, ...]:
        """Return the passages of a paper's abstract; KeyError for an unknown id."""
        return self._table.layout(paper_id).passages

    def find_papers(self, filters: Filters) -> frozenset[str] | None:
        """Return the ids of the papers that pass the filters, or None when all do."""
        return self._table.find(filters)

    def query(
        self,
        kind: str,
        vector: np.ndarray,
        *,
        limit: int,
        paper_ids: Collection[str] | None = None,
    ) -> list[Match]:
        """Return the `limit` items nearest to `vector`, best first.

        Args:
            kind: "passages" or "sentences".
            vector: float32 (d,), unit length, of this index's embedder.
            limit: at most this many.
            paper_ids: only pieces of these papers; unknown ids are passed over.

        Raises:
            IndexDamaged: the files don't belong together.
        """
        if paper_ids is None:
            return [self._match(item, kind, s) for item, s in self._nearest(kind, vector, limit)]
        known = [paper_id for paper_id in paper_ids if paper_id in self._table]
        if sum(len(self._table.layout(p).rows(kind)) for p in known) <= _EXACT_ITEMS:
            matches = self.score(kind, vector, paper_ids=known)
            return sorted(matches, key=lambda m: (-m.score, m.item_id))[:limit]
        return self._query_many(kind, vector, limit, frozenset(known))

    def score(self, kind: str, vector: np.ndarray, *, paper_ids: Collection[str]) -> list[Match]:
        """Return the exact cosine of every item of these papers, in their order.

        Unknown ids are passed over.
        """
        layouts = []
        for paper_id in paper_ids:
            try:
                layouts.append((paper_id, self._table.layout(paper_id)))
            except KeyError:
                continue
        rows = [row for _, layout in layouts for row in layout.rows(kind)]
        if not rows:
            return []
        scores = iter((self._vectors.rows[rows] @ np.asarray(vector, dtype=np.float32)).tolist())
        return [
            Match(item_id(paper_id, kind, i), paper_id, span.start, span.end, next(scores))
            for paper_id, layout in layouts
            for i, span in enumerate(layout.spans(kind))
        ]

    def centres(self, paper_ids: Sequence[str]) -> np.ndarray:
        """Return the middle of each paper's passages: float32 (n, d), unit length or zero.

        Raises:
            KeyError: a paper is not in the index.
        """
        means = np.zeros((len(paper_ids), self._vectors.rows.shape[1]), dtype=np.float32)
        for row, paper_id in enumerate(paper_ids):
            rows = self._table.layout(paper_id).rows("passages")
            if rows:
                means[row] = self._vectors.rows[rows.start : rows.stop].mean(axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, 1e-12), dtype=np.float32)

    def check(self) -> None:
        """Check what can be checked at every opening: files, counts, known answers.

        Raises:
            IndexDamaged: something is not as it was built.
        """
        checks = [self._check_counts, self._check_probes]
        if sum(int(self.manifest[kind]) for kind in KINDS) <= _COMPARED_ITEMS:
            checks.insert(1, self._check_ids)
        for finding in chain.from_iterable(check() for check in checks):
            raise IndexDamaged(f"The index is damaged: {finding}.")

    def findings(self) -> Iterator[str]:
        """Yield every fault that can be found by reading all of it."""
        yield from _check_files(self.folder, self.manifest, summed=True)
        yield from self._check_counts()
        yield from self._check_probes()
        yield from self._check_ids()
        torn = sum(not self._vectors.is_whole(row) for row in range(self._vectors.count))
        if torn:
            yield f"{torn} vectors are altered"

    def _nearest(self, kind: str, vector: np.ndarray, limit: int) -> list[tuple[str, float]]:
        return self._store.nearest(kind, vector, limit=min(limit, int(self.manifest[kind])))

    def _query_many(
        self, kind: str, vector: np.ndarray, limit: int, paper_ids: frozenset[str]
    ) -> list[Match]:
        """Search among many papers: ask for more than is wanted until enough pass."""
        total = int(self.manifest[kind])
        wanted = limit * 4
        while True:
            found = self._nearest(kind, vector, wanted)
            matches = [self._match(item, kind, score) for item, score in found]
            passing = [match for match in matches if match.paper_id in paper_ids]
            if len(passing) >= limit or wanted >= total:
                return passing[:limit]
            if wanted >= _EXACT_ITEMS:
                exact = self.score(kind, vector, paper_ids=paper_ids)
                return sorted(exact, key=lambda m: (-m.score, m.item_id))[:limit]
            wanted *= 4

    def _match(self, item: str, kind: str, score: float) -> Match:
        try:
            paper_id, index = split_item_id(item)
            span = self._table.layout(paper_id).spans(kind)[index]
        except (ValueError, KeyError, IndexError) as exc:
            raise IndexDamaged(f"The vector index holds the unknown item {item!r}.") from exc
        return Match(item, paper_id, span.start, span.end, score)

    def _check_ids(self) -> Iterator[str]:
        for kind in KINDS:
            stored = set(self._store.ids(kind))
            expected = {
                item_id(paper_id, kind, index)
                for paper_id in self._table
                for index in range(len(self._table.layout(paper_id).spans(kind)))
            }
            if stored != expected:
                yield (
                    f"the vector index lacks {len(expected - stored)} {kind} "
                    f"and holds {len(stored - expected)} unknown ones"
                )

    def _check_counts(self) -> Iterator[str]:
        expected = {"papers": len(self._table)}
        expected |= {kind: self._store.count(kind) for kind in KINDS}
        for name, found in expected.items():
            if found != self.manifest[name]:
                yield f"{found} {name}, {self.manifest[name]} in the manifest"
        pieces = sum(int(self.manifest[kind]) for kind in KINDS)
        if self._vectors.count != pieces:
            yield f"{self._vectors.count} vectors for {pieces} passages and sentences"

    def _check_probes(self) -> Iterator[str]:
        """Search with vectors whose answer is known: their own item, at cosine 1."""
        ids = list(self._table)
        step = max(1, len(ids) // _PROBES)
        for paper_id in ids[::step]:
            layout = self._table.layout(paper_id)
            for kind in KINDS:
                rows = layout.rows(kind)
                if not rows:
                    continue
                vector = np.asarray(self._vectors.rows[rows[0]])
                best = self._nearest(kind, vector, _PROBE_LIMIT)
                # Texts may repeat, so another item may stand first at the same score.
                if not best or abs(best[0][1] - 1.0) > _SAME_SCORE:
                    yield f"a probe for {item_id(paper_id, kind, 0)!r} was not answered"
                else:
                    self._match(best[0][0], kind, best[0][1])


def open_index(home: Path, *, embedder_fingerprint: str | None = None) -> Index:
    """Open the index in force and check it.

    Args:
        home: the home folder.
        embedder_fingerprint: of the embedder that will make the question's vector.

    Raises:
        IndexMissing: there is none yet.
        IndexDamaged: it is not as it was built.
        IndexMismatch: it was built with another embedder or by another version's rules.
        StorageFailed: it cannot be read.
    """
    index = _open_current(home)
    try:
        _check_fit(index.manifest, embedder_fingerprint)
        index.check()
    except BaseException:
        index.close()
        raise
    return index


def verify_index(home: Path) -> list[str]:
    """Read everything and return the faults found, as sentences; empty when sound.

    Raises:
        IndexMissing: there is no index.
    """
    findings: list[str] = []
    current = read_current(home)
    try:
        head = read_head(current.corpus)
        count = sum(1 for _ in read_entries(current.corpus))
        if count != head.listings:
            findings.append(f"the corpus file holds {count} listings, not {head.listings}")
        if is_head_altered(current.corpus):
            findings.append("the first line of the corpus file is altered")
    except CorpusError as exc:
        findings.append(exc.message)
    try:
        with _open_current(home) as index:
            findings += index.findings()
    except AskPapersError as exc:
        findings.append(exc.message)
    return findings


def _open_current(home: Path) -> Index:
    """Open the generation in force; begin again when a writer replaces it meanwhile."""
    attempts = 20
    while True:
        current = read_current(home)
        if current.index is None:
            raise IndexDamaged("The index was not finished; the papers are safe.")
        try:
            hold = Hold(current.index)
        except (FileNotFoundError, NotADirectoryError, BlockingIOError) as exc:
            attempts -= 1
            if attempts and read_current(home) != current:
                continue
            raise IndexDamaged(f"The index folder {str(current.index)!r} is gone.") from exc
        try:
            return Index(current.index, hold)
        except BaseException:
            hold.release()
            raise


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
        found = manifest["format"]
        if found == INDEX_FORMAT and manifest["sum"] != sum_fields(manifest):
            raise ValueError("a field is altered")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IndexDamaged(f"The index manifest {str(path)!r} is damaged.") from exc
    if found != INDEX_FORMAT:
        raise IndexMismatch(
            f"The index has format {found!r}, this version reads format {INDEX_FORMAT}."
        )
    return dict(manifest)


def _check_fit(manifest: dict[str, Any], embedder_fingerprint: str | None) -> None:
    if manifest["passage_rule"] != PASSAGE_RULE:
        raise IndexMismatch(
            f"The index was cut by the rule {manifest['passage_rule']!r}, "
            f"this version cuts by {PASSAGE_RULE!r}."
        )
    if embedder_fingerprint is not None and manifest["embedder"] != embedder_fingerprint:
        raise IndexMismatch(
            f"The index was built with the embedder {manifest['embedder']!r}, "
            f"the settings name {embedder_fingerprint!r}."
        )


def _check_files(folder: Path, manifest: dict[str, Any], *, summed: bool | None) -> Iterator[str]:
    """Yield the files that are missing or altered.

    `summed` compares contents too; None: of the smallest files, as many as is quick every time.
    """
    expected: dict[str, Sequence[int]] = manifest["files"]
    database = f"{STORE}/{DATABASE}"
    sealed = folder / database
    budget = _ALWAYS_SUMMED_BYTES
    try:
        budget -= sealed.stat().st_size
        if (summed or (summed is None and budget >= 0)) and not is_sealed(
            sealed, Seal(*manifest["database"])
        ):
            yield f"the file {database} is altered"
    except OSError as exc:
        yield f"the file {database} cannot be read: {exc.strerror}"
    for name, (size, checksum) in sorted(expected.items(), key=lambda item: item[1][0]):
        path = folder / name
        budget -= size
        try:
            if path.stat().st_size != size:
                yield f"the file {name} has {path.stat().st_size} bytes, not {size}"
            elif (summed or (summed is None and budget >= 0)) and checksum_file(path) != checksum:
                yield f"the file {name} is altered"
        except OSError as exc:
            yield f"the file {name} cannot be read: {exc.strerror}"
