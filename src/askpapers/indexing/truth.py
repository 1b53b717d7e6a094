"""The durable corpus file: a head that says where the listings came from, then the listings.

Everything else in the home folder can be made again from it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from askpapers.corpus import Entry, dump_entry, load_entry
from askpapers.errors import CorpusError

_FORMAT = "askpapers corpus 1"
_HINT = "askpapers index build --force PATH..."


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that listings came from: its name in them, where it lay, its sha256."""

    name: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class CorpusHead:
    """First line of the corpus file. `digest` is the sha256 of the lines behind it."""

    sources: tuple[SourceFile, ...]
    listings: int
    digest: str
    report: tuple[str, ...]


def write_corpus(
    folder: Path, entries: Iterable[Entry], *, sources: Iterable[SourceFile], report: Iterable[str]
) -> tuple[Path, CorpusHead]:
    """Write a corpus file under a name made of its digest, and return both.

    The listings are written first and the head is put before them at the end, because only
    then the digest is known.
    """
    body = folder / ".body.part"
    hasher = hashlib.sha256()
    count = 0
    with body.open("wb") as stream:
        for entry in entries:
            line = dump_entry(entry).encode("utf-8") + b"\n"
            hasher.update(line)
            stream.write(line)
            count += 1
    head = CorpusHead(tuple(sources), count, hasher.hexdigest(), tuple(report))
    fields = {"format": _FORMAT, **asdict(head)}
    first = json.dumps(fields, ensure_ascii=False).encode("utf-8") + b"\n"
    # Two runs over the same listings may differ in their sources: the name covers the head too.
    name = _name_head(first)
    path = folder / f"{name}.jsonl"
    part = folder / f".{name}.part"
    with part.open("wb") as stream, body.open("rb") as lines:
        stream.write(first)
        while chunk := lines.read(2**20):
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    body.unlink()
    part.replace(path)
    return path, head


def read_head(path: Path) -> CorpusHead:
    """Return the head of a corpus file.

    Raises:
        CorpusError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            fields = json.loads(stream.readline())
        if fields.pop("format") != _FORMAT:
            raise ValueError("another format")
        fields["sources"] = tuple(SourceFile(**source) for source in fields["sources"])
        fields["report"] = tuple(fields["report"])
        return CorpusHead(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CorpusError(f"The corpus file {str(path)!r} is damaged: {exc}.", hint=_HINT) from exc


def is_head_altered(path: Path) -> bool:
    """Tell whether the first line is another than the file was named by.

    What stands there can be read all the same: a report or a source's digest may be wrong, and
    the listings have a digest of their own.
    """
    with path.open("rb") as stream:
        return _name_head(stream.readline()) != path.stem


def _name_head(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16]


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the listings of a corpus file.

    Raises:
        CorpusError: a line is damaged, or the digest at the end is not that of the head.
    """
    head = read_head(path)
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            stream.readline()
            for line in stream:
                hasher.update(line)
                yield load_entry(line.decode("utf-8"))
    except (OSError, ValueError, TypeError) as exc:
        raise CorpusError(f"The corpus file {str(path)!r} is damaged: {exc}.", hint=_HINT) from exc
    if hasher.hexdigest() != head.digest:
        raise CorpusError(
            f"The corpus file {str(path)!r} is damaged: its digest is not {head.digest[:16]}.",
            hint=_HINT,
        )
