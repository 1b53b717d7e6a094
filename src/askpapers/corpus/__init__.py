"""Papers out of files: saved Daily Papers pages, records, bibliographies and XML."""

from askpapers.corpus.entries import Entry, Rejected
from askpapers.corpus.merging import EntryStore, dump_entry, load_entry
from askpapers.corpus.reading import (
    CorpusReport,
    check_report,
    load_papers,
    read_file,
    read_files,
)
from askpapers.corpus.sources import digest_file, find_files, name_files

__all__ = [
    "CorpusReport",
    "Entry",
    "EntryStore",
    "Rejected",
    "check_report",
    "digest_file",
    "dump_entry",
    "find_files",
    "load_entry",
    "load_papers",
    "name_files",
    "read_file",
    "read_files",
]
