"""What the generation in force hands on to the next: the papers that did not change.

Their spans and vectors are copied instead of made, and where little changed the vector index is
a copy of the old one with the difference put in. Nothing of the old generation is touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from askpapers.domain import Paper
from askpapers.indexing.papers import Layout, PaperTable, item_id
from askpapers.indexing.vectors import VectorFile
from askpapers.store import KINDS

_MOST_PATCHED = 0.1
"""Share of the papers that may have been put into or taken out of one graph since it was last
made whole: what is taken out leaves marks in it, and it is never balanced anew."""


@dataclass(frozen=True, slots=True)
class Forerunner:
    """A sound, open generation made by the same embedder and the same rule of passages.

    `carried` names the papers that the next generation took over.
    """

    store: Path
    manifest: dict[str, Any]
    papers: PaperTable
    vectors: VectorFile
    carried: set[str] = field(default_factory=set)

    def find(self, paper: Paper) -> Layout | None:
        """Return where the pieces of the same text lie, or None when there is no such text."""
        try:
            known, layout = self.papers[paper.paper_id], self.papers.layout(paper.paper_id)
        except KeyError:
            return None
        if (known.title, known.abstract) != (paper.title, paper.abstract):
            return None
        return layout if all(map(self.vectors.is_whole, _rows(layout))) else None

    def carry(self, paper_id: str, layout: Layout) -> tuple[list[bytes], np.ndarray]:
        """Return the keys and the vectors, float32 (n, d), of a paper, and note that it goes on."""
        self.carried.add(paper_id)
        rows = _rows(layout)
        return self.vectors.keys(rows), np.asarray(self.vectors.rows[rows.start : rows.stop])

    def find_removed(self) -> list[str]:
        """Return the papers that were not carried: they are gone, or their texts changed."""
        return [paper_id for paper_id in self.papers if paper_id not in self.carried]

    def find_items(self, kind: str, paper_ids: Collection[str]) -> list[str]:
        """Return the ids of the items of these papers."""
        return [
            item_id(paper_id, kind, index)
            for paper_id in paper_ids
            for index in range(len(self.papers.layout(paper_id).spans(kind)))
        ]

    def count_patched(self, changed: int, *, papers: int) -> int | None:
        """Return how many papers the graph was patched by, `changed` more included.

        None: too many, and a new one must be made.
        """
        patched = int(self.manifest.get("patched", 0)) + changed
        return patched if patched <= _MOST_PATCHED * papers else None


def _rows(layout: Layout) -> range:
    ranges = [layout.rows(kind) for kind in KINDS]
    return range(ranges[0].start, ranges[-1].stop)
