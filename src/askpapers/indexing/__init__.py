"""The index in the home folder: built beside the one in force, swapped in whole, verified."""

from askpapers.indexing.building import BuildLexical, PassageEmbedder, Progress
from askpapers.indexing.opening import Index, open_index, verify_index
from askpapers.indexing.papers import PaperTable
from askpapers.indexing.writing import IndexInfo, add_papers, build_index, rebuild_index

__all__ = [
    "BuildLexical",
    "Index",
    "IndexInfo",
    "PaperTable",
    "PassageEmbedder",
    "Progress",
    "add_papers",
    "build_index",
    "open_index",
    "rebuild_index",
    "verify_index",
]
