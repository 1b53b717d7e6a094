"""Reads any corpus file: finds its format by its content and hands it to the format's parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askpapers.corpus import bibliographies, markup, pages, records
from askpapers.corpus.entries import Entry, Rejected
from askpapers.corpus.merging import EntryStore
from askpapers.corpus.repair import check_entry
from askpapers.corpus.sources import Source, UnreadableSource, find_files, name_files
from askpapers.domain import Paper
from askpapers.errors import CorpusError

Progress = Callable[[int, int, str], None]
"""Called with (done, total, label)."""

MAX_REJECTED_KEPT = 10_000


@dataclass(slots=True)
class CorpusReport:
    """What became of the files: one line per fact that a user must know.

    `rejected` holds the first 10,000; `rejected_count` counts all.
    """

    files: int = 0
    listings: int = 0
    papers: int = 0
    bare: int = 0
    rejected_count: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    listings_by_file: Counter[str] = field(default_factory=Counter)

    @property
    def merged(self) -> int:
        """Listings that were merged into a paper already listed elsewhere."""
        return self.listings - self.papers

    def add_taken(self, entry: Entry) -> None:
        """Count a listing."""
        self.listings += 1
        self.listings_by_file[entry.file] += 1
        self.bare += entry.authors_count is None and entry.date_text is None

    def add_rejected(self, rejected: Rejected) -> None:
        """Count a rejection, and keep it while there is room."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_REJECTED_KEPT:
            self.rejected.append(rejected)

    def lines(self) -> Iterator[str]:
        """Yield the report as text, rejections last."""
        yield (
            f"{self.files:,} files: {self.listings:,} listings of {self.papers:,} papers"
            f" ({self.merged:,} merged), {self.rejected_count:,} rejected."
        )
        if self.bare:
            yield f"{self.bare:,} listings state neither authors nor a date."
        for rejected in self.rejected:
            yield f"{rejected.file}:{rejected.line}: {rejected.reason}"
        left_out = self.rejected_count - len(self.rejected)
        if left_out:
            yield f"... and {left_out:,} more rejected."


def read_files(
    files: Sequence[Path],
    *,
    report: CorpusReport,
    progress: Progress | None = None,
    names: Mapping[Path, str] | None = None,
) -> Iterator[Entry]:
    """Yield the listings of `files` in order, checked and repaired, and fill in the report.

    Args:
        files: as from `find_files`.
        report: filled in on the way; its paper count is left to the caller.
        progress: called before each file and after the last.
        names: what the files are called in listings; None: as `name_files` says.
    """
    names = names or name_files(files)
    for done, path in enumerate(files):
        if progress:
            progress(done, len(files), f"reading {names[path]}")
        report.files += 1
        for item in read_file(path, name=names[path]):
            if isinstance(item, Rejected):
                report.add_rejected(item)
                continue
            report.add_taken(item)
            yield item
    if progress:
        progress(len(files), len(files), "reading")


def read_file(path: Path, *, name: str) -> Iterator[Entry | Rejected]:
    """Yield what one file lists, under the name `name`, and what of it could not be taken."""
    source = Source(path, name)
    try:
        parse = _find_parser(source)
        if parse is None:
            yield Rejected(name, 1, "is in no known layout")
            return
        set_aside: list[Rejected] = []
        for item in parse(_good_lines(source, set_aside)):
            yield from set_aside
            set_aside.clear()
            yield check_entry(item) if isinstance(item, Entry) else item
        yield from set_aside
    except UnreadableSource as exc:
        yield Rejected(name, 1, str(exc))


def load_papers(paths: Sequence[str | Path]) -> tuple[list[Paper], CorpusReport]:
    """Read corpus files whole: for corpora that fit in memory.

    Raises:
        NotFound: a path names nothing.
        CorpusError: not one paper could be taken.
    """
    report = CorpusReport()
    with EntryStore() as store:
        store.add(read_files(find_files(paths), report=report))
        papers = list(store.papers())
    report.papers = len(papers)
    check_report(report)
    return papers, report


def check_report(report: CorpusReport) -> None:
    """Raise if nothing was taken.

    Raises:
        CorpusError: not one listing could be taken; the message holds the first reason.
    """
    if report.listings:
        return
    first = report.rejected[0] if report.rejected else None
    why = f": {first.file!r}, line {first.line}, {first.reason}" if first else ""
    raise CorpusError(
        f"No paper could be read from {report.files} file{'s' * (report.files != 1)}{why}.",
        hint='give a saved Daily Papers page or JSON Lines of {"title", "abstract"}',
    )


_Parse = Callable[[Iterator[tuple[int, str]]], Iterator[Entry | Rejected]]


def _find_parser(source: Source) -> _Parse | None:
    """Return the parser for a file, chosen by its content, then by its suffix."""
    head = source.read_head()
    name = source.name
    start = head.lstrip()[:1]
    if markup.is_xml(head):
        return lambda lines: markup.parse_xml(lines, file=name)
    if source.suffix in (".jsonl", ".ndjson") or (start == "{" and source.suffix != ".json"):
        return lambda lines: records.parse_jsonl(lines, file=name)
    if start in ("{", "[") and source.suffix not in (".bib", ".ris", ".csv", ".tsv"):
        return lambda lines: records.parse_json(lines, file=name)
    if bibliographies.is_ris(head):
        return lambda lines: bibliographies.parse_ris(lines, file=name)
    if pages.is_page(head):
        newest = pages.find_newest_year(_good_lines(source, []))
        return lambda lines: pages.parse_page(lines, file=name, newest_year=newest)
    for delimiter in ("\t", ",", ";"):
        if records.is_table(head, delimiter):
            return lambda lines: records.parse_csv(lines, file=name, delimiter=delimiter)
    if source.suffix in (".csv", ".tsv"):
        delimiter = "\t" if source.suffix == ".tsv" else ","
        return lambda lines: records.parse_csv(lines, file=name, delimiter=delimiter)
    if bibliographies.is_bibtex(head):
        return lambda lines: bibliographies.parse_bibtex(lines, file=name)
    return None


def _good_lines(source: Source, set_aside: list[Rejected]) -> Iterator[tuple[int, str]]:
    """Yield the lines that can be taken; the others are set aside for the report."""
    for line in source.lines():
        if isinstance(line, Rejected):
            set_aside.append(line)
        else:
            yield line
