"""The operations that change a home folder: build, add, rebuild. One writer at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askpapers.corpus import (
    CorpusReport,
    Entry,
    EntryStore,
    check_report,
    digest_file,
    find_files,
    name_files,
    read_files,
)
from askpapers.errors import (
    CorpusError,
    IndexDamaged,
    IndexMismatch,
    IndexMissing,
    MismatchError,
)
from askpapers.indexing.building import (
    EMBEDDER,
    BuildLexical,
    PassageEmbedder,
    Progress,
    build_generation,
)
from askpapers.indexing.generations import (
    Current,
    find_corpora,
    find_current,
    find_leftovers,
    new_generation,
    read_current,
    remove_generations,
    write_current,
    writer,
)
from askpapers.indexing.opening import Index, open_index
from askpapers.indexing.truth import (
    CorpusHead,
    SourceFile,
    read_entries,
    read_head,
    write_corpus,
)
from askpapers.indexing.vectors import VectorFile, VectorPool
from askpapers.resources import make_folder


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a build, an addition or a rebuild came to.

    `changed` is False when the index in force was already the one asked for and nothing was
    written. `embedded` and `reused` count passages and sentences.
    """

    changed: bool
    papers: int
    listings: int
    passages: int
    sentences: int
    embedded: int
    reused: int
    seconds: float
    report_lines: tuple[str, ...]
    manifest: dict[str, Any]


def build_index(
    paths: Sequence[str | Path],
    *,
    home: Path,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    force: bool = False,
    progress: Progress | None = None,
) -> IndexInfo:
    """Index these files, folders and globs, and nothing else.

    With unchanged files and settings nothing is written. `force` reads all files and makes all
    vectors anew.

    Raises:
        NotFound: a path names nothing.
        CorpusError: not one paper could be read.
        Busy: another process writes.
        StorageFailed: the home folder cannot be written, or the disk is full.
    """
    started = time.monotonic()
    files = find_files(paths)
    names = name_files(files)
    sources = [SourceFile(names[path], str(path), digest_file(path)) for path in files]
    with writer(home):
        current = find_current(home)
        head = _find_head(current)
        if not force and head and list(head.sources) == sources:
            info = _find_unchanged(home, embedder, head, started)
            if info:
                return info
        with EntryStore(make_folder(home / "corpus")) as store:
            report = CorpusReport()
            store.add(read_files(files, report=report, progress=progress))
            return _finish(
                home, store, sources, report, embedder, build_lexical, progress, started,
                reuse=not force,
            )  # fmt: skip


def add_papers(
    paths: Sequence[str | Path],
    *,
    home: Path,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    progress: Progress | None = None,
) -> IndexInfo:
    """Index these files beside what is indexed; a file indexed before is read anew.

    The result is that of a build of all files. With unchanged files nothing is written.

    Raises:
        IndexMissing: there is nothing to add to.
        As `build_index`.
    """
    started = time.monotonic()
    files = find_files(paths)
    with writer(home):
        current = read_current(home)
        head = read_head(current.corpus)
        added = _name_added(files, head.sources)
        known = {source.path: source for source in head.sources}
        changed = [source for source in added if known.get(source.path) != source]
        if not changed:
            info = _find_unchanged(home, embedder, head, started)
            if info:
                return info
        fresh = {source.name for source in changed}
        sources = [source for source in head.sources if source.name not in fresh]
        with EntryStore(make_folder(home / "corpus")) as store:
            report = CorpusReport(files=len(sources))
            store.add(_kept(read_entries(current.corpus), fresh, report))
            taken = {Path(source.path): source.name for source in changed}
            store.add(read_files(list(taken), report=report, progress=progress, names=taken))
            return _finish(
                home, store, [*sources, *changed], report, embedder, build_lexical, progress,
                started, reuse=True,
            )  # fmt: skip


def rebuild_index(
    *,
    home: Path,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    progress: Progress | None = None,
) -> IndexInfo:
    """Make the index anew from the corpus that the home folder keeps; no input file is read.

    Raises:
        IndexMissing: there is no corpus.
        CorpusError: the corpus itself is damaged.
        Busy, StorageFailed: as `build_index`.
    """
    started = time.monotonic()
    with writer(home):
        corpus = _find_corpus(home)
        head = read_head(corpus)
        # Another process may have mended it while this one waited for its turn.
        info = _find_unchanged(home, embedder, head, started)
        if info:
            return info
        with EntryStore(make_folder(home / "corpus")) as store:
            store.add(read_entries(corpus))
            return _build(
                home, store, corpus, head, embedder, build_lexical, progress, started,
                reuse=True, mend=True,
            )  # fmt: skip


def _finish(
    home: Path,
    store: EntryStore,
    sources: list[SourceFile],
    report: CorpusReport,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    progress: Progress | None,
    started: float,
    *,
    reuse: bool,
) -> IndexInfo:
    """Write the corpus file of the listings, then build and put both in force."""
    check_report(report)
    report.papers = store.count_papers()
    corpus, head = write_corpus(
        make_folder(home / "corpus"), store.entries(), sources=sources, report=report.lines()
    )
    return _build(
        home, store, corpus, head, embedder, build_lexical, progress, started, reuse=reuse
    )


def _build(
    home: Path,
    store: EntryStore,
    corpus: Path,
    head: CorpusHead,
    embedder: PassageEmbedder,
    build_lexical: BuildLexical,
    progress: Progress | None,
    started: float,
    *,
    reuse: bool,
    mend: bool = False,
) -> IndexInfo:
    """Build a generation and put it in force.

    Args:
        reuse: vectors of earlier builds serve where the texts are the same.
        mend: of the index in force only the vectors are trusted.
    """
    pool = _find_vectors(home, embedder) if reuse else VectorPool([])
    folder = new_generation(home)
    with ExitStack() as stack:
        old = _open_sound(home, embedder) if reuse and not mend else None
        forerunner = stack.enter_context(old).hand_on() if old else None
        built = build_generation(
            folder,
            store,
            corpus_digest=head.digest,
            embedder=embedder,
            build_lexical=build_lexical,
            pool=pool,
            forerunner=forerunner,
            progress=progress,
        )
    write_current(home, corpus=corpus, index=folder)
    return _describe(built.manifest, head, True, built.embedded, built.reused, started)


def _describe(
    manifest: dict[str, Any],
    head: CorpusHead,
    changed: bool,
    embedded: int,
    reused: int,
    started: float,
) -> IndexInfo:
    return IndexInfo(
        changed=changed,
        papers=manifest["papers"],
        listings=manifest["listings"],
        passages=manifest["passages"],
        sentences=manifest["sentences"],
        embedded=embedded,
        reused=reused,
        seconds=time.monotonic() - started,
        report_lines=head.report,
        manifest={k: v for k, v in manifest.items() if k not in ("files", "database", "sum")},
    )


def _find_unchanged(
    home: Path, embedder: PassageEmbedder, head: CorpusHead, started: float
) -> IndexInfo | None:
    """Return what is in force if it is sound and fits, else None."""
    index = _open_sound(home, embedder)
    if index is None:
        return None
    with index:
        if index.manifest["corpus"] != head.digest:
            return None
        return _describe(index.manifest, head, False, 0, 0, started)


def _open_sound(home: Path, embedder: PassageEmbedder) -> Index | None:
    """Return the index in force, open, if it is sound and of this embedder."""
    try:
        return open_index(home, embedder_fingerprint=embedder.fingerprint)
    except (IndexMissing, IndexDamaged, IndexMismatch, MismatchError):
        return None


def _find_corpus(home: Path) -> Path:
    """Return the corpus in force, or the one to go on with where the pointer is damaged."""
    try:
        return read_current(home).corpus
    except IndexDamaged:
        found = find_corpora(home)
        if not found:
            raise
        return next((path for path in found if _is_readable(path)), found[0])


def _is_readable(corpus: Path) -> bool:
    try:
        read_head(corpus)
    except CorpusError:
        return False
    return True


def _find_head(current: Current | None) -> CorpusHead | None:
    try:
        return read_head(current.corpus) if current else None
    except CorpusError:
        return None


def _find_vectors(home: Path, embedder: PassageEmbedder) -> VectorPool:
    """Return the vectors of the index in force and of the killed build that got farthest.

    The others are removed, so that builds killed again and again don't fill the disk.
    """
    current = find_current(home)
    files = {}
    for folder in [*find_leftovers(home), *([current.index] if current and current.index else [])]:
        mark = folder / EMBEDDER
        if mark.is_file() and mark.read_bytes() == embedder.fingerprint.encode():
            files[folder] = VectorFile(folder, dimension=embedder.dimension)
    leftovers = [folder for folder in files if not current or folder != current.index]
    farthest = max(leftovers, key=lambda folder: files[folder].count, default=None)
    remove_generations(home, keep=farthest)
    return VectorPool(
        file for folder, file in files.items() if folder == farthest or folder not in leftovers
    )


def _name_added(files: Iterable[Path], known: Sequence[SourceFile]) -> list[SourceFile]:
    """Name files beside the known ones: a known path keeps its name, no name is given twice."""
    by_path = {source.path: source.name for source in known}
    fresh = [path for path in files if str(path) not in by_path]
    names = name_files([*fresh, *(Path(source.path) for source in known)])
    return [
        SourceFile(by_path.get(str(path)) or names[path], str(path), digest_file(path))
        for path in files
    ]


def _kept(entries: Iterable[Entry], fresh: set[str], report: CorpusReport) -> Iterator[Entry]:
    """Yield the listings of files that are not read anew, and count them."""
    for entry in entries:
        if entry.file not in fresh:
            report.add_taken(entry)
            yield entry
