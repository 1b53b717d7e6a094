"""The home folder of corpus and index: what is current, who may write, what may be removed.

    home/current.json        names the corpus and the index in force; replaced in one rename
    home/corpus/*.jsonl      the durable truth: where the listings came from, and the listings
    home/index/<name>/       one generation of the index, written once, then only read
    home/writer.lock         held by the one process that writes

Nothing is ever changed in place, so a process killed at any moment leaves the old state or the
new one. A reader holds a shared lock on its generation; what is neither current nor held is
garbage, and the next writer removes it. The kernel drops the locks of a process that dies.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askpapers.errors import Busy, IndexDamaged, IndexMissing, MismatchError, StorageFailed
from askpapers.resources import make_folder

HOME_FORMAT = 1
_LOCK = "in-use.lock"


@dataclass(frozen=True, slots=True)
class Current:
    """What is in force: the corpus file and the index folder, None when only a corpus is."""

    corpus: Path
    index: Path | None


def read_current(home: Path) -> Current:
    """Return what is in force.

    Raises:
        IndexMissing: nothing was ever built here.
        IndexDamaged: the pointer cannot be read.
        MismatchError: a newer version of this program wrote it.
    """
    path = home / "current.json"
    try:
        fields = json.loads(path.read_text("utf-8"))
        found = fields["format"]
        if fields.get("sum", sum_fields(fields)) != sum_fields(fields):
            raise ValueError("a field is altered")
        corpus, index = Path(fields["corpus"]).name, fields["index"]
    except FileNotFoundError:
        raise IndexMissing(f"There is no index in {str(home)!r} yet.") from None
    except OSError as exc:
        raise StorageFailed(f"The file {str(path)!r} cannot be read: {exc.strerror}.") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise IndexDamaged(
            f"The file {str(path)!r}, which names the index in force, is damaged.",
            hint="askpapers index build --force PATH...",
        ) from exc
    if found != HOME_FORMAT:
        raise MismatchError(
            f"The home folder {str(home)!r} has format {found!r}, this version reads "
            f"format {HOME_FORMAT}.",
            hint="askpapers index build --force PATH...",
        )
    return Current(home / "corpus" / corpus, home / "index" / Path(index).name if index else None)


def find_corpora(home: Path) -> list[Path]:
    """Return the corpus files there are, the latest first; one is in force or was to be."""
    paths = [p for p in (home / "corpus").glob("*.jsonl") if not p.name.startswith(".")]
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def write_current(home: Path, *, corpus: Path, index: Path | None) -> None:
    """Put a corpus and an index in force, in one step."""
    fields: dict[str, Any] = {
        "format": HOME_FORMAT,
        "corpus": corpus.name,
        "index": index.name if index else None,
    }
    fields["sum"] = sum_fields(fields)
    write_whole(home / "current.json", json.dumps(fields) + "\n")


def sum_fields(fields: Mapping[str, Any]) -> int:
    """Return the crc32 of a JSON object's fields but "sum", the same in every format to come."""
    rest = {key: value for key, value in fields.items() if key != "sum"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old content or the new one."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writer(home: Path) -> Iterator[None]:
    """Be the one writer of a home folder; what is not needed is removed after success.

    After a failure the vectors made so far stay for the next attempt, except on a full disk.

    Raises:
        Busy: another process writes.
        StorageFailed: the folder cannot be written, or the disk is full.
    """
    from filelock import FileLock, Timeout

    make_folder(home)
    lock = FileLock(home / "writer.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(
            f"Another process is writing the index in {str(home)!r}.",
            hint="wait until it has finished, then run the command again",
        ) from None
    except OSError as exc:
        raise StorageFailed(
            f"The home folder {str(home)!r} cannot be written: {exc.strerror or exc}."
        ) from exc
    try:
        with _translated(home):
            yield
        remove_garbage(home)
    except StorageFailed:
        remove_garbage(home)
        raise
    finally:
        lock.release()


@contextmanager
def _translated(home: Path) -> Iterator[None]:
    """Turn a full or read-only disk into this program's error."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise StorageFailed(f"The home folder {str(home)!r} cannot be written: {exc}.") from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFailed(
                f"The disk that holds {str(home)!r} is full.",
                hint="free some space, or set ASKPAPERS_HOME to a folder on another disk",
            ) from exc
        raise StorageFailed(
            f"The home folder {str(home)!r} cannot be written: {exc.strerror or exc}."
        ) from exc


def find_current(home: Path) -> Current | None:
    """Return what is in force, or None when nothing is or it cannot be told."""
    try:
        return read_current(home)
    except (IndexMissing, IndexDamaged, MismatchError):
        return None


def find_leftovers(home: Path) -> list[Path]:
    """Return the generations that are not in force: old ones, and those of dead builds."""
    found = find_current(home)
    current = found.index if found else None
    folders = (home / "index").glob("*")
    return sorted(path for path in folders if path.is_dir() and path != current)


def remove_generations(home: Path, *, keep: Path | None = None) -> None:
    """Remove the generations that are neither in force, held by a reader, nor `keep`."""
    for folder in find_leftovers(home):
        if folder == keep:
            continue
        with suppress(BlockingIOError, FileNotFoundError), _locked(folder, fcntl.LOCK_EX):
            shutil.rmtree(folder, ignore_errors=True)
        if folder.is_dir() and not (folder / _LOCK).exists():
            shutil.rmtree(folder, ignore_errors=True)


def remove_garbage(home: Path) -> None:
    """Remove generations and corpora that no one needs; not while a new one is being made."""
    remove_generations(home)
    current = find_current(home)
    for path in (home / "corpus").glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif current and path != current.corpus:
            path.unlink(missing_ok=True)


def new_generation(home: Path) -> Path:
    """Make the folder of a new generation. The name is random: no clock is trusted."""
    folder = make_folder(home / "index") / secrets.token_hex(8)
    folder.mkdir()
    (folder / _LOCK).touch()
    return folder


class Hold:
    """A shared lock on a generation, kept until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            FileNotFoundError: the generation is gone.
            BlockingIOError: it is being removed.
        """
        self._descriptor: int | None = os.open(folder / _LOCK, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the generation go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
