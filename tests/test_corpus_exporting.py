"""What is exported is read back as the same papers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askpapers.corpus import load_papers
from askpapers.corpus.exporting import FORMATS
from askpapers.domain import Paper

PAPERS = [
    Paper(
        "p1",
        "Kernels, “Quoted” & 5% Better",
        'We say "it works", at $x_{i}^2$ cost; in all.\u00a0It is 3% better.',
        date="2023-09-18",
        authors=("Ada Lovelace", "Kurt Gödel"),
        authors_count=2,
        url="https://example.org/a_b?x=1&y=2",
    ),
    Paper(
        "p2",
        "A Title, with {Braces}",
        "An open { brace. A backslash \\ too.",
        authors=("Lovelace, Ada",),
    ),
]
SUFFIXES = {"jsonl": "jsonl", "csv": "csv", "bibtex": "bib"}


def read_back(format, papers, folder):
    path = folder / f"a.{SUFFIXES[format]}"
    path.write_text("".join(FORMATS[format](papers)), "utf-8", newline="")
    found, report = load_papers([path])
    assert report.rejected == []
    return found


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_records_come_back_whole(format, tmp_path):
    found = read_back(format, PAPERS, tmp_path)
    for paper, again in zip(PAPERS, found, strict=True):
        assert (again.paper_id, again.title) == (paper.paper_id, paper.title)
        assert again.abstract == paper.abstract.replace("\u00a0", " ")
        assert (again.date, again.authors, again.url) == (paper.date, paper.authors, paper.url)


def test_bibtex_keeps_formulas_and_never_ends_early(tmp_path):
    first, second = read_back("bibtex", PAPERS, tmp_path)
    assert first.abstract == PAPERS[0].abstract.replace("\u00a0", " ")
    assert (first.date, first.authors, first.url) == (
        PAPERS[0].date,
        PAPERS[0].authors,
        PAPERS[0].url,
    )
    assert second.abstract == "An open ( brace. A backslash / too."
    assert "{Kernels, “Quoted” \\& 5\\% Better}" in "".join(FORMATS["bibtex"](PAPERS))


_TEXT = st.text(alphabet=st.sampled_from("ab {}\\$%&@\",;'=\n"), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=3),
    format=st.sampled_from(sorted(FORMATS)),
)
def test_no_text_of_one_paper_becomes_another(texts, format, tmp_path_factory):
    papers = [
        Paper(f"id{i}", f"T{i} {' '.join(title.split())}", f"Abstract {i} {' '.join(body.split())}")
        for i, (title, body) in enumerate(texts)
    ]
    found = read_back(format, papers, tmp_path_factory.mktemp("export"))
    assert [paper.abstract.split()[1] for paper in found] == [str(i) for i in range(len(papers))]
    assert [paper.title.split()[0] for paper in found] == [f"T{i}" for i in range(len(papers))]
