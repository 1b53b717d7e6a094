"""Chroma's SQLite file: made small, sealed when it is finished, compared with its seal later.

Chroma writes into this file even when it only reads: one row into the table `acquire_write` at
every opening [measured, 1.5.9]. So a checksum of the file says nothing on the next day. A seal
leaves out what that row touches: the root page of that table, the counters in the file's header,
and the pages that are appended when the table's page is full. The file must have no free pages
when it is sealed, or one of those would be taken instead; `compact_database` sees to it.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from askpapers.errors import IndexDamaged

_CHECKED_BYTES = 128 * 2**20
"""An SQLite file up to this size is checked page by page at opening."""

_CHANGING_TABLE = "acquire_write"
# SQLite file format, section 1.3: the change counter and the size in pages; the change counter
# that the size goes with, and the version that wrote it.
_COUNTERS = (slice(24, 32), slice(92, 100))


@dataclass(frozen=True, slots=True)
class Seal:
    """What a finished file was: its pages, the one page that changes, the crc32 of the rest."""

    pages: int
    changing: int
    checksum: int


def compact_database(path: Path) -> None:
    """Write an SQLite file anew without its free pages, which hold what was deleted.

    Raises:
        sqlite3.OperationalError: the disk is full, or the file cannot be written.
    """
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        database.execute("VACUUM")
    finally:
        database.close()


def seal_database(path: Path) -> Seal:
    """Return the seal of a compacted file that no one writes.

    Raises:
        sqlite3.DatabaseError: it is none.
    """
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        found = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (_CHANGING_TABLE,)
        ).fetchone()
    finally:
        database.close()
    changing = int(found[0]) if found else 0
    return Seal(int(pages), changing, _sum_pages(path, int(pages), changing))


def is_sealed(path: Path, seal: Seal) -> bool:
    """Tell whether a file is the one that was sealed; others may be reading it meanwhile.

    Raises:
        OSError: it cannot be read.
    """
    return _sum_pages(path, seal.pages, seal.changing) == seal.checksum


def _sum_pages(path: Path, pages: int, changing: int) -> int:
    checksum = 0
    with path.open("rb") as stream:
        header = bytearray(stream.read(100))
        size = _page_size(header)
        for counters in _COUNTERS:
            header[counters] = bytes(8)
        checksum = zlib.crc32(header)
        for chunk in _read_ranges(stream, pages * size, skipped=(changing - 1) * size, size=size):
            checksum = zlib.crc32(chunk, checksum)
    return checksum


def _read_ranges(stream: BinaryIO, end: int, *, skipped: int, size: int) -> Iterator[bytes]:
    """Yield what follows up to `end`, without the `size` bytes at `skipped`."""
    while (at := stream.tell()) < end:
        if at == skipped:
            stream.seek(size, 1)
            continue
        stop = skipped if at < skipped else end
        chunk = stream.read(min(stop - at, 2**20))
        if not chunk:
            return
        yield chunk


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite file as it is between two changes: a reader's Chroma may be writing in it.

    Raises:
        IndexDamaged: it is not whole.
        sqlite3.OperationalError: the disk is full, or the file is locked.
    """
    try:
        old = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        new = sqlite3.connect(target)
        try:
            old.backup(new)
        finally:
            new.close()
            old.close()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as exc:
        raise IndexDamaged(
            f"The vector index in {str(source.parent)!r} is damaged: {exc}."
        ) from exc


def check_database(path: Path) -> None:
    """Refuse an SQLite file that is not whole: Chroma may wait on one for minutes.

    Raises:
        IndexDamaged: it is missing, cut short, or malformed.
    """
    try:
        with path.open("rb") as stream:
            header = stream.read(100)
        size = path.stat().st_size
    except OSError as exc:
        raise IndexDamaged(f"There is no vector index in {str(path.parent)!r}.") from exc
    # SQLite file format, section 1.3: pages at 28
    page = _page_size(header)
    pages = int.from_bytes(header[28:32], "big")
    whole = header.startswith(b"SQLite format 3\0") and page and size == page * pages
    fault = None if whole else "its size is not what its header says"
    if whole and size <= _CHECKED_BYTES:
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            finally:
                connection.close()
            fault = None if said == "ok" else str(said)
        except sqlite3.OperationalError:
            fault = None  # locked by a reader that is opening it: no sign of damage
        except sqlite3.DatabaseError as exc:
            fault = str(exc)
    if fault:
        raise IndexDamaged(f"The vector index in {str(path.parent)!r} is damaged: {fault}.")


def _page_size(header: bytes | bytearray) -> int:
    """Return the bytes a page (SQLite file format, section 1.3: at 16; 1 stands for 65536)."""
    size = int.from_bytes(header[16:18], "big")
    return 65_536 if size == 1 else size
