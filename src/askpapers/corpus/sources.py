"""Corpus files on disk: finding them, and reading their text in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any, cast

from askpapers.corpus.entries import Rejected
from askpapers.errors import CorpusError, NotFound

_SUFFIXES = [
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".csv",
    ".tsv",
    ".bib",
    ".bibtex",
    ".ris",
    ".xml",
    ".atom",
]
_COMPRESSED: dict[str, Callable[[Path, str], Any]] = {".gz": gzip.open, ".xz": lzma.open}

MAX_LINE_BYTES = 8 * 2**20
_HEAD_BYTES = 16 * 1024
# Text packs 3 to 10 times; what packs hundreds of times better is not text.
_MAX_RATIO = 200
_FREE_BYTES = 64 * 2**20


class UnreadableSource(Exception):
    """A file that cannot be read on; the message completes "The file ..."."""


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that `paths` (files, folders, globs) name, sorted within each, once each.

    Folders are searched for the suffixes of the formats that can be read; a file that is named
    is taken whatever its suffix.

    Raises:
        NotFound: a path or glob names nothing.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and _has_known_suffix(p))
            if not files:
                raise NotFound(
                    f"The folder {str(given)!r} holds no corpus file ({', '.join(_SUFFIXES)}).",
                    hint="askpapers index build FILE...",
                )
        elif path.exists():
            files = [path]
        elif has_magic(str(given)):
            files = sorted(Path(p) for p in glob(str(path), recursive=True) if Path(p).is_file())
        else:
            files = []
        if not files:
            raise NotFound(
                f"There is no file, folder or glob match at {str(given)!r}.",
                hint="askpapers index build PATH...",
            )
        found.update(dict.fromkeys(p.resolve() for p in files))
    return list(found)


def _has_known_suffix(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes = suffixes[:-1]
    return bool(suffixes) and suffixes[-1] in _SUFFIXES and not path.name.startswith(".")


def name_files(files: Iterable[Path]) -> dict[Path, str]:
    """Return a short name for every file, unique among them: enough of the path's end."""
    names: dict[Path, str] = {}
    groups: dict[str, list[Path]] = {}
    for path in files:
        groups.setdefault(path.name, []).append(path)
    for same in groups.values():
        depth = 1
        while len({p.parts[-depth:] for p in same}) < len(same):
            depth += 1
        names.update({p: "/".join(p.parts[-depth:]).lstrip("/") for p in same})
    return names


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise CorpusError(f"The file {str(path)!r} cannot be read: {exc.strerror}.") from exc


class Source:
    """One file, decompressed on the way, in lines of bounded length."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self._opener = _COMPRESSED.get(suffixes[-1]) if suffixes else None
        self.suffix = next((s for s in reversed(suffixes) if s not in _COMPRESSED), "")

    def read_head(self) -> str:
        """Return the first 16 KiB as text.

        Raises:
            UnreadableSource: it is not UTF-8 text, or cannot be opened or decompressed.
        """
        with self.open() as stream:
            head = stream.read(_HEAD_BYTES)
        if not head.strip():
            raise UnreadableSource("is empty")
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableSource("is UTF-16 text; save it as UTF-8")
        if b"\x00" in head:
            raise UnreadableSource("is binary, not text")
        try:
            return head[: _HEAD_BYTES - 4].decode("utf-8-sig", errors="strict")
        except UnicodeDecodeError as exc:
            # A sequence that the end of the head cuts in two is no fault.
            if exc.reason == "unexpected end of data":
                return head[: exc.start].decode("utf-8-sig")
            return head.decode("utf-8-sig", errors="surrogateescape")

    def lines(self) -> Iterator[tuple[int, str] | Rejected]:
        """Yield (1-based number, text without its line end), or why a line can't be taken.

        Bytes that are not UTF-8 come as lone surrogates, which the check of entries reports.

        Raises:
            UnreadableSource: it cannot be read or decompressed to its end.
        """
        with self.open() as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) >= MAX_LINE_BYTES and not line.endswith(b"\n"):
                    yield Rejected(
                        self.name, number, f"is a line longer than {MAX_LINE_BYTES // 2**20} MiB"
                    )
                    while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                    continue
                text = line.decode("utf-8", errors="surrogateescape")
                if number == 1:
                    text = text.removeprefix("\ufeff")
                yield number, text.rstrip("\r\n")

    def open(self) -> BoundedReader:
        """Open the file's decompressed bytes.

        Raises:
            UnreadableSource: it cannot be opened.
        """
        try:
            packed = self.path.stat().st_size
            stream = cast(
                "IO[bytes]",
                self._opener(self.path, "rb") if self._opener else self.path.open("rb"),
            )
        except OSError as exc:
            raise UnreadableSource(f"cannot be read: {exc.strerror or exc}") from exc
        limit = packed * _MAX_RATIO + _FREE_BYTES if self._opener else None
        return BoundedReader(stream, limit)


class BoundedReader:
    """A byte stream that ends in UnreadableSource when it unpacks to more than it may."""

    def __init__(self, stream: IO[bytes], limit: int | None) -> None:
        self._stream = stream
        self._left = limit

    def __enter__(self) -> BoundedReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        return self._checked(lambda: self._stream.read(size))

    def readline(self, size: int) -> bytes:
        """Read a line, up to `size` bytes of it."""
        return self._checked(lambda: self._stream.readline(size))

    def _checked(self, read: Callable[[], bytes]) -> bytes:
        try:
            data = read()
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise UnreadableSource(f"cannot be read to its end: {reason}") from exc
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise UnreadableSource(
                    f"unpacks to more than {_MAX_RATIO} times its size: not text"
                )
        return data
