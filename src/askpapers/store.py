"""The vector index: Chroma collections in a folder.

A folder is written once, by one process, and then only read. Item ids are the only thing
stored beside the vectors: what an id means is the caller's knowledge. Similarities leave this
module as cosines, larger is better; Chroma's distances do not.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from askpapers.errors import IndexDamaged, IndexMismatch, StorageFailed
from askpapers.sealing import check_database, compact_database, copy_database

KINDS = ("passages", "sentences")

_HNSW = {
    "space": "cosine",
    "ef_construction": 128,
    "ef_search": 400,
    "max_neighbors": 16,
    # The whole graph is written each time so many items are new; the default of 1,000 would
    # write a graph of a million items a thousand times.
    "sync_threshold": 50_000,
}
_WRITING = {"sync_threshold": _HNSW["sync_threshold"], "batch_size": 100}
DATABASE = "chroma.sqlite3"
_ALMOST_FULL_BYTES = 256 * 1024
_FINGERPRINT = "askpapers_fingerprint"
_DISK_FULL = ("disk is full", "no space left", "code: 13", "os error 28")
_READ_ONLY = (
    "readonly",
    "read-only",
    "permission denied",
    "code: 8)",
    "os error 13",
    "os error 30",
)


class ChromaStore:
    """Vectors by kind ("passages", "sentences"), found by cosine. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        client: Any,
        collections: dict[str, Any],
        *,
        borrowed: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self.folder = folder
        self._client = client
        self._collections = collections
        self._borrowed = borrowed
        self._last: dict[str, tuple[str, np.ndarray]] = {}

    @classmethod
    def create(cls, folder: Path, *, fingerprint: str) -> ChromaStore:
        """Make an empty store in a new folder.

        Raises:
            StorageFailed: the folder cannot be written, or the disk is full.
        """
        folder.mkdir(parents=True)
        with _translated(folder, writing=True):
            client = _connect(folder)
            collections = {
                kind: client.create_collection(
                    kind,
                    embedding_function=None,
                    configuration={"hnsw": _HNSW},
                    metadata={_FINGERPRINT: fingerprint},
                )
                for kind in KINDS
            }
        return cls(folder, client, collections)

    @classmethod
    def extend(cls, source: Path, folder: Path, *, fingerprint: str) -> ChromaStore:
        """Make a store in a new folder from a finished one, which is only read.

        Raises:
            IndexDamaged, IndexMismatch: as `open`.
            StorageFailed: the folder cannot be written, or the disk is full.
        """
        check_database(source / DATABASE)
        with _translated(folder, writing=True):
            folder.mkdir(parents=True)
            for path in source.iterdir():
                if path.is_dir():
                    shutil.copytree(path, folder / path.name)
            copy_database(source / DATABASE, folder / DATABASE)
            client = _connect(folder)
            for kind in KINDS:
                collection = client.get_collection(kind, embedding_function=None)
                # `finish` left a threshold that would write the graph for every few items; this
                # one holds from the next opening on.
                collection.modify(configuration={"hnsw": _WRITING})
            client.close()
        return cls.open(folder, fingerprint=fingerprint)

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str) -> ChromaStore:
        """Open a store that `create` made.

        Raises:
            IndexDamaged: there is none, or its files don't open.
            IndexMismatch: it was made under another fingerprint.
            StorageFailed: neither the folder nor the one for temporary files can be written.
        """
        check_database(folder / DATABASE)
        borrowed = None if _is_writable(folder) else _borrow(folder)
        try:
            return cls._open(folder, fingerprint, borrowed)
        except BaseException:
            if borrowed is not None:
                borrowed.cleanup()
            raise

    @classmethod
    def _open(
        cls, folder: Path, fingerprint: str, borrowed: tempfile.TemporaryDirectory[str] | None
    ) -> ChromaStore:
        with _translated(folder):
            client = _connect(Path(borrowed.name) if borrowed else folder)
            collections = {
                kind: client.get_collection(kind, embedding_function=None) for kind in KINDS
            }
        for collection in collections.values():
            found = (collection.metadata or {}).get(_FINGERPRINT)
            if found != fingerprint:
                raise IndexMismatch(
                    f"The vector index in {str(folder)!r} was made for {found!r}, "
                    f"not for {fingerprint!r}."
                )
        return cls(folder, client, collections, borrowed=borrowed)

    def __enter__(self) -> ChromaStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._client.close()
        if self._borrowed is not None:
            self._borrowed.cleanup()

    def add(self, kind: str, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Write vectors; an id that is there already is replaced.

        Args:
            kind: one of KINDS.
            ids: n distinct ids.
            vectors: float32 (n, d), unit length.

        Raises:
            StorageFailed: the disk is full or the folder cannot be written.
        """
        if len(ids):
            self._last[kind] = ids[-1], np.array(vectors[-1], dtype=np.float32)
        with _translated(self.folder, writing=True):
            step = min(int(self._client.get_max_batch_size()), 2000)
            for start in range(0, len(ids), step):
                self._collections[kind].upsert(
                    ids=list(ids[start : start + step]),
                    embeddings=np.ascontiguousarray(vectors[start : start + step]),
                )

    def remove(self, kind: str, ids: Sequence[str]) -> None:
        """Take items out.

        Raises:
            StorageFailed: the disk is full or the folder cannot be written.
        """
        with _translated(self.folder, writing=True):
            for start in range(0, len(ids), 2000):
                self._collections[kind].delete(ids=list(ids[start : start + 2000]))

    def finish(self) -> None:
        """Write out everything and close; only reading follows.

        Items that Chroma has logged but not yet put into the graph's files would be put there
        by every reader, several at a time. A threshold of two and one more write of the last
        item make it do so now; the threshold holds from the next opening on.

        Raises:
            StorageFailed: the disk is full or the folder cannot be written.
        """
        with _translated(self.folder, writing=True):
            for collection in self._collections.values():
                collection.modify(configuration={"hnsw": {"sync_threshold": 2, "batch_size": 2}})
            self._client.close()
            self._client = _connect(self.folder)
            for kind in KINDS:
                collection = self._client.get_collection(kind, embedding_function=None)
                last = self._last.get(kind) or _find_any(collection)
                if last is None:
                    continue
                item, vector = last
                for _ in range(2):
                    collection.upsert(ids=[item], embeddings=vector[None, :])
            self._client.close()
            compact_database(self.folder / DATABASE)

    def count(self, kind: str) -> int:
        """Return the number of items.

        Raises:
            IndexDamaged: the files don't belong together.
        """
        with _translated(self.folder):
            return int(self._collections[kind].count())

    def ids(self, kind: str) -> Iterator[str]:
        """Yield all ids, in no order that means anything.

        Raises:
            IndexDamaged: the files don't belong together.
        """
        step = 10_000
        offset = 0
        while True:
            with _translated(self.folder):
                page = self._collections[kind].get(include=[], limit=step, offset=offset)["ids"]
            yield from page
            if len(page) < step:
                return
            offset += step

    def nearest(
        self, kind: str, vector: np.ndarray, *, limit: int, ids: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Return up to `limit` (id, cosine), best first.

        Args:
            kind: one of KINDS.
            vector: float32 (d,), unit length.
            limit: at most this many.
            ids: only among these.

        Raises:
            IndexDamaged: the files don't belong together.
        """
        if limit <= 0 or (ids is not None and not ids):
            return []
        with _translated(self.folder):
            found = self._collections[kind].query(
                query_embeddings=np.asarray(vector, dtype=np.float32)[None, :],
                n_results=limit,
                include=["distances"],
                **({"ids": list(ids)} if ids is not None else {}),
            )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(item, 1.0 - float(distance)) for item, distance in pairs]


def _connect(folder: Path) -> Any:
    # Chroma reads these at import; telemetry must be off before.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(
        path=str(folder), settings=Settings(anonymized_telemetry=False, allow_reset=False)
    )


def _find_any(collection: Any) -> tuple[str, np.ndarray] | None:
    """Return an item and its vector, or None when there is none."""
    found = collection.get(limit=1, include=["embeddings"])
    if not found["ids"]:
        return None
    return found["ids"][0], np.asarray(found["embeddings"][0], dtype=np.float32)


def _is_writable(folder: Path) -> bool:
    return all(os.access(path, os.W_OK) for path in (folder, folder / DATABASE))


def _borrow(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder in which Chroma can read a store that it cannot write.

    Chroma writes to its SQLite file even when it only reads; the graph's folders it leaves
    alone. So the one is copied and the others are linked.

    Raises:
        StorageFailed: there is no room for the copy.
    """
    try:
        borrowed = tempfile.TemporaryDirectory(prefix="askpapers-store-")
    except OSError as exc:
        raise StorageFailed(
            f"The vector index in {str(folder)!r} cannot be written, nor can the folder for "
            "temporary files, and Chroma needs one of them even to read."
        ) from exc
    try:
        for path in folder.iterdir():
            place = Path(borrowed.name) / path.name
            if path.is_dir():
                place.symlink_to(path.absolute(), target_is_directory=True)
            else:
                shutil.copyfile(path, place)
    except OSError as exc:
        borrowed.cleanup()
        raise StorageFailed(
            f"The vector index in {str(folder)!r} cannot be written, and to read it a copy in "
            f"{tempfile.gettempdir()!r} failed: {exc.strerror or exc}.",
            hint="set TMPDIR to a folder with more room, or ASKPAPERS_HOME to one you can write",
        ) from exc
    return borrowed


@contextmanager
def _translated(folder: Path, *, writing: bool = False) -> Iterator[None]:
    """Turn what Chroma raises over its files into this program's errors.

    Chroma's binding reports a full disk, a read-only folder and corrupt files alike, as
    InternalError with a text that may or may not tell the cause, and panics (a BaseException)
    over some corrupt ones. What goes wrong while a new store is written is never its files.
    """
    try:
        yield
    except OSError as exc:
        raise StorageFailed(
            f"The vector index in {str(folder)!r} cannot be used: {exc.strerror or exc}."
        ) from exc
    except BaseException as exc:
        kind = type(exc)
        if not (kind.__module__.startswith("chromadb") or kind.__name__ == "PanicException"):
            raise
        cause = str(exc).splitlines()[0][:200] if str(exc) else kind.__name__
        lowered = cause.casefold()
        if any(sign in lowered for sign in _DISK_FULL) or _is_full(folder):
            raise StorageFailed(
                f"The disk that holds {str(folder)!r} is full.",
                hint="free some space, or set ASKPAPERS_HOME to a folder on another disk",
            ) from exc
        if any(sign in lowered for sign in _READ_ONLY):
            raise StorageFailed(
                f"The vector index in {str(folder)!r} cannot be written, "
                "which Chroma needs even to read it."
            ) from exc
        if writing:
            raise StorageFailed(
                f"The vector index in {str(folder)!r} cannot be written: {cause}."
            ) from exc
        raise IndexDamaged(f"The vector index in {str(folder)!r} is damaged: {cause}.") from exc


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ALMOST_FULL_BYTES
    except OSError:
        return False
